"""The C client against servers that misbehave, and over TLS."""
import http.server
import json
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from c_driver import Driver
from client_vectors import ETHANOL, HEALTH, start_echo
from python_clients import Faulty
from specserve._messages import fill
from specserve._pool import message_class


class Misbehaviour(unittest.TestCase):
    """What a wrong server does to a client over REST."""

    @classmethod
    def setUpClass(cls):
        cls.faulty = Faulty()
        cls.addClassCleanup(cls.faulty.stop)

    def client(self, **settings):
        return Driver(self, endpoints=[self.faulty.url], **settings)

    def test_broken_answers_are_errors_and_not_repeated(self):
        driver = self.client(answer_max=1 << 20)
        for do in ("garbage", "bad_chunk", "long_head", "endless"):
            with self.subTest(do=do):
                self.faulty.script({"do": do, "body": HEALTH})
                self.assertEqual(driver.error("runtime.health")["code"],
                                 "BAD_ANSWER")
                self.assertEqual(len(self.faulty.seen()), 1)

    def test_a_good_answer_in_another_form_is_read(self):
        driver = self.client()
        for do in ("answer", "chunked", "interim", "close_after",
                   "junk_after", "answer"):
            with self.subTest(do=do):
                self.faulty.script({"do": do, "body": HEALTH})
                for _ in range(2):
                    self.assertEqual(driver.reply("runtime.health")["model"],
                                     "m")

    def test_a_lost_connection_is_tried_again(self):
        good = {"do": "answer", "body": HEALTH}
        for do in ("drop", "reset", "drop_head", "drop_body"):
            with self.subTest(do=do):
                driver = self.client()
                self.faulty.script({"do": do, "body": HEALTH}, good)
                answer = driver.call("runtime.health")
                self.assertTrue(answer["ok"], answer)
                self.assertEqual(answer["answer"]["attempts"], 2)

    def test_a_slow_server_meets_the_deadline(self):
        driver = self.client()
        for do in ("hang", "slow", "drip"):
            with self.subTest(do=do):
                self.faulty.script({"do": do, "body": HEALTH, "seconds": 1})
                start = time.monotonic()
                error = driver.error("runtime.health",
                                     options={"timeout_ms": 300})
                self.assertEqual(error["code"], "TIMEOUT")
                self.assertLess(time.monotonic() - start,
                                0.9 * harness.PATIENCE)

    def test_a_storm_of_503_stays_within_the_budget(self):
        driver = self.client()
        self.faulty.script({"do": "answer", "status": 503, "body": {
            "success": False, "error": "full", "error_code": "OVERLOADED"}})
        calls = 40
        for _ in range(calls):
            self.assertEqual(driver.error("runtime.predict", ETHANOL)["code"],
                             "OVERLOADED")
        self.assertEqual(len(self.faulty.seen()), calls + 10)

    def test_a_budget_of_any_size_allows_retries(self):
        driver = self.client(retry_budget=1 << 31)
        self.faulty.script({"do": "drop"}, {"do": "answer", "body": HEALTH})
        self.assertEqual(driver.reply("runtime.health")["model"], "m")

    def test_retry_after_is_waited_for(self):
        busy = {"do": "answer", "status": 503, "headers": {"Retry-After": "1"},
                "body": {"error": "full", "error_code": "OVERLOADED"}}
        driver = self.client()
        self.faulty.script(busy, {"do": "answer", "body": HEALTH})
        driver.reply("runtime.health")
        first, second = self.faulty.seen()
        self.assertGreater(second["at"] - first["at"], 0.95)
        self.assertEqual(first["headers"]["x-request-id"],
                         second["headers"]["x-request-id"])
        self.assertLess(float(second["headers"]["x-request-timeout"]),
                        float(first["headers"]["x-request-timeout"]))
        self.faulty.script(busy)  # longer than there is time: at once
        start = time.monotonic()
        error = driver.error("runtime.health", options={"timeout_ms": 500})
        self.assertEqual((error["code"], error["retry_after"]),
                         ("OVERLOADED", 1))
        self.assertLess(time.monotonic() - start, 0.5 * harness.PATIENCE)

    def test_what_may_not_be_repeated_is_sent_once(self):
        driver = self.client()
        for step in ({"do": "drop"}, {"do": "answer", "status": 503}):
            self.faulty.script({"do": "answer", "body": HEALTH})
            driver.reply("runtime.health")  # leaves a connection behind
            self.faulty.script(step)
            answer = driver.say(do="raw", verb="POST", target="/anything",
                                body="{}")
            self.assertEqual(answer["error"]["code"], "UNAVAILABLE")
            self.assertEqual(len(self.faulty.seen()), 1)

    def test_hooks_and_tokens(self):
        driver = self.client(observing=True, tracing=True,
                             headers=["X-All: 1"])
        self.faulty.script({"do": "drop"}, {"do": "answer", "body": HEALTH})
        driver.reply("runtime.health", options={
            "request_id": "mine", "headers": ["X-More: 1"]})
        headers = self.faulty.seen()[1]["headers"]
        self.assertEqual(headers["authorization"], "Bearer secret")
        self.assertEqual(headers["x-request-id"], "mine")
        self.assertEqual((headers["x-all"], headers["x-more"]), ("1", "1"))
        self.assertTrue(headers["traceparent"].startswith("00-0"))
        self.assertTrue(headers["user-agent"].startswith("specserve-c/"))
        events = driver.say(do="events")
        self.assertEqual(
            [(e["operation"], e["attempt"], e["code"]) for e in events],
            [("runtime.health", 1, "UNAVAILABLE"), ("runtime.health", 2, "")])
        self.assertNotIn("secret", json.dumps(events))
        for wrong in ("X-Bad: a\r\nX-Other: b", "X Bad: a", ": a"):
            self.assertEqual(driver.error("runtime.health", options={
                "headers": [wrong]})["code"], "ARGUMENT")

    def test_a_token_does_not_leave_the_machine_in_the_clear(self):
        for scheme in ("http", "grpc"):
            driver = Driver(self, endpoints=[f"{scheme}://192.0.2.1:1"],
                            token="secret")
            error = driver.error("runtime.health")
            self.assertEqual(error["code"], "ARGUMENT")
            self.assertIn("without TLS", error["message"])

    def test_a_proxy_is_no_server_of_ours(self):
        driver = self.client(attempts=1)
        for status, code in ((401, "UNAUTHENTICATED"), (404, "NOT_IMPLEMENTED"),
                             (502, "UNAVAILABLE"), (418, "UNKNOWN")):
            self.faulty.script({"do": "answer", "status": status,
                                "text": "<html>"})
            self.assertEqual(driver.error("runtime.health")["code"], code)


