"""The server while it has more to do than it can.

Clients are plain: a socket per caller for REST, a channel for gRPC. Rows H3 and
G7 of docs/compliance.md, H48 of docs/limits.md.
"""
import collections
import concurrent.futures
import http.client
import json
import re
import signal
import statistics
import threading
import time
import unittest

import grpc

import bundles
import harness
import rpc

SERVICE = "specserve.runtime.v1.ModelRuntime"
LIMIT_S = 0.1  # of /health, 99 of 100
SECONDS = 4
RATE = 100  # health questions per second and door: an open loop
# Under a sanitizer, which finds leaks itself, fewer will do.
REQUESTS = harness.repeats(20000)
# What these requests may leave behind, all in all; a byte each would be 20 kB.
GROWTH_KB = 4096
MODEL_TEXT = {"input_type": "text", "data": {"text": "CC(=O)Oc1ccccc1C(=O)O"}}
# Enough work that one caller keeps a core busy for some milliseconds.
WORK = {"input_type": "tabular", "data": {"x": [0] * 96}}


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Caller(threading.Thread):
    """Posts the same body again and again on one connection."""

    def __init__(self, port, body, stop):
        super().__init__()
        self.port, self.body, self.stop = port, json.dumps(body), stop
        self.statuses = []
        self.refused_s = []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            while not self.stop.is_set() and self.ask(connection):
                pass
        finally:
            connection.close()

    def ask(self, connection):
        begin = time.monotonic()
        try:
            connection.request("POST", "/predict", self.body)
        except OSError:
            return False  # nobody listens any more
        try:
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        self.statuses.append(answer.status)
        if answer.status == 503 and answer.getheader("Retry-After") == "1":
            self.refused_s.append(time.monotonic() - begin)
        return True


def callers(port, body, count, stop):
    threads = [Caller(port, body, stop) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


class HealthUnderLoad(harness.Case):
    def serve(self, *arguments):
        self.server = self.start(
            harness.Server, *arguments,
            bundle=bundles.steered(self.folder.name, timeout_s=10))

    def health_rest(self, due):
        """Seconds from when the question was due to its answer."""
        status, _, _ = harness.rest(self.server.port, "GET", "/health")
        self.assertEqual(status, 200)
        return time.monotonic() - due

    def health_grpc(self, stub, due):
        stub(b"", timeout=30)
        return time.monotonic() - due

    def open_loop(self, ask):
        """Asks at fixed times, whether or not the last answer has come."""
        begin = time.monotonic() + 0.1
        asked = []
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for i in range(SECONDS * RATE):
                due = begin + i / RATE
                time.sleep(max(0, due - time.monotonic()))
                asked.append(pool.submit(ask, due))
            return [one.result() for one in asked]

    def test_h3_health_is_fast_while_predict_is_saturated(self):
        self.serve()
        stop = threading.Event()
        busy = callers(self.server.port, WORK, 8, stop)
        try:
            with grpc.insecure_channel(f"127.0.0.1:{self.server.port}") as channel:
                stub = channel.unary_unary("/grpc.health.v1.Health/Check")
                over = {"REST": self.open_loop(self.health_rest),
                        "gRPC": self.open_loop(
                            lambda due: self.health_grpc(stub, due))}
            _, load = harness.rest_json(self.server.port, "GET", "/metrics")
        finally:
            stop.set()
            for one in busy:
                one.join()
        self.assertGreater(load["requests_waiting"], 0, "it was not saturated")
        for door, seconds in over.items():
            print(f"{door} health under load, ms: "
                  f"median {statistics.median(seconds) * 1e3:.2f}, "
                  f"p99 {percentile(seconds, 0.99) * 1e3:.2f}")
            self.assertLess(percentile(seconds, 0.99),
                            LIMIT_S * harness.PATIENCE, door)

    def test_overload_is_refused_early_on_both_doors(self):
        self.serve("--threads", "1", "--queue", "2")
        stop = threading.Event()
        client = rpc.Client(self.server.port)
        self.addCleanup(client.close)
        client.methods(SERVICE)  # reflection is asked before the load
        busy = callers(self.server.port, WORK, 12, stop)
        codes = set()
        end = time.monotonic() + 20 * harness.PATIENCE
        while ({"OK", "RESOURCE_EXHAUSTED"} - codes
               and time.monotonic() < end):
            code, _, trailers, _ = client.call(SERVICE, "Predict", WORK)
            codes.add(code.name)
            if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
                self.assertEqual(trailers["x-error-code"], "OVERLOADED")
                self.assertGreater(int(trailers["grpc-retry-pushback-ms"]), 0)
        stop.set()
        for one in busy:
            one.join()
        self.assertEqual(codes, {"OK", "RESOURCE_EXHAUSTED"})
        statuses = {s for one in busy for s in one.statuses}
        refused = [s for one in busy for s in one.refused_s]
        self.assertEqual(statuses, {200, 503})
        self.assertEqual(len(refused), sum(one.statuses.count(503)
                                           for one in busy))
        self.assertLess(percentile(refused, 0.99), LIMIT_S * harness.PATIENCE)
        self.assertTrue(self.server.ready())

    def test_sigterm_under_load_answers_all_that_it_took(self):
        """Each request that the server's log has an answer for had its answer
        delivered. Who comes when the port closes may find nobody."""
        self.serve()
        stop = threading.Event()
        busy = callers(self.server.port, WORK, 8, stop)
        harness.wait_until(lambda: sum(len(one.statuses) for one in busy) > 100,
                           30, "under load")
        self.server.process.send_signal(signal.SIGTERM)
        for one in busy:
            one.join()
        self.assertEqual(self.server.stop(), 0)
        got = collections.Counter(s for one in busy for s in one.statuses)
        said = collections.Counter(
            int(status) for status in
            re.findall(r"method=runtime.predict status=(\d+)",
                       self.server.logged()))
        self.assertEqual(got, said)
        self.assertLessEqual(set(got), {200, 503})

class Memory(harness.Case):
    def test_memory_stays_flat(self):
        """After a warm-up, 20,000 predictions over both doors leave nothing."""
        server = self.start(harness.Server)
        client = rpc.Client(server.port)
        self.addCleanup(client.close)
        self.drive(server, client, REQUESTS // 10)
        before = harness.resident_kb(server.process)
        self.drive(server, client, REQUESTS)
        after = harness.resident_kb(server.process)
        print(f"resident after {REQUESTS // 10} and {REQUESTS} requests: "
              f"{before} and {after} kB")
        if harness.PATIENCE == 1:
            self.assertLess(after - before, GROWTH_KB)

    def drive(self, server, client, count):
        """Three quarters over REST, the rest over gRPC."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        self.addCleanup(connection.close)
        text = json.dumps(MODEL_TEXT)
        for _ in range(count * 3 // 4):
            connection.request("POST", "/predict", text)
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 200)
        stub = client.channel.unary_unary(f"/{SERVICE}/Predict")
        method = client.methods(SERVICE)["Predict"]
        message = rpc.message_factory.GetMessageClass(method.input_type)()
        rpc.from_json(message, MODEL_TEXT)
        wire = message.SerializeToString()
        for _ in range(count // 4):
            stub(wire, timeout=30)


if __name__ == "__main__":
    unittest.main(verbosity=2)
