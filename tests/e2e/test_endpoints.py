"""Every endpoint case through both doors, with equal answers.

Cases are data: tests/e2e/cases/*.json. A case has a request (JSON), the HTTP
and gRPC status it must get, and what the answer must hold (`expect`, a subset:
"<number>", "<string>" ... stand for any value of that type). Answers of the
two doors are compared whole, but for the members that are times.
"""
import json
import pathlib
import unittest

import harness
import rpc

SERVICE = "specserve.runtime.v1.ModelRuntime"
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
        return float(f"{value:.6g}")
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
        cls.server = harness.Server("--shutdown", "disabled")
        cls.grpc = rpc.Client(cls.server.port)

    @classmethod
    def tearDownClass(cls):
        cls.grpc.close()
        code = cls.server.stop()
        assert code == 0, f"exit code {code}\n{cls.server.logged()}"

    def over_rest(self, case):
        verb, path = case["rest"].split(" ")
        body = None if verb == "GET" else case.get("request", {})
        status, _, text = harness.rest(self.server.port, verb, path, body)
        return status, json.loads(text)

    def run_case(self, case):
        status, answer = self.over_rest(case)
        self.assertEqual(status, case.get("http", 200), answer)
        code, message, trailers, text = self.grpc.call(
            SERVICE, case["grpc"], case.get("request"))
        self.assertEqual(code.name, case.get("status", "OK"), text)
        holds(self, answer, case.get("expect", {}), "")
        if message is None:
            self.assertEqual(trailers["x-error-code"], answer["error_code"])
            self.assertEqual(text, answer["error"])
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
        called = {json.loads(f.read_text())["grpc"] for f in CASES.glob("*.json")}
        self.assertEqual(set(self.grpc.methods(SERVICE)), called)

    def test_reflection_lists_every_service(self):
        services = self.grpc.services()
        for name in (SERVICE, "grpc.health.v1.Health",
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
