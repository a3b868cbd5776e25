"""A stock Python client that was given nothing but an address.

It asks reflection what there is, calls every method of every service, and then
every method again with a request that must succeed. The model server's part
with empty requests is in test_grpc.py; here are the registry and the sense of
the answers.
"""
import os
import unittest

import grpc

import harness
import reflection_client
import rpc

RUNTIME = "specserve.runtime.v1.ModelRuntime"
REGISTRY = "specserve.registry.v1.Registry"
HEALTH = "grpc.health.v1.Health"
# Streams: rpc.Client calls unary methods only.
STREAMS = {"Watch", "ServerReflectionInfo"}


class ReflectionOnly(harness.Case):
    def connect(self, program):
        client = rpc.Client(program.port)
        self.addCleanup(client.close)
        return client

    def must_answer(self, client, service, method, request=None):
        code, answer, _, text = client.call(service, method, request)
        self.assertEqual(code, grpc.StatusCode.OK, f"{method}: {text}")
        return answer

    def unary_methods(self, client, service):
        return set(client.methods(service)) - STREAMS

    def test_everything_of_a_model_server(self):
        server = self.start(harness.Server, "--shutdown", "loopback")
        client = self.connect(server)
        requests = {"Predict": {"input_type": "text", "data": {"text": "CCO"}}}
        answers = {
            method: self.must_answer(client, RUNTIME, method,
                                     requests.get(method))
            for method in self.unary_methods(client, RUNTIME) - {"Shutdown"}}
        self.assertIn("LogS", answers["Predict"]["results"])
        self.assertEqual(answers["Health"]["status"], "ok")
        for service in ("", RUNTIME):
            health = self.must_answer(client, HEALTH, "Check",
                                      {"service": service})
            self.assertEqual(health["status"], "serving")
        self.assertTrue(
            self.must_answer(client, RUNTIME, "Shutdown")["success"])
        self.assertEqual(server.process.wait(20), 0)

    def test_everything_of_a_registry(self):
        registry = self.start(harness.Registry)
        address = f"127.0.0.1:{registry.port}"
        self.assertTrue(reflection_client.run(address, set()))
        client = self.connect(registry)
        calls = [("Status", {}),
                 ("Register", {"app_name": "Test_API", "app_version": "1.2.0",
                               "model_name": "m", "process_id": os.getpid()}),
                 ("Heartbeat", {}), ("List", {}),
                 ("Resolve", {"model_name": "m"}), ("Unregister", {})]
        self.assertEqual({method for method, _ in calls},
                         self.unary_methods(client, REGISTRY))
        mine = {}
        for method, request in calls:
            if method in ("Heartbeat", "Unregister"):
                request = mine
            answer = self.must_answer(client, REGISTRY, method, request)
            if method == "Register":
                mine = {"port": answer["assigned_port"],
                        "registration_id": answer["registration_id"]}
        self.assertEqual(registry.registrations(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