class GrpcMisbehaviour(unittest.TestCase):
    """What a wrong server does to a client over gRPC."""

    @classmethod
    def setUpClass(cls):
        cls.echo, cls.port = start_echo(cls)

    def client(self, **settings):
        self.echo.__init__()
        return Driver(self, endpoints=[f"grpc://127.0.0.1:{self.port}"],
                      **settings)

    def test_a_message_that_is_none_or_lacks_something(self):
        driver = self.client()
        for self.echo.answer in (b"\xff\xff\xff", b"\x0a\x05ab", b""):
            self.assertEqual(driver.error("runtime.health")["code"],
                             "BAD_ANSWER")
        self.assertEqual(len(self.echo.seen), 3)  # none is repeated

    def test_an_answer_may_be_larger_than_grpc_can_count(self):
        driver = self.client(answer_max=1 << 32)
        self.echo.answer = message_class("specserve.runtime.v1.HealthResponse")(
            **HEALTH).SerializeToString()
        self.assertEqual(driver.reply("runtime.health")["model"], "m")

    def test_a_header_that_is_no_metadata_is_not_sent(self):
        driver = self.client()
        for line in ("X-Name: M\u00fcller", "X-Name: a\tb"):
            error = driver.error("runtime.health", options={"headers": [line]})
            self.assertEqual((error["code"], error["attempts"]),
                             ("ARGUMENT", 1))
            said = driver.say(do="watch", op="health.watch", request={},
                              count=1, options={"headers": [line]})
            self.assertEqual(said["error"]["code"], "ARGUMENT")
        self.assertEqual(self.echo.seen, [])

    def test_a_slow_server_meets_the_deadline(self):
        driver = self.client()
        self.echo.wait = 1
        start = time.monotonic()
        error = driver.error("runtime.health", options={"timeout_ms": 200})
        self.assertEqual(error["code"], "TIMEOUT")
        self.assertLess(time.monotonic() - start, 0.9 * harness.PATIENCE)

    def test_a_storm_stays_within_the_budget(self):
        driver = self.client()
        self.echo.status = 8
        self.echo.trailers = (("x-error-code", "OVERLOADED"),
                              ("grpc-retry-pushback-ms", "1"))
        for _ in range(40):
            self.assertEqual(driver.error("runtime.health")["code"],
                             "OVERLOADED")
        self.assertEqual(len(self.echo.seen), 40 + 10)

    def test_a_stream_that_breaks_says_so(self):
        from specserve import registry
        event = registry.WatchEvent(revision=1, kind=registry.WatchKind.RESYNC)
        pb = message_class(event._name)()
        fill(event, pb)
        driver = self.client()
        self.echo.answer = pb.SerializeToString()
        self.echo.status = 14
        said = driver.say(do="watch", op="registry.watch", request={}, count=9)
        self.assertEqual(said["messages"][0]["revision"], 1)
        self.assertEqual(said["error"]["code"], "UNAVAILABLE")


