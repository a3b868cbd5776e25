"""200 times kill -9 at a random moment: nothing acknowledged is lost, nothing
is there twice.

Four callers register and unregister as fast as they are answered; the registry
is killed in the middle. What was answered must then be so; what was under way
may have happened or not, and asking again with the same request id must give
exactly one entry.
"""
import http.client
import random
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness

ROUNDS = harness.repeats(200)
CALLERS = 4
HELD_MAX = 25  # per caller


class Caller(threading.Thread):
    """Registers and unregisters until the registry is gone."""

    def __init__(self, port, pid, name, held, retry):
        super().__init__()
        self.port, self.pid, self.base = port, pid, name
        self.held = held        # model -> (port, id, epoch): answered
        self.leaving = None     # model whose end was under way
        self.pending = retry    # model whose registration was under way
        self.count = 0
        self.epochs = []
        self.failure = None

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            while True:
                self.step(connection)
        except (OSError, http.client.HTTPException):
            pass  # killed
        except AssertionError as failure:
            self.failure = failure
        finally:
            connection.close()

    def ask(self, connection, verb, path, body=None):
        text = harness.json.dumps(body) if body else None
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(verb, path, text, headers)
        answer = connection.getresponse()
        return answer.status, harness.json.loads(answer.read())

    def step(self, connection):
        if self.pending or len(self.held) < HELD_MAX and random.random() < 0.6:
            self.enter(connection)
        elif self.held:
            self.leave(connection)

    def enter(self, connection):
        if not self.pending:
            self.count += 1
            self.pending = f"{self.base}-{self.count}"
        model = self.pending
        status, answer = self.ask(connection, "POST", "/register", {
            "app_name": "Crash", "app_version": "1.2.0", "model_name": model,
            "process_id": self.pid, "request_id": model})
        assert status == 200, answer
        self.held[model] = (answer["assigned_port"], answer["registration_id"],
                            answer["epoch"])
        self.epochs.append(answer["epoch"])
        self.pending = None

    def leave(self, connection):
        model = self.leaving = random.choice(list(self.held))
        port, secret, _ = self.held[model]
        status, answer = self.ask(
            connection, "DELETE", f"/unregister/{port}?registration_id={secret}")
        assert status == 200, answer
        del self.held[model]
        self.leaving = None


class Crash(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.children = [subprocess.Popen(
            [sys.executable, "-c", "import signal; signal.pause()"])
            for _ in range(CALLERS)]
        self.registry = None

    def tearDown(self):
        if self.registry and self.registry.running():
            self.registry.kill()
        for child in self.children:
            child.kill()
            child.wait()
        self.folder.cleanup()

    def open(self):
        self.registry = harness.Registry(
            store=f"sqlite:{self.folder.name}/registry.db")

    def check(self, callers):
        """Compares what the registry has with what it has answered."""
        listed = self.registry.registrations()
        there = {e["model_name"]: e for e in listed}
        self.assertEqual(len(there), len(listed), "a model twice")
        self.assertEqual(len({e["port"] for e in listed}), len(listed))
        expected = set()
        for caller in callers:
            self.assertIsNone(caller.failure)
            for model, (port, _, epoch) in caller.held.items():
                if model == caller.leaving:  # may have happened
                    expected.add(model)
                    continue
                self.assertIn(model, there, "lost")
                self.assertEqual((there[model]["port"], there[model]["epoch"]),
                                 (port, epoch))
                expected.add(model)
            if caller.pending:
                expected.add(caller.pending)
        self.assertLessEqual(set(there), expected, "came back")
        for caller in callers:  # the end that was under way, settled
            if caller.leaving and caller.leaving not in there:
                del caller.held[caller.leaving]

    def test_kill_9_loses_and_duplicates_nothing(self):
        random.seed(1)
        held = [{} for _ in range(CALLERS)]
        pending = [None] * CALLERS
        answered, last_epoch = 0, 0
        for number in range(ROUNDS):
            self.open()
            callers = [Caller(self.registry.port, self.children[i].pid,
                              f"r{number}c{i}", held[i], pending[i])
                       for i in range(CALLERS)]
            for caller in callers:
                caller.start()
            time.sleep(random.uniform(0, 0.06))  # the random moment
            self.registry.kill()
            for caller in callers:
                caller.join()
            self.open()
            self.check(callers)
            self.registry.kill()
            pending = [caller.pending for caller in callers]
            epochs = [e for caller in callers for e in caller.epochs
                      if e > last_epoch]
            repeated = sum(len(c.epochs) for c in callers) - len(epochs)
            # only what was asked again may have an epoch of an earlier round
            self.assertLessEqual(repeated, CALLERS)
            self.assertEqual(len(set(epochs)), len(epochs))
            last_epoch = max([last_epoch, *epochs])
            answered += sum(len(c.epochs) for c in callers)
        print(f"{ROUNDS} kills, {answered} registrations answered", file=sys.stderr)
        self.assertGreater(answered, ROUNDS)


if __name__ == "__main__":
    unittest.main()
