"""Every endpoint case through both doors, with equal answers.

Cases are data: tests/e2e/cases/*.json. A case has a request (JSON), the HTTP
and gRPC status it must get, and what the answer must hold (`expect`, a subset:
"<number>", "<string>" ... stand for any value of that type). Answers of the
two doors are compared whole, but for the members that are times. A file may
name another `service` and the `bundle` that it is about.
"""
import json
import pathlib
import struct
import unittest

import harness
import rpc

SERVICE = "specserve.runtime.v1.ModelRuntime"
TEXT_SERVICE = "specserve.text.v1.TextModel"
CASES = pathlib.Path(__file__).parent / "cases"
TIMES = {"computation_time_ms", "uptime_s", "avg_latency_ms", "requests_served",
         "requests_running", "requests_waiting", "requests_declined",
         "requests_failed"}
TYPES = {"<number>": (int, float), "<string>": str, "<list>": list,
         "<object>": dict, "<bool>": bool}


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items()
                if k not in TIMES and v is not None}
    if isinstance(value, list):
        return [without_times(v) for v in value]
    if isinstance(value, float):
        return struct.unpack("f", struct.pack("f", value))[0]
    return value


def holds(test, got, want, where):
    """`got` has everything of `want`."""
    if isinstance(want, str) and want in TYPES:
        test.assertIsInstance(got, TYPES[want], where)
    elif isinstance(want, dict) and "about" in want:
        test.assertAlmostEqual(got, want["about"], delta=want["within"], msg=where)
    elif isinstance(want, dict):
        test.assertIsInstance(got, dict, where)
        for key, inner in want.items():
            test.assertIn(key, got, where)
            holds(test, got[key], inner, f"{where}/{key}")
    else:
        test.assertEqual(got, want, where)


class Endpoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.served = {}
        cls.server, cls.grpc = cls.serve("models/solubility")

    @classmethod
    def serve(cls, bundle):
        """Server and gRPC client of a bundle, started when it is first named."""
        if bundle not in cls.served:
            server = harness.Server("--shutdown", "disabled",
                                    bundle=harness.ROOT / bundle)
            cls.served[bundle] = server, rpc.Client(server.port)
        return cls.served[bundle]

    @classmethod
    def tearDownClass(cls):
        for server, grpc in cls.served.values():
            grpc.close()
            code = server.stop()
            assert code == 0, f"exit code {code}\n{server.logged()}"

    def over_rest(self, server, case):
        verb, path = case["rest"].split(" ")
        body = None if verb == "GET" else case.get("request", {})
        status, _, text = harness.rest(server.port, verb, path, body)
        return status, json.loads(text)

    def run_case(self, case):
        server, grpc = self.serve(case.get("bundle", "models/solubility"))
        status, answer = self.over_rest(server, case)
        self.assertEqual(status, case.get("http", 200), answer)
        code, message, trailers, text = grpc.call(
            case.get("service", SERVICE), case["grpc"], case.get("request"))
        self.assertEqual(code.name, case.get("status", "OK"), text)
        holds(self, answer, case.get("expect", {}), "")
        if message is None:
            self.assertEqual(trailers["x-error-code"], answer["error_code"])
            error = answer["error"]
            self.assertEqual(
                text, error["message"] if isinstance(error, dict) else error)
        else:
            self.assertEqual(without_times(message), without_times(answer))

    def test_cases(self):
        files = sorted(CASES.glob("*.json"))
        self.assertTrue(files)
        ran = 0
        for file in files:
            group = json.loads(file.read_text())
            for case in group["cases"]:
                with self.subTest(f"{file.stem}: {case['name']}"):
                    self.run_case({**group, **case})
                    ran += 1
        print(f"{ran} cases through both doors")

    def test_every_operation_has_a_case(self):
        groups = [json.loads(f.read_text()) for f in CASES.glob("*.json")]
        called = {(g.get("service", SERVICE), g["grpc"]) for g in groups}
        for service in (SERVICE, TEXT_SERVICE):
            for method in self.grpc.methods(service):
                self.assertIn((service, method), called)

    def test_reflection_lists_every_service(self):
        services = self.grpc.services()
        for name in (SERVICE, TEXT_SERVICE, "grpc.health.v1.Health",
                     "grpc.reflection.v1.ServerReflection",
                     "grpc.reflection.v1alpha.ServerReflection"):
            self.assertIn(name, services)

    def test_examples_are_runnable(self):
        """Substituting each example into body_format gives what it says."""
        _, examples = harness.rest_json(self.server.port, "GET", "/test_examples")
        usage = examples["usage_instructions"]
        self.assertTrue(examples["examples"])
        for example in examples["examples"]:
            with self.subTest(example["name"]):
                body = json.loads(json.dumps(usage["body_format"]))
                body["data"]["text"] = example["text"]
                status, answer = harness.rest_json(
                    self.server.port, usage["method"], usage["endpoint"], body)
                self.assertEqual(status, 200)
                self.assertEqual(answer["success"],
                                 example["category"] != "negative", answer)
                if answer["success"]:
                    self.assertEqual(set(answer["results"]),
                                     set(examples["expected_output"]["results"]))

    def test_success_and_error_message_exclude_each_other(self):
        for text in ("CCO", "hello world", "C" * 5000, ""):
            _, answer = harness.rest_json(
                self.server.port, "POST", "/predict",
                {"input_type": "text", "data": {"text": text}})
            self.assertEqual(answer["success"], answer["error_message"] is None)
            self.assertEqual(answer["success"], "error" not in answer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
