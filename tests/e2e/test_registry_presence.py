"""A model server and its registry, when the registry is not as it should be:
gone, forgetful, of version 1.1, or reached over gRPC.
"""
import http.server
import json
import signal
import threading
import time
import unittest

import harness


class OldRegistry(http.server.ThreadingHTTPServer):
    """A registry of the 1.1 text: no process ids, no expiry, no heartbeats."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), OldRegistryHandler)
        self.requests = []
        self.port = self.server_address[1]
        self.next_port = harness.free_port()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class OldRegistryHandler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, body))
        if self.path != "/register":
            self.answer(404, {"detail": "Not Found"})
        elif "process_id" in body:
            self.answer(422, {"detail": [{"msg": "extra fields not permitted"}]})
        else:
            self.answer(200, {"success": True, "registration_id": "old 1/2",
                              "assigned_port": self.server.next_port})

    def do_DELETE(self):
        self.server.requests.append((self.path, None))
        self.answer(200, {"success": True})

    def log_message(self, *arguments):
        pass


class Presence(unittest.TestCase):
    def setUp(self):
        self.programs = []

    def tearDown(self):
        for program in self.programs:
            if program.running():
                program.process.send_signal(signal.SIGCONT)
                program.kill()

    def start(self, kind, *arguments, **options):
        program = kind(*arguments, **options)
        self.programs.append(program)
        return program

    def answers(self, server):
        return harness.rest(server.port, "GET", "/health")[0] == 200

    def one_entry(self, registry, server):
        (entry,) = harness.wait_until(registry.registrations, 20, "registered")
        self.assertEqual(entry["port"], server.port)
        self.assertEqual(entry["process_id"], server.process.pid)
        return entry

    def test_registry_that_forgot_is_told_again(self):
        registry = self.start(harness.Registry, ttl=3)
        server = self.start(harness.Server,
                            registry=f"http://127.0.0.1:{registry.port}")
        first = self.one_entry(registry, server)
        registry.kill()  # and the memory store with it
        self.assertTrue(self.answers(server))
        again = self.start(harness.Registry, port=registry.port, ttl=3)
        self.assertGreater(self.one_entry(again, server)["epoch"], first["epoch"])
        self.assertTrue(self.answers(server))
        self.assertEqual(server.stop(), 0, server.logged())
        self.assertEqual(again.registrations(), [])

    def test_registry_that_comes_after_the_server_is_found(self):
        port = harness.free_port()
        server = self.start(harness.Server, registry=f"http://127.0.0.1:{port}")
        self.assertIn(" warn registry_unavailable ", server.logged())
        registry = self.start(harness.Registry, port=port)
        self.one_entry(registry, server)
        self.assertEqual(server.stop(), 0, server.logged())
        self.assertEqual(registry.registrations(), [])

    def test_s11_server_that_stood_still_comes_back(self):
        registry = self.start(harness.Registry, ttl=3)
        server = self.start(harness.Server,
                            registry=f"http://127.0.0.1:{registry.port}")
        first = self.one_entry(registry, server)
        server.process.send_signal(signal.SIGSTOP)
        harness.wait_until(lambda: not registry.registrations(), 20, "expired")
        server.process.send_signal(signal.SIGCONT)
        self.assertGreater(self.one_entry(registry, server)["epoch"], first["epoch"])

    def test_registry_over_grpc(self):
        registry = self.start(harness.Registry, ttl=3)
        server = self.start(harness.Server,
                            registry=f"grpc://127.0.0.1:{registry.port}")
        first = self.one_entry(registry, server)
        harness.wait_until(
            lambda: registry.registrations()[0]["last_heartbeat"]
            > first["last_heartbeat"], 20, "a heartbeat")
        self.assertEqual(server.stop(), 0, server.logged())
        self.assertEqual(registry.registrations(), [])

    def test_registry_of_1_1(self):
        registry = OldRegistry()
        self.addCleanup(registry.server_close)
        self.addCleanup(registry.shutdown)
        server = self.start(harness.Server, ready=False,
                            registry=f"http://127.0.0.1:{registry.port}")
        server.port = registry.next_port
        harness.wait_until(server.ready, 30, "ready on the assigned port")
        self.assertEqual(server.stop(), 0, server.logged())
        paths = [path for path, _ in registry.requests]
        self.assertEqual(paths, [
            "/register", "/register",
            f"/unregister/{server.port}?registration_id=old%201%2F2"])
        first, second = (body for _, body in registry.requests[:2])
        self.assertEqual(first.pop("process_id"), server.process.pid)
        self.assertEqual(first, second)
        self.assertEqual(set(first), {"app_name", "app_version", "model_name",
                                      "preferred_port", "reason", "metadata"})

    def test_silent_registry_holds_nothing_up_for_long(self):
        registry = self.start(harness.Registry)
        server = self.start(harness.Server,
                            registry=f"http://127.0.0.1:{registry.port}")
        registry.process.send_signal(signal.SIGSTOP)
        self.assertTrue(self.answers(server))
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0, server.logged())
        self.assertLess(time.monotonic() - begin, 5 * harness.PATIENCE)
        self.assertIn(" info unregistration_skipped ", server.logged())


if __name__ == "__main__":
    unittest.main()
