"""What the registry does unless told otherwise, and when its ports run out."""
import json
import os
import unittest

import grpc

import harness
import rpc

SERVICE = "specserve.registry.v1.Registry"


class Defaults(harness.Case):
    def test_r1_default_address_is_127_0_0_1_5000(self):
        """The one fixed port of the tests: it is what is tested. Somebody may
        have it; then the program must say that it wanted just that."""
        registry = self.start(harness.Program, [
            harness.BIN / "specserve-registry", "--store", "memory"])
        harness.wait_until(
            lambda: "port=5000" in registry.logged() or not registry.running(),
            20, "it listens, or gives up")
        if registry.running():
            self.assertIn(" listening host=127.0.0.1 port=5000 ",
                          registry.logged())
            self.assertEqual(registry.stop(), 0)
        else:
            self.assertEqual(registry.process.returncode, 2)
            self.assertIn("5000", registry.logged())

    def test_no_port_left_is_503(self):
        only = harness.free_port()
        registry = self.start(harness.Registry, ports=f"{only}-{only}")
        body = {"app_name": "Test_API", "app_version": "1.2.0",
                "model_name": "first", "process_id": os.getpid()}
        status, answer = harness.rest_json(registry.port, "POST", "/register",
                                           body)
        self.assertEqual((status, answer["assigned_port"]), (200, only))
        body["model_name"] = "second"
        status, headers, text = harness.rest(registry.port, "POST", "/register",
                                             body)
        self.assertEqual((status, json.loads(text)["error_code"]),
                         (503, "NO_PORT_AVAILABLE"))
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        client = rpc.Client(registry.port)
        self.addCleanup(client.close)
        code, _, trailers, _ = client.call(SERVICE, "Register", body)
        self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(trailers["x-error-code"], "NO_PORT_AVAILABLE")
        self.assertEqual(len(registry.registrations()), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
