"""Start, stop and what happens between, as the Runtime API 1.2 asks.

Rows of docs/compliance.md that are about order and exit codes.
"""
import signal
import socket
import unittest

import bundles
import harness


class Lifecycle(harness.Case):
    def registry_and_server(self, *arguments, **options):
        registry = self.start(harness.Registry)
        server = self.start(harness.Server, *arguments,
                            registry=f"http://127.0.0.1:{registry.port}", **options)
        return registry, server

    def test_registers_before_it_binds(self):
        registry, server = self.registry_and_server()
        harness.wait_until(lambda: " ready " in server.logged(), 5, "logged")
        events = server.logged()
        order = [events.index(f" {name} ")
                 for name in ("registered", "listening", "ready")]
        self.assertEqual(order, sorted(order), events)
        (entry,) = registry.registrations()
        self.assertEqual(entry["port"], server.port)
        self.assertEqual(entry["process_id"], server.process.pid)
        self.assertEqual(entry["app_version"], "1.2.0")
        self.assertTrue(entry["process_alive"])

    def test_listens_on_the_assigned_port_when_the_preferred_is_taken(self):
        registry = self.start(harness.Registry)
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.listen()
            server = self.start(
                harness.Server, registry=f"http://127.0.0.1:{registry.port}",
                port=stranger.getsockname()[1], ready=False)
            (entry,) = harness.wait_until(registry.registrations, 20, "registered")
            self.assertNotEqual(entry["port"], server.port)
            server.port = entry["port"]
            harness.wait_until(server.ready, 20, "ready on the assigned port")

    def test_banner(self):
        _, server = self.registry_and_server()
        out = server.printed()
        for line in ("Lightweight AI Model API Runtime Specification 1.2",
                     "© 2025 Paramus Transform LLC",
                     "2020 N ACADEMY BLVD, STE 261 #3770",
                     "COLORADO SPRINGS, CO 80909, U.S.",
                     "NOTICE: Registration is required to use this service.",
                     "CITATION:"):
            self.assertIn(line, out)
        self.assertRegex(out, rf"REGISTRATION_SUCCESS: \S+ registered on port {server.port}\n"
                              rf"Starting \S+ server on port {server.port}\n")

    def ends_cleanly(self, number):
        registry, server = self.registry_and_server()
        self.assertEqual(server.stop(number), 0, server.logged())
        self.assertEqual(registry.registrations(), [])
        self.assertEqual(registry.stop(), 0)

    def test_sigterm_empties_the_registry(self):
        self.ends_cleanly(signal.SIGTERM)

    def test_sigint_empties_the_registry(self):
        self.ends_cleanly(signal.SIGINT)

    def test_shutdown_endpoint_ends_it_when_allowed(self):
        registry, server = self.registry_and_server("--shutdown", "loopback")
        status, answer = harness.rest_json(server.port, "POST", "/shutdown", {})
        self.assertEqual((status, answer["success"]), (200, True))
        self.assertEqual(server.process.wait(20), 0)
        self.assertEqual(registry.registrations(), [])

    def test_shutdown_wants_the_token_in_mode_token(self):
        _, server = self.registry_and_server(
            "--shutdown", "token", environment={"SPECSERVE_SHUTDOWN_TOKEN": "s3cret"})
        status, answer = harness.rest_json(server.port, "POST", "/shutdown", {})
        self.assertEqual((status, answer["error_code"]), (403, "SHUTDOWN_DISABLED"))
        status, _ = harness.rest_json(server.port, "POST", "/shutdown", {},
                                      {"Authorization": "Bearer s3cret"})
        self.assertEqual(status, 200)
        self.assertEqual(server.process.wait(20), 0)

    def test_registry_gone_at_the_end_is_no_failure(self):
        registry, server = self.registry_and_server()
        registry.kill()
        self.assertEqual(server.stop(), 0)
        self.assertIn(" unregistration_skipped ", server.logged())

    def test_required_registry_absent_is_exit_3(self):
        server = self.start(
            harness.Server, "--registry-mode", "required", ready=False,
            registry=f"http://127.0.0.1:{harness.free_port()}")
        self.assertEqual(server.process.wait(20), 3)

    def test_preferred_registry_absent_serves_and_registers_later(self):
        port = harness.free_port()
        server = self.start(harness.Server, registry=f"http://127.0.0.1:{port}")
        self.assertIn(" registry_unavailable ", server.logged())
        registry = self.start(harness.Registry, port=port)
        (entry,) = harness.wait_until(registry.registrations, 60, "re-registered")
        self.assertEqual(entry["port"], server.port)

    def test_interrupted_before_the_first_heartbeat(self):
        registry = self.start(harness.Registry)
        server = self.start(harness.Server, ready=False,
                            registry=f"http://127.0.0.1:{registry.port}")
        harness.wait_until(registry.registrations, 20, "registered")
        self.assertEqual(server.stop(), 0, server.logged())
        self.assertEqual(registry.registrations(), [])

    def test_foreign_address_needs_the_flag(self):
        server = self.start(harness.Server, "--host", "0.0.0.0", ready=False)
        self.assertEqual(server.process.wait(20), 78)

    def test_unusable_examples_block_readiness(self):
        """An example that does not give what it says keeps /health at 503."""
        server = self.start(
            harness.Server, ready=False,
            bundle=bundles.steered(self.folder.name, example="[-1]"))

        def blocked():
            try:
                status, answer = harness.rest_json(server.port, "GET", "/health")
            except OSError:
                return None
            return (status, answer) if answer["status"] == "blocked" else None

        status, answer = harness.wait_until(blocked, 20, "blocked")
        self.assertEqual((status, answer["error_code"]), (503, "NOT_READY"))
        self.assertIn("Four", answer["error"])
        status, answer = harness.rest_json(
            server.port, "POST", "/predict",
            {"input_type": "tabular", "data": {"x": [4]}})
        self.assertEqual((status, answer["error_code"]), (503, "NOT_READY"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
