"""The Python clients against servers that misbehave."""
import time
import unittest

import harness
from client_vectors import ETHANOL, HEALTH, start_echo
from python_clients import Facade, Faulty
import specserve
from specserve import errors, registry
from specserve._messages import fill
from specserve._pool import message_class


class Misbehaviour(unittest.TestCase):
    """What a wrong server does to a REST client, blocking and asyncio."""

    @classmethod
    def setUpClass(cls):
        cls.faulty = Faulty()
        cls.addClassCleanup(cls.faulty.stop)

    def clients(self, **settings):
        for kind in ("sync", "async"):
            with self.subTest(kind=kind):
                yield Facade(self, kind).open(endpoints=self.faulty.url,
                                              **settings)

    def test_broken_answers_are_errors_and_not_repeated(self):
        for client in self.clients():
            for do in ("garbage", "bad_chunk", "long_head", "endless"):
                with self.subTest(do=do):
                    self.faulty.script({"do": do, "body": HEALTH})
                    with self.assertRaises(specserve.BadAnswerError):
                        client.model().health()
                    self.assertEqual(len(self.faulty.seen()), 1)

    def test_a_good_answer_in_another_form_is_read(self):
        for client in self.clients():
            for do in ("answer", "chunked", "interim", "close_after",
                       "junk_after", "answer"):
                with self.subTest(do=do):
                    self.faulty.script({"do": do, "body": HEALTH})
                    self.assertEqual(client.model().health().model, "m")
                    self.assertEqual(client.model().health().model, "m")

    def test_a_lost_connection_is_tried_again(self):
        good = {"do": "answer", "body": HEALTH}
        for client in self.clients():
            for do in ("drop", "reset", "drop_head", "drop_body"):
                with self.subTest(do=do):
                    self.faulty.script({"do": do, "body": HEALTH}, good)
                    reply = client.model().health()
                    self.assertEqual(specserve.answer_of(reply).attempts, 2)

    def test_a_slow_server_meets_the_deadline(self):
        for client in self.clients():
            for do in ("hang", "slow", "drip"):
                with self.subTest(do=do):
                    self.faulty.script({"do": do, "body": HEALTH, "seconds": 1})
                    start = time.monotonic()
                    with self.assertRaises(errors.TimeoutError):
                        client.model().health(
                            options=specserve.Options(timeout=0.3))
                    self.assertLess(time.monotonic() - start,
                                    0.9 * harness.PATIENCE)

    def test_a_storm_of_503_stays_within_the_budget(self):
        for client in self.clients():
            self.faulty.script({"do": "answer", "status": 503, "body": {
                "success": False, "error": "full", "error_code": "OVERLOADED"}})
            calls = 40
            for _ in range(calls):
                with self.assertRaises(errors.OverloadedError):
                    client.model().predict(**ETHANOL)
            self.assertLessEqual(len(self.faulty.seen()), calls + 10)
            self.assertGreater(len(self.faulty.seen()), calls)

    def test_retry_after_is_waited_for(self):
        busy = {"do": "answer", "status": 503, "headers": {"Retry-After": "1"},
                "body": {"error": "full", "error_code": "OVERLOADED"}}
        for client in self.clients():
            self.faulty.script(busy, {"do": "answer", "body": HEALTH})
            client.model().health()
            first, second = self.faulty.seen()
            self.assertGreater(second["at"] - first["at"], 0.95)
            self.assertEqual(first["headers"]["x-request-id"],
                             second["headers"]["x-request-id"])
            self.assertLess(float(second["headers"]["x-request-timeout"]),
                            float(first["headers"]["x-request-timeout"]))
            self.faulty.script(busy)  # longer than there is time: at once
            start = time.monotonic()
            with self.assertRaises(errors.OverloadedError):
                client.model().health(options=specserve.Options(timeout=0.5))
            self.assertLess(time.monotonic() - start, 0.5)

    def test_what_may_not_be_repeated_is_sent_once(self):
        for client in self.clients():
            for step in ({"do": "drop"}, {"do": "answer", "status": 503}):
                self.faulty.script(step)
                with self.assertRaises(specserve.UnavailableError):
                    client.raw("POST", "/anything", b"{}")
                self.assertEqual(len(self.faulty.seen()), 1)

    def test_hooks_and_tokens(self):
        events = []
        for client in self.clients(
                token=lambda: "secret", observe=events.append,
                trace=lambda operation: f"00-{'1' * 32}-{'2' * 16}-01"):
            events.clear()
            self.faulty.script({"do": "drop"}, {"do": "answer", "body": HEALTH})
            client.model().health(options=specserve.Options(
                request_id="mine", headers={"X-More": "1"}))
            headers = self.faulty.seen()[1]["headers"]
            self.assertEqual(headers["authorization"], "Bearer secret")
            self.assertEqual(headers["x-request-id"], "mine")
            self.assertEqual(headers["x-more"], "1")
            self.assertTrue(headers["traceparent"].startswith("00-1"))
            self.assertTrue(headers["user-agent"].startswith("specserve-python/"))
            self.assertEqual([(e.operation, e.attempt, e.code) for e in events],
                             [("runtime.health", 1, "UNAVAILABLE"),
                              ("runtime.health", 2, "")])
            self.assertNotIn("secret", repr(events))

    def test_a_token_does_not_leave_the_machine_in_the_clear(self):
        client = specserve.Client(endpoints="http://192.0.2.1:1", token="secret")
        self.addCleanup(client.close)
        with self.assertRaisesRegex(ValueError, "without TLS"):
            client.model().health()


class GrpcMisbehaviour(unittest.TestCase):
    """What a wrong server does to a client over gRPC."""

    @classmethod
    def setUpClass(cls):
        cls.echo, cls.port = start_echo(cls)

    def clients(self, setting="endpoints"):
        where = {setting: f"grpc://127.0.0.1:{self.port}"}
        for kind in ("sync", "async"):
            with self.subTest(kind=kind):
                self.echo.__init__()
                yield Facade(self, kind).open(**where)

    def test_a_message_that_is_none_or_lacks_something(self):
        for client in self.clients():
            for self.echo.answer in (b"\xff\xff\xff", b"\x0a\x05ab", b""):
                with self.assertRaises(specserve.BadAnswerError):
                    client.model().health()
            self.assertEqual(len(self.echo.seen), 3)  # none is repeated

    def test_a_slow_server_meets_the_deadline(self):
        for client in self.clients():
            self.echo.wait = 1
            start = time.monotonic()
            with self.assertRaises(errors.TimeoutError):
                client.model().health(options=specserve.Options(timeout=0.2))
            self.assertLess(time.monotonic() - start, 0.9 * harness.PATIENCE)

    def test_a_storm_stays_within_the_budget(self):
        for client in self.clients():
            self.echo.status = 8
            self.echo.trailers = (("x-error-code", "OVERLOADED"),
                                  ("grpc-retry-pushback-ms", "1"))
            for _ in range(40):
                with self.assertRaises(errors.OverloadedError):
                    client.model().predict(**ETHANOL)
            self.assertEqual(len(self.echo.seen), 40 + 10)

    def test_a_stream_that_breaks_says_so(self):
        event = registry.WatchEvent(revision=1, kind=registry.WatchKind.RESYNC)
        message = message_class(event._name)()
        fill(event, message)
        for client in self.clients("registry"):
            self.echo.answer = message.SerializeToString()
            self.echo.status = 14
            events = client.registry.watch()
            self.assertEqual(next(events).revision, 1)
            with self.assertRaises(specserve.UnavailableError):
                next(events)


if __name__ == "__main__":
    unittest.main()
