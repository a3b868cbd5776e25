"""The runtime without servers: decisions, HTTP as bytes, messages."""
import json
import pathlib
import sys
import time
import unittest
from email.utils import formatdate

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "src"))

from specserve import errors, registry, runtime
from specserve._call import Answer, Options, Prepared, retry_after
from specserve._endpoints import Endpoint, Group
from specserve._engine import Budget, Engine, Lost, Send, Settings, Sleep
from specserve._http import Broken, Cut, read_answer, request_bytes

GOOD = Answer("rest", 200, {}, b"{}")
BUSY = Answer("rest", 503, {}, b'{"error": "x", "error_code": "OVERLOADED"}')


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def run(steps, outcomes, clock=None):
    """Drives a call with prepared outcomes; (what was sent, what was slept)."""
    sent, slept, outcome = [], [], None
    outcomes = list(outcomes)
    try:
        while True:
            step = steps.send(outcome)
            if isinstance(step, Sleep):
                slept.append(step.seconds)
                if clock:
                    clock.now += step.seconds
                outcome = None
            else:
                assert isinstance(step, Send)
                sent.append(step)
                outcome = outcomes.pop(0)
    except StopIteration:
        return sent, slept


class Decisions(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.engine = Engine(Settings(clock=self.clock), Budget())
        self.group = Group("m", ["http://a:1"], clock=self.clock)

    def call(self, op=runtime.HEALTH, **options):
        return self.engine.call(op, op.request(), self.group, Options(**options))

    def test_a_good_answer_needs_one_attempt(self):
        sent, slept = run(self.call(), [GOOD])
        self.assertEqual((len(sent), slept), (1, []))
        self.assertEqual(self.group.endpoints[0].pending, 0)

    def test_jitter_grows_and_the_attempts_end(self):
        with self.assertRaises(errors.OverloadedError) as raised:
            run(self.call(), [BUSY] * 3)
        self.assertEqual(raised.exception.attempts, 3)

    def test_a_named_time_is_waited_for_if_there_is_time(self):
        busy = Answer("rest", 503, {"retry-after": "2"}, BUSY.body)
        _, slept = run(self.call(timeout=10), [busy, GOOD], self.clock)
        self.assertGreaterEqual(slept[0], 2)
        with self.assertRaises(errors.OverloadedError):
            run(self.call(timeout=1), [busy])

    def test_what_passes_never_is_not_repeated(self):
        bad = Answer("rest", 400, {}, b'{"error_code": "VALIDATION_ERROR"}')
        with self.assertRaises(errors.ValidationError):
            run(self.call(), [bad])

    def test_an_unsafe_call_goes_again_only_if_it_never_left(self):
        op = runtime.HEALTH._replace(safety="once")
        sent, _ = run(self.call(op), [Lost("refused", sent=False), GOOD])
        self.assertEqual(len(sent), 2)
        for outcome in (Lost("reset"), BUSY):
            with self.assertRaises(errors.ApiError):
                run(self.call(op), [outcome])

    def test_the_budget_is_shared_and_runs_out(self):
        attempts = 0
        for _ in range(30):
            steps = self.call()
            with self.assertRaises(errors.OverloadedError) as raised:
                run(steps, [BUSY] * 3)
            attempts += raised.exception.attempts
        self.assertEqual(attempts, 30 + 10)
        for _ in range(10):  # a tenth each
            run(self.call(), [GOOD])
        sent, _ = run(self.call(), [BUSY, GOOD])
        self.assertEqual(len(sent), 2)

    def test_another_instance_is_asked_at_once(self):
        self.group.replace(["http://a:1", "http://b:1"])
        sent, slept = run(self.call(), [Lost("reset"), GOOD])
        self.assertNotEqual(sent[0].endpoint, sent[1].endpoint)
        self.assertEqual(slept, [])

    def test_one_that_failed_rests_and_is_tried_by_one_call(self):
        self.group.replace(["http://a:1", "http://b:1"])
        bad = self.group.endpoints[0]
        self.group.failed(bad)
        chosen = {self.group.choose().url for _ in range(20)}
        self.assertEqual(chosen, {"http://b:1"})
        self.clock.now += 1
        chosen = [self.group.choose() for _ in range(60)]
        self.assertEqual(chosen.count(bad), 1)

    def test_the_less_loaded_of_two_is_taken(self):
        self.group.replace(["http://a:1", "http://b:1"])
        for _ in range(10):
            self.group.choose()
        self.assertEqual([e.pending for e in self.group.endpoints], [5, 5])

    def test_an_abandoned_call_is_not_counted_any_more(self):
        steps = self.call()
        next(steps)
        self.assertEqual(self.group.endpoints[0].pending, 1)
        steps.close()
        self.assertEqual(self.group.endpoints[0].pending, 0)

    def test_the_registry_is_asked_again_when_it_is_time(self):
        body = json.dumps({"revision": 1, "instances": [dict(
            port=7, app_name="a", app_version="1.2.0", model_name="m",
            process_alive=True, reason="", registered_at="", last_heartbeat="",
            expires_at="", status="active", host="h")]}).encode()
        self.engine.resolve = registry.RESOLVE
        self.engine.registry = Group("registry", ["http://r:1"])
        self.group = Group("m", found=True, refresh_s=5, clock=self.clock)
        found = Answer("rest", 200, {}, body)
        sent, _ = run(self.call(), [found, GOOD])
        self.assertEqual([s.endpoint.url for s in sent],
                         ["http://r:1", "http://h:7"])
        sent, _ = run(self.call(), [GOOD])
        self.assertEqual(len(sent), 1)
        self.clock.now += 6
        sent, _ = run(self.call(), [Lost("away"), GOOD])  # the old list counts
        self.assertEqual(sent[-1].endpoint.url, "http://h:7")

    def test_addresses(self):
        self.assertEqual(Endpoint("127.0.0.1:80").url, "http://127.0.0.1:80")
        self.assertEqual(Endpoint("https://[::1]").authority, "[::1]:443")
        for bad in ("ftp://a", "http://", "http://a/path", "http://u:p@a"):
            with self.assertRaises(ValueError):
                Endpoint(bad)

    def test_a_prepared_request_is_sent_as_it_is(self):
        op = runtime.HEALTH
        steps = self.engine.call(op, Prepared(op, "GET", "/x"), self.group, None)
        self.assertEqual(next(steps).call.target, "/x")
        steps.close()


def parse(data, pieces=1, limit=1000):
    reader = read_answer(limit)
    next(reader)
    size = max(1, len(data) // pieces)
    try:
        for at in range(0, len(data), size):
            reader.send(data[at:at + size])
        reader.send(b"")
    except StopIteration as stop:
        return stop.value
    raise AssertionError("not read")


class RetryAfter(unittest.TestCase):
    def test_seconds_a_date_or_nothing(self):
        def date(seconds):
            return formatdate(time.time() + seconds, usegmt=True)
        for header, text, wanted in (
                ("retry-after", "7", 7), ("retry-after", date(60), 60),
                ("retry-after", date(-60), 0), ("retry-after", "soon", None),
                ("retry-after", "\xb2", None), ("retry-after", "-1", None),
                ("retry-after", "Sat, 99 Nov 2026 08:13:31 GMT", None),
                ("grpc-retry-pushback-ms", "250", 0.25),
                ("grpc-retry-pushback-ms", "\xb2", None), ("x", "1", None)):
            with self.subTest(header, text=text):
                got = retry_after(Answer("rest", 503, {header: text}, b""))
                if wanted is None:
                    self.assertIsNone(got)
                else:
                    self.assertAlmostEqual(got, wanted, delta=2)


class Http(unittest.TestCase):
    def test_every_way_to_cut_an_answer_gives_the_same(self):
        for data in (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: 1\r\n\r\n",
                     b"HTTP/1.1 100 Continue\r\n\r\n"
                     b"HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello"):
            for pieces in (1, 2, 7, len(data)):
                answer = parse(data, pieces)
                self.assertEqual((answer.status, answer.body, answer.reusable),
                                 (200, b"hello", True))

    def test_a_body_may_end_with_the_connection(self):
        answer = parse(b"HTTP/1.0 200 OK\r\n\r\nhello", 3)
        self.assertEqual((answer.body, answer.reusable), (b"hello", False))

    def test_what_is_broken_is_said(self):
        head = b"HTTP/1.1 200 OK\r\n"
        for data in (b"SSH-2.0\r\n\r\n", head + b"X\r\n\r\n",
                     head + b"Content-Length: -1\r\n\r\n",
                     head + b"Content-Length: 5000\r\n\r\n",
                     head + b"Content-Length: 1\r\nTransfer-Encoding: chunked"
                     b"\r\n\r\n1\r\na\r\n0\r\n\r\n",
                     head + b"Transfer-Encoding: chunked\r\n\r\nz\r\n",
                     head + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
                     head + b"X: " + b"y" * 70000,
                     b"HTTP/1.1 2000 OK\r\n\r\n",
                     b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", b"HTTP/2 200\r\n\r\n"):
            with self.subTest(data[:60]), self.assertRaises(Broken):
                parse(data)

    def test_what_ends_too_early_is_no_answer_at_all(self):
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        for size in range(len(whole)):
            why = "the middle" if size else "without an answer"
            with self.assertRaisesRegex(Cut, why):
                parse(whole[:size])

    def test_a_header_cannot_hold_another_one(self):
        with self.assertRaises(ValueError):
            request_bytes("GET", "/", "h", {"X": "a\r\nY: b"}, b"")


class Messages(unittest.TestCase):
    def test_unknown_keys_and_values_survive(self):
        data = {"revision": 3, "kind": "rename", "more": {"a": [1]}}
        event = registry.WatchEvent.from_json(data)
        self.assertFalse(event.kind.is_known)
        self.assertTrue(registry.WatchKind.PUT.is_known)
        self.assertEqual(str(event.kind), "rename")
        self.assertEqual(event.extra, {"more": {"a": [1]}})
        self.assertEqual(event.to_json(), data)

    def test_types_are_checked_with_a_pointer(self):
        for data, where in (({"status": 1}, "/status"),
                            ([], "/"), ({"status": True}, "/status"),
                            ({"status": "ok", "model": "m"}, "/version")):
            with self.assertRaisesRegex(ValueError, where):
                runtime.HealthResponse.from_json(data)

    def test_a_whole_number_is_an_integer(self):
        status = registry.StatusResponse.from_json(
            {"status": "ok", "version": "1", "count": 2.0})
        self.assertIs(type(status.count), int)

    def test_a_list_in_an_answer_does_not_change(self):
        reply = runtime.CapabilitiesResponse.from_json(
            {"model": "m", "elements": ["C"]})
        self.assertEqual(reply.elements, ("C",))
        with self.assertRaises(AttributeError):
            reply.model = "other"

    def test_unknown_codes_keep_their_name(self):
        error = errors.make("NEW_CODE", "said so")
        self.assertEqual((type(error), error.code, error.retryable),
                         (errors.ApiError, "NEW_CODE", False))


if __name__ == "__main__":
    unittest.main()
