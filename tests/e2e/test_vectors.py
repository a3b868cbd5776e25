"""gen/vectors as raw bytes: what the contract says is refused is refused, and
what it shows as a request is taken, by the real programs over REST."""
import base64
import json
import os
import unittest

import harness

VECTORS = harness.ROOT / "gen" / "vectors"


def cases(prefix):
    return json.loads((VECTORS / f"{prefix}.json").read_text())["cases"]


def raw(port, send):
    body = send.get("text", "").encode()
    if "base64" in send:
        body = base64.b64decode(send["base64"])
    status, headers, text = harness.rest(port, send["verb"], send["target"],
                                         body, send["headers"])
    return status, headers, json.loads(text)


class Vectors(harness.BothCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ports = {"runtime": cls.server.port, "registry": cls.registry.port}

    def test_what_is_refused_is_refused_with_its_code(self):
        count = 0
        for prefix, port in self.ports.items():
            for case in cases(prefix):
                if "send" not in case:
                    continue
                count += 1
                with self.subTest(case["name"]):
                    status, headers, body = raw(port, case["send"])
                    wanted = case["error"]
                    self.assertEqual((status, body["error_code"]),
                                     (wanted["http"], wanted["code"]))
                    self.assertIs(body["success"], False)
                    self.assertTrue(body["error"])
                    self.assertEqual(headers["Content-Type"],
                                     "application/json")
        self.assertGreater(count, 15)

    def test_a_shown_request_is_taken(self):
        """No answer says that the request itself was wrong."""
        count = 0
        for prefix, port in self.ports.items():
            for case in cases(prefix):
                error = case.get("error", {})
                if "rest" not in case or error.get("http") == 400 \
                        or case["operation"] == "runtime.shutdown":
                    continue
                count += 1
                with self.subTest(case["name"]):
                    request = case["rest"]
                    body = request.get("body")
                    if body and body.get("process_id"):
                        body["process_id"] = os.getpid()
                    status, text = harness.rest_json(
                        port, request["verb"], request["target"], body)
                    code = text.get("error_code")
                    self.assertNotIn(code, (
                        "MALFORMED_JSON", "VALIDATION_ERROR", "BAD_REQUEST",
                        "METHOD_NOT_ALLOWED", "INTERNAL"), text)
                    self.assertNotEqual(status, 500)
        self.assertGreater(count, 30)


if __name__ == "__main__":
    unittest.main()