class Healthy(http.server.BaseHTTPRequestHandler):
    """Says that it is well, whoever asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps(HEALTH).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing on the terminal of the tests."""


class Tls(unittest.TestCase):
    """Who is trusted, and what is shown; over both protocols."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.ours = cls.certificate(folder.name, "ours")
        cls.other = cls.certificate(folder.name, "other")
        cls.echo, cls.grpc_port = start_echo(cls, *cls.ours)
        cls.echo.answer = message_class("specserve.runtime.v1.HealthResponse")(
            **HEALTH).SerializeToString()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*cls.ours)
        context.load_verify_locations(cls.ours[0])
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.urls = (f"https://127.0.0.1:{server.server_port}",
                    f"grpcs://127.0.0.1:{cls.grpc_port}")

    @staticmethod
    def certificate(folder, name):
        """(certificate, key) of somebody who is sure of himself only."""
        paths = f"{folder}/{name}.pem", f"{folder}/{name}.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-out",
             paths[0], "-keyout", paths[1]], check=True, capture_output=True)
        return paths

    def test_who_is_trusted_is_called_with_a_token(self):
        for url in self.urls:
            driver = Driver(self, endpoints=[url], ca_file=self.ours[0],
                            certificate_file=self.ours[0],
                            key_file=self.ours[1], token="secret")
            self.assertEqual(driver.reply("runtime.health")["model"], "m")
        self.assertEqual(self.echo.seen[-1][2]["authorization"],
                         "Bearer secret")

    def test_who_is_not_trusted_gets_nothing(self):
        seen = len(self.echo.seen)
        for url in self.urls:
            for settings in ({"ca_file": self.other[0]}, {}):
                driver = Driver(self, endpoints=[url], attempts=1, **settings)
                self.assertEqual(driver.error("runtime.health")["code"],
                                 "UNAVAILABLE")
        self.assertEqual(len(self.echo.seen), seen)

    def test_who_shows_nothing_is_not_served(self):
        for url in self.urls:
            driver = Driver(self, endpoints=[url], ca_file=self.ours[0],
                            attempts=1)
            self.assertEqual(driver.error("runtime.health")["code"],
                             "UNAVAILABLE")


if __name__ == "__main__":
    unittest.main()
