"""The registry as its users see it: shapes, bad input, life and death.

Runs the program; REST with the standard library, gRPC by reflection. Rows of
the registry contract and of the bad inputs S1 to S22 that need a process; the
others are unit tests of the library.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import grpc

import harness
import rpc

SERVICE = "specserve.registry.v1.Registry"
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"
# Loose over REST and gRPC: what both doors must refuse, and the code they say.
BAD_REGISTRATIONS = {
    "S1 no app name": {"app_name": ""},
    "S1 long name": {"model_name": "a" * 65},
    "S1 long app name": {"app_name": "a" * 65},
    "S1 path": {"model_name": "../x"},
    "S1 path in app name": {"app_name": "../x"},
    "S1 control byte": {"model_name": "a\nb"},
    "S1 control byte in app name": {"app_name": "a\x7fb"},
    "S1 look-alike": {"model_name": "p\u043elync"},
    "S1 look-alike in app name": {"app_name": "p\u043elync"},
    "S2 port 0": {"preferred_port": 0},
    "S2 port 65536": {"preferred_port": 65536},
    "S2 port -1": {"preferred_port": -1},
    "S4 pid 0": {"process_id": 0},
    "S4 pid 1": {"process_id": 1},
    "S4 pid -1": {"process_id": -1},
    "S4 dead pid": {"process_id": 4194304},
    "S9 ttl 0": {"ttl_s": 0},
    "S9 ttl -1": {"ttl_s": -1},
    "S9 ttl 1": {"ttl_s": 1},
    "S9 ttl of ten years": {"ttl_s": 315360000},
    "S13 metadata of 5 KB": {"metadata": {"k": "x" * 5000}},
    "S13 metadata of 33 keys": {"metadata": {f"k{i}": i for i in range(33)}},
    "no process_id": {"process_id": None},
}


def sleeper():
    """A process that waits to be killed."""
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])


def request(model="m", **others):
    body = {"app_name": "Test_API", "app_version": "1.2.0", "model_name": model,
            "process_id": os.getpid(), "preferred_port": None,
            "reason": "test", "metadata": {"a": [1, None]}}
    body.update(others)
    return {k: v for k, v in body.items() if v is not None or k == "preferred_port"}


class RegistryCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.store = f"sqlite:{self.folder.name}/registry.db"
        self.programs = []
        self.children = []

    def tearDown(self):
        for program in self.programs:
            if program.running():
                program.kill()
        for child in self.children:
            child.kill()
            child.wait()
        self.folder.cleanup()

    def start(self, **options):
        options.setdefault("store", self.store)
        registry = harness.Registry(**options)
        self.programs.append(registry)
        return registry

    def child(self):
        process = sleeper()
        self.children.append(process)
        return process

    def register(self, registry, *arguments, **others):
        status, answer = harness.rest_json(
            registry.port, "POST", "/register", request(*arguments, **others))
        self.assertEqual(status, 200, answer)
        return answer


class Shapes(RegistryCase):
    def test_register_list_beat_unregister(self):
        registry = self.start()
        answer = self.register(registry)
        self.assertIs(answer["success"], True)
        self.assertEqual(answer["ttl_s"], 90)
        self.assertRegex(answer["registration_id"],
                         r"^brain_reg_\d+_\d{4}_[0-9a-f]{16}$")
        self.assertRegex(answer["expires_at"], TIME)
        self.assertIn("Successfully registered", answer["message"])
        port, secret = answer["assigned_port"], answer["registration_id"]
        self.assertGreaterEqual(port, 5100)

        status, listed = harness.rest_json(registry.port, "GET", "/registry")
        self.assertEqual(status, 200)
        self.assertEqual({"success", "registry_version", "count", "registrations"},
                         set(listed))
        (entry,) = listed["registrations"]
        self.assertEqual(listed["count"], 1)
        for key, value in request().items():
            if key != "preferred_port":
                self.assertEqual(entry[key], value)
        self.assertEqual(entry["port"], port)
        self.assertIs(entry["process_alive"], True)
        self.assertEqual(entry["status"], "active")
        for key in ("registered_at", "last_heartbeat", "expires_at"):
            self.assertRegex(entry[key], TIME)
        self.assertNotIn("registration_id", entry)
        self.assertNotIn(secret, json.dumps(listed))

        for body in (None, {}, {"registration_id": secret},
                     {"registration_id": secret, "epoch": answer["epoch"]}):
            status, beat = harness.rest_json(
                registry.port, "POST", f"/heartbeat/{port}", body)
            self.assertEqual((status, beat["success"], beat["port"]),
                             (200, True, port))
            self.assertRegex(beat["last_heartbeat"], TIME)
            self.assertRegex(beat["expires_at"], TIME)

        status, freed = harness.rest_json(
            registry.port, "DELETE", f"/unregister/{port}?registration_id={secret}")
        self.assertEqual(status, 200)
        self.assertEqual(freed, {"success": True, "freed_port": port,
                                 "message": f"Unregistered from port {port}"})
        self.assertEqual(registry.registrations(), [])
        self.assertEqual(registry.stop(), 0)
        for event in ("registered", "unregistered"):
            self.assertRegex(registry.logged(), rf" info {event} port={port} ")
        self.assertNotIn(secret, registry.logged())

    def test_both_doors_give_the_same_answers(self):
        registry = self.start()
        client = rpc.Client(registry.port)
        self.addCleanup(client.close)
        self.assertIn(SERVICE, client.services())
        code, over_grpc, _, text = client.call(SERVICE, "Register", request())
        self.assertEqual(code, grpc.StatusCode.OK, text)
        over_rest = self.register(registry)  # the same again
        for key in ("assigned_port", "registration_id", "epoch", "ttl_s", "success"):
            self.assertEqual(over_rest[key], over_grpc[key])
        _, listed, _, _ = client.call(SERVICE, "List")
        self.assertEqual([e["port"] for e in listed["registrations"]],
                         [over_rest["assigned_port"]])
        status, resolved = harness.rest_json(registry.port, "GET", "/resolve/m")
        _, same, _, _ = client.call(SERVICE, "Resolve", {"model_name": "m"})
        self.assertEqual(status, 200)
        self.assertEqual(resolved["revision"], same["revision"])
        self.assertEqual(len(same["instances"]), 1)
        for verb, path, body, method, message, status, code in (
                ("GET", "/resolve/nobody", None, "Resolve",
                 {"model_name": "nobody"}, 404, grpc.StatusCode.NOT_FOUND),
                ("POST", "/heartbeat/5999", {}, "Heartbeat", {"port": 5999},
                 404, grpc.StatusCode.NOT_FOUND),
                ("DELETE", "/unregister/5999?registration_id=x", None,
                 "Unregister", {"port": 5999, "registration_id": "x"},
                 404, grpc.StatusCode.NOT_FOUND)):
            got, answer = harness.rest_json(registry.port, verb, path, body)
            same, _, _, text = client.call(SERVICE, method, message)
            self.assertEqual((got, same), (status, code), path)
            self.assertEqual(answer["error"], text)

    def test_fifty_at_once_get_fifty_ports(self):
        registry = self.start()
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(
                lambda i: self.register(registry, f"m{i}"), range(50)))
        self.assertEqual(len({a["assigned_port"] for a in answers}), 50)
        self.assertEqual(len({a["registration_id"] for a in answers}), 50)
        self.assertEqual([e["port"] for e in registry.registrations()],
                         sorted(a["assigned_port"] for a in answers))

    def test_program_is_small_and_answers_while_it_is_idle(self):
        registry = self.start()
        self.register(registry)
        text = pathlib.Path(f"/proc/{registry.process.pid}/status").read_text()
        resident_kb = int(re.search(r"VmRSS:\s+(\d+) kB", text)[1])
        if "SPECSERVE_PATIENCE" not in os.environ:  # no sanitizer in it
            self.assertLess(resident_kb, 40 * 1024)


class BadInputs(RegistryCase):
    def test_bad_registrations_are_refused_by_both_doors(self):
        registry = self.start()
        client = rpc.Client(registry.port)
        self.addCleanup(client.close)
        for name, change in BAD_REGISTRATIONS.items():
            with self.subTest(name):
                body = request(**change)
                status, answer = harness.rest_json(
                    registry.port, "POST", "/register", body)
                self.assertEqual(
                    (status, answer["success"], answer["error_code"]),
                    (400, False, "VALIDATION_ERROR"), answer)
                code, _, _, text = client.call(SERVICE, "Register", body)
                self.assertEqual(code, grpc.StatusCode.INVALID_ARGUMENT, text)
        for missing in ("app_name", "app_version", "model_name", "process_id"):
            body = request()
            del body[missing]
            status, answer = harness.rest_json(
                registry.port, "POST", "/register", body)
            self.assertEqual(status, 400)
            self.assertIn(missing, answer["error"])
        self.assertEqual(registry.registrations(), [])

    def test_optional_fields_may_be_left_out(self):
        registry = self.start()
        body = request()
        for optional in ("preferred_port", "reason", "metadata"):
            del body[optional]
        status, _ = harness.rest_json(registry.port, "POST", "/register", body)
        self.assertEqual(status, 200)
        (entry,) = registry.registrations()
        self.assertEqual((entry["reason"], entry["metadata"]), ("", {}))

    def test_old_clients_are_taken_with_a_warning(self):
        registry = self.start()
        body = request(app_version="1.1.0")
        del body["process_id"]
        status, _ = harness.rest_json(registry.port, "POST", "/register", body)
        self.assertEqual(status, 200)
        self.assertIn(" warn old_client ", registry.logged())
        self.assertIsNone(registry.registrations()[0]["process_id"])

    def test_s4_process_of_another_user(self):
        if os.getuid() != 0:
            self.skipTest("only root can start one")
        registry = self.start()
        other = subprocess.Popen(["sleep", "600"], user=65534)
        self.children.append(other)
        status, answer = harness.rest_json(
            registry.port, "POST", "/register", request(process_id=other.pid))
        self.assertEqual((status, answer["error_code"]), (403, "PERMISSION_DENIED"))

    def test_s5_taken_port_gets_another_one_and_the_reason(self):
        registry = self.start()
        wanted = harness.free_port()
        first = self.register(registry, "a", preferred_port=wanted)
        self.assertEqual(first["assigned_port"], wanted)
        second = self.register(registry, "b", preferred_port=wanted)
        self.assertNotEqual(second["assigned_port"], wanted)
        self.assertIn(f"port {wanted} is taken by Test_API", second["message"])
        for reserved, why in ((80, "privileged"), (registry.port, "reserved")):
            third = self.register(registry, f"c{reserved}", preferred_port=reserved)
            self.assertGreaterEqual(third["assigned_port"], 5100)
            self.assertIn(why, third["message"])

    def test_s6_same_request_id_is_one_entry(self):
        registry = self.start()
        body = request(app_version="1.1.0", request_id="r-1")
        del body["process_id"]  # nothing else tells that it is the same
        answers = [harness.rest_json(registry.port, "POST", "/register", body)[1]
                   for _ in range(3)]
        self.assertEqual(len({a["registration_id"] for a in answers}), 1)
        self.assertEqual(len(registry.registrations()), 1)

    def test_s7_s8_only_the_owner_beats_and_leaves(self):
        registry = self.start()
        answer = self.register(registry)
        port, secret = answer["assigned_port"], answer["registration_id"]

        def beat(**body):
            status, got = harness.rest_json(
                registry.port, "POST", f"/heartbeat/{port}", body)
            return status, got.get("error_code")

        def leave(query):
            status, got = harness.rest_json(
                registry.port, "DELETE", f"/unregister/{port}{query}")
            return status, got.get("error_code")

        self.assertEqual(beat(registration_id="x"), (403, "REGISTRATION_MISMATCH"))
        self.assertEqual(beat(epoch=answer["epoch"] - 1), (412, "REGISTRATION_GONE"))
        self.assertEqual(leave(""), (400, "VALIDATION_ERROR"))
        self.assertEqual(leave("?registration_id=x"), (403, "REGISTRATION_MISMATCH"))
        self.assertEqual(len(registry.registrations()), 1)
        owner = f"?registration_id={secret}"
        self.assertEqual(leave(owner), (200, None))
        self.assertEqual(leave(owner), (200, None))
        self.assertEqual(leave("?registration_id=x"), (404, "NOT_FOUND"))
        self.assertEqual(beat(), (404, "NOT_FOUND"))
        self.assertEqual(beat(epoch=answer["epoch"]), (412, "REGISTRATION_GONE"))
        status, _ = harness.rest_json(
            registry.port, "DELETE", "/unregister/abc?registration_id=x")
        self.assertEqual(status, 400)

    def test_s14_one_caller_has_64_registrations(self):
        registry = self.start(store="memory")
        for i in range(64):
            self.register(registry, f"m{i}")
        client = rpc.Client(registry.port)
        self.addCleanup(client.close)
        status, answer = harness.rest_json(
            registry.port, "POST", "/register", request("one-more"))
        self.assertEqual((status, answer["error_code"]), (429, "QUOTA_EXCEEDED"))
        code, _, _, _ = client.call(SERVICE, "Register", request("one-more"))
        self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(len(registry.registrations()), 64)

    def refuses_to_start(self, *arguments):
        line = [harness.BIN / "specserve-registry", *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=30)
        return done.returncode, done.stderr

    def test_s18_damaged_database_is_refused_and_copied(self):
        registry = self.start()
        self.register(registry)
        registry.stop()
        database = pathlib.Path(self.folder.name, "registry.db")
        with open(database, "r+b") as file:
            file.write(b"garbage garbage!")
        code, text = self.refuses_to_start("--port", 0, "--store", self.store)
        self.assertEqual(code, 2)
        self.assertIn("damaged", text)
        (copy,) = database.parent.glob("registry.db.corrupt-*")
        self.assertEqual(copy.read_bytes(), database.read_bytes())

    def test_s19_newer_schema_is_refused(self):
        import sqlite3
        self.start().stop()
        database = sqlite3.connect(f"{self.folder.name}/registry.db")
        database.execute("PRAGMA user_version = 9")
        database.close()
        code, text = self.refuses_to_start("--port", 0, "--store", self.store)
        self.assertEqual(code, 2)
        self.assertIn("schema version 9", text)

    def test_s20_second_registry_is_refused(self):
        registry = self.start()
        code, text = self.refuses_to_start("--port", 0, "--store", self.store)
        self.assertEqual(code, 2)
        self.assertIn("another registry", text)
        code, text = self.refuses_to_start("--port", registry.port, "--store", "memory")
        self.assertEqual(code, 2)
        self.assertTrue(registry.answers())

    def test_other_machines_are_refused_by_default(self):
        code, text = self.refuses_to_start("--host", "0.0.0.0", "--port", 0)
        self.assertEqual(code, 78)
        self.assertIn("--insecure-bind", text)

    def test_usage_errors_say_what_is_wrong(self):
        for arguments, part in ((["--port", "x"], "--port"),
                                (["--ports", "5999-5100"], "--ports"),
                                (["--ttl", "2"], "--ttl"),
                                (["--store", "redis:x", "--port", 0], "redis"),
                                (["--what"], "unknown"),
                                (["more"], "'more'")):
            code, text = self.refuses_to_start(*arguments)
            self.assertEqual(code, 2, text)
            self.assertIn(part, text.splitlines()[0])


class LifeAndDeath(RegistryCase):
    def gone_after(self, registry, child):
        child.kill()
        killed = time.monotonic()
        harness.wait_until(lambda: not registry.registrations(), 5, "gone")
        return time.monotonic() - killed

    def test_killed_instance_is_gone_within_a_second(self):
        registry = self.start()
        child = self.child()
        self.register(registry, process_id=child.pid)
        self.assertEqual(len(registry.registrations()), 1)
        self.assertLess(self.gone_after(registry, child), 1.0 * harness.PATIENCE)
        self.assertRegex(registry.logged(), " info died port=")

    def test_instance_of_before_a_restart_is_watched_again(self):
        registry = self.start()
        child = self.child()
        answer = self.register(registry, process_id=child.pid)
        registry.kill()
        registry = self.start()
        (entry,) = registry.registrations()
        self.assertEqual(entry["port"], answer["assigned_port"])
        self.assertEqual(entry["epoch"], answer["epoch"])
        self.assertLess(self.gone_after(registry, child), 1.0 * harness.PATIENCE)

    def test_who_dies_while_the_registry_is_down_is_forgotten(self):
        registry = self.start()
        child = self.child()
        self.register(registry, process_id=child.pid)
        registry.stop()
        child.kill()
        child.wait()
        self.assertEqual(self.start().registrations(), [])

    def test_lease_ends_and_its_owner_comes_back_to_its_port(self):
        import socket
        registry = self.start(ttl=3)
        begin = time.monotonic()
        with socket.socket() as server:  # it goes on listening, as servers do
            server.bind(("127.0.0.1", 0))
            server.listen()
            mine = server.getsockname()[1]
            # the registry's probe finds the port in use, and by whom
            answer = self.register(registry, preferred_port=mine)
            self.assertEqual(answer["assigned_port"], mine)
            harness.wait_until(lambda: not registry.registrations(), 20, "expired")
            self.assertGreaterEqual(time.monotonic() - begin, 3)
            again = self.register(registry, preferred_port=mine)
            self.assertEqual(again["assigned_port"], mine)
            self.assertGreater(again["epoch"], answer["epoch"])

    def test_port_of_a_stranger_is_not_given_away(self):
        import socket
        registry = self.start()
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.listen()
            child = self.child()  # does not have the socket
            taken = stranger.getsockname()[1]
            answer = self.register(registry, process_id=child.pid,
                                   preferred_port=taken)
            self.assertNotEqual(answer["assigned_port"], taken)
            self.assertIn("not registered", answer["message"])

    def test_sigterm_and_sigint_end_it_with_0(self):
        import signal
        for number in (signal.SIGTERM, signal.SIGINT):
            registry = self.start(store="memory")
            self.assertEqual(registry.stop(number), 0, registry.logged())


class Watch(RegistryCase):
    def watch(self, registry, **message):
        """Events into a list, by a thread; returns (list, call)."""
        client = rpc.Client(registry.port)
        self.addCleanup(client.close)
        method = client.methods(SERVICE)["Watch"]
        kinds = rpc.message_factory.GetMessageClass
        question = kinds(method.input_type)()
        rpc.from_json(question, message)
        call = client.channel.unary_stream(
            f"/{SERVICE}/Watch",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=kinds(method.output_type).FromString)(question)
        events = []

        def read():
            try:
                for event in call:
                    events.append(rpc.to_json(event))
            except grpc.RpcError:
                pass

        threading.Thread(target=read, daemon=True).start()
        self.addCleanup(call.cancel)
        return events, call

    def leave(self, registry, answer):
        status, _ = harness.rest_json(
            registry.port, "DELETE",
            f"/unregister/{answer['assigned_port']}"
            f"?registration_id={answer['registration_id']}")
        self.assertEqual(status, 200)

    def test_events_come_in_order_without_gaps(self):
        registry = self.start()
        first = self.register(registry, "first")
        events, _ = self.watch(registry)
        harness.wait_until(lambda: events, 10, "the present state")
        for i in range(20):
            self.leave(registry, self.register(registry, f"m{i}"))
        harness.wait_until(lambda: len(events) >= 41, 20, "41 events")
        self.assertEqual([e["kind"] for e in events], ["put"] + ["put", "delete"] * 20)
        self.assertEqual(events[0]["registration"]["port"], first["assigned_port"])
        base = events[0]["revision"]
        self.assertEqual([e["revision"] for e in events],
                         list(range(base, base + 41)))
        self.assertNotIn(first["registration_id"], json.dumps(events))
        # a second watcher takes up in the middle
        later, _ = self.watch(registry, after_revision=base + 30)
        harness.wait_until(lambda: len(later) >= 10, 10, "the last ten")
        self.assertEqual(later, events[31:])

    def test_one_model_can_be_watched(self):
        registry = self.start()
        self.register(registry, "other")
        self.leave(registry, self.register(registry, "other-too"))
        first = self.register(registry, "m")
        events, _ = self.watch(registry, model_name="m")
        harness.wait_until(lambda: events, 10, "the present state")
        self.leave(registry, self.register(registry, "another"))
        self.leave(registry, first)
        harness.wait_until(lambda: len(events) >= 2, 10, "two events")
        self.assertEqual([(e["kind"], e["registration"]["model_name"])
                          for e in events], [("put", "m"), ("delete", "m")])

    def test_s16_revisions_that_are_gone_or_to_come_resync(self):
        registry = self.start()
        self.register(registry)
        _, now = harness.rest_json(registry.port, "GET", "/resolve/m")
        for after in (0, 1, now["revision"] + 1000):
            events, _ = self.watch(registry, after_revision=after)
            harness.wait_until(lambda: events, 10, "resync")
            self.assertEqual((events[0]["kind"], events[0]["revision"]),
                             ("resync", now["revision"]))

    def test_death_is_an_event(self):
        registry = self.start()
        child = self.child()
        self.register(registry, process_id=child.pid)
        events, _ = self.watch(registry)
        harness.wait_until(lambda: events, 10, "the present state")
        child.kill()
        harness.wait_until(lambda: len(events) == 2, 5, "its end")
        self.assertEqual(events[1]["kind"], "delete")

    def test_s15_a_thousand_watchers_and_no_more(self):
        registry = self.start()
        self.register(registry)
        client = rpc.Client(registry.port)
        self.addCleanup(client.close)
        method = client.methods(SERVICE)["Watch"]
        kinds = rpc.message_factory.GetMessageClass

        def watch(channel):
            return channel.unary_stream(
                f"/{SERVICE}/Watch",
                request_serializer=lambda m: m.SerializeToString(),
                response_deserializer=kinds(method.output_type).FromString,
            )(kinds(method.input_type)())

        def connect():  # a connection of its own: 100 streams each
            channel = grpc.insecure_channel(
                f"127.0.0.1:{registry.port}",
                options=[("grpc.use_local_subchannel_pool", 1)])
            self.addCleanup(channel.close)
            return channel

        calls = []
        for _ in range(20):
            channel = connect()
            calls += [watch(channel) for _ in range(50)]
        for call in calls:  # each has been told the present state
            next(call)
        extra = watch(connect())
        with self.assertRaises(grpc.RpcError) as refused:
            next(extra)
        self.assertEqual(refused.exception.code(),
                         grpc.StatusCode.RESOURCE_EXHAUSTED)
        calls[0].cancel()

        def one_more():
            try:
                return next(watch(connect()))
            except grpc.RpcError:
                return None

        harness.wait_until(one_more, 20, "the place of the one that left")
        self.assertTrue(registry.answers())

    def test_watchers_are_told_when_the_registry_stops(self):
        registry = self.start()
        self.register(registry)
        events, call = self.watch(registry)
        harness.wait_until(lambda: events, 10, "the present state")
        self.assertEqual(registry.stop(), 0)
        self.assertEqual(call.code(), grpc.StatusCode.UNAVAILABLE)


if __name__ == "__main__":
    unittest.main()
