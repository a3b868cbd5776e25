"""A server whose model is broken, slow, loading or leaving: what clients get.

Rows H2, P4 and P5 of docs/compliance.md. The model is the steered one of
bundles.py.
"""
import concurrent.futures
import json
import signal
import socket
import time
import unittest

import grpc

import bundles
import harness
import rpc

SERVICE = "specserve.runtime.v1.ModelRuntime"
# How work that was accepted ends when the server is told to stop: done, at its
# own time limit, or at the server's.
ENDS = {(200, None), (504, "TIMEOUT"), (503, "NOT_READY")}
UNION = {"status", "model", "version", "success", "error", "error_code"}


def question(x):
    return {"input_type": "tabular", "data": {"x": x}}


class Faults(harness.Case):
    def serve(self, *arguments, timeout_s=1, **options):
        self.server = self.start(
            harness.Server, *arguments,
            bundle=bundles.steered(self.folder.name, timeout_s=timeout_s),
            **options)
        self.grpc = rpc.Client(self.server.port)
        self.addCleanup(self.grpc.close)

    def post(self, x):
        return harness.rest_json(self.server.port, "POST", "/predict",
                                 question(x))

    def health(self):
        """(status, headers, answer) of GET /health; None: nobody there."""
        try:
            status, headers, text = harness.rest(self.server.port, "GET",
                                                 "/health")
        except OSError:
            return None
        return status, headers, json.loads(text)

    def health_says(self, word):
        """Waits for a 503 whose status is this word; it must be complete."""
        def seen():
            health = self.health()
            return health if health and health[2]["status"] == word else None

        status, headers, answer = harness.wait_until(seen, 20, word)
        self.assertEqual(status, 503)
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        self.assertLessEqual(UNION, set(answer))
        self.assertEqual(
            (answer["success"], answer["error_code"], answer["version"]),
            (False, "NOT_READY", "1.2.0"))

    def predict_says_not_ready(self):
        status, headers, text = harness.rest(
            self.server.port, "POST", "/predict", question([4]))
        answer = json.loads(text)
        self.assertEqual((status, answer["error_code"]), (503, "NOT_READY"))
        self.assertEqual(answer["error_message"], answer["error"])
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        code, _, trailers, _ = self.grpc.call(SERVICE, "Predict", question([4]))
        self.assertEqual(code, grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(trailers["x-error-code"], "NOT_READY")

    def test_p4_output_that_is_no_number_is_500(self):
        self.serve()
        self.assertEqual(self.post([4])[0], 200)
        status, answer = self.post([-1])
        self.assertEqual((status, answer["success"], answer["results"]),
                         (500, False, {}))
        self.assertEqual(answer["error_code"], "OUTPUT_INVALID")
        self.assertEqual(answer["error"], answer["error_message"])
        code, _, trailers, _ = self.grpc.call(SERVICE, "Predict", question([-1]))
        self.assertEqual(code, grpc.StatusCode.INTERNAL)
        self.assertEqual(trailers["x-error-code"], "OUTPUT_INVALID")
        self.assertEqual(self.post([9])[0], 200)
        _, metrics = harness.rest_json(self.server.port, "GET", "/metrics")
        self.assertEqual(metrics["requests_served"], 4)
        self.assertEqual(metrics["requests_failed"], 2)
        self.assertTrue(metrics["last_error"].startswith("OUTPUT_INVALID"))
        self.assertNotIn("-1", metrics["last_error"])

    def test_p5_slow_model_is_stopped_at_its_time_limit(self):
        self.serve()
        begin = time.monotonic()
        status, answer = self.post(bundles.SLOW)
        took = time.monotonic() - begin
        self.assertEqual((status, answer["error_code"]), (504, "TIMEOUT"))
        self.assertEqual(answer["error"], answer["error_message"])
        self.assertGreaterEqual(took, 1)
        self.assertLess(took, 1 + 1 * harness.PATIENCE)
        code, _, trailers, _ = self.grpc.call(SERVICE, "Predict",
                                              question(bundles.SLOW))
        self.assertEqual(code, grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertEqual(self.post([4])[0], 200)

    def test_p5_shorter_deadline_of_the_caller_wins(self):
        """G11: the late one neither runs nor holds up the next."""
        self.serve("--threads", "1", timeout_s=30)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            busy = pool.submit(self.grpc.call, SERVICE, "Predict",
                               question(bundles.SLOW), 0.5)
            harness.wait_until(self.one_runs, 10, "the worker is busy")
            code, _, _, _ = self.grpc.call(SERVICE, "Predict", question([-1]), 0.1)
            self.assertEqual(code, grpc.StatusCode.DEADLINE_EXCEEDED)
            self.assertEqual(busy.result()[0], grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertEqual(self.post([4])[0], 200)
        self.assertNotIn("OUTPUT_INVALID", self.server.logged())

    def test_p5_shorter_time_of_a_rest_caller_wins(self):
        self.serve("--threads", "1", timeout_s=30)
        body = question(bundles.SLOW)
        start = time.monotonic()
        status, _, text = harness.rest(self.server.port, "POST", "/predict", body,
                                       {"X-Request-Timeout": "0.3"})
        self.assertEqual((status, json.loads(text)["error_code"]),
                         (504, "TIMEOUT"))
        self.assertLess(time.monotonic() - start, 10 * harness.PATIENCE)
        for wrong in ("0", "0.0", "soon", "-1", "1.", ".5", "1e3", "", "1s", "9999999999"):
            status, _, text = harness.rest(
                self.server.port, "GET", "/health", None,
                {"X-Request-Timeout": wrong})
            self.assertEqual((status, json.loads(text)["error_code"]),
                             (400, "BAD_REQUEST"), wrong)
        for right in ("5", "0.5", "999999999.999999999", "007"):
            status, _, _ = harness.rest(self.server.port, "GET", "/health", None,
                                        {"X-Request-Timeout": right})
            self.assertEqual(status, 200, right)
        self.assertEqual(self.post([4])[0], 200)

    def test_the_id_of_a_call_comes_back_and_is_logged(self):
        self.serve()
        _, headers, _ = harness.rest(self.server.port, "GET", "/nosuch", None,
                                     {"X-Request-Id": "order-7/a"})
        self.assertEqual(headers["X-Request-Id"], "order-7/a")
        self.assertIn("request=order-7/a", self.server.logged())
        for odd in ("a b", "x" * 129, 'a"b'):
            _, headers, _ = harness.rest(self.server.port, "GET", "/health", None,
                                         {"X-Request-Id": odd})
            self.assertNotIn("X-Request-Id", headers)

    def one_runs(self):
        _, metrics = harness.rest_json(self.server.port, "GET", "/metrics")
        return metrics["requests_running"] == 1

    def one_waits(self):
        _, metrics = harness.rest_json(self.server.port, "GET", "/metrics")
        return metrics["requests_waiting"] == 1

    def test_callers_that_leave_stop_their_work(self):
        """G12 and H47: the only worker is free again long before the limit."""
        self.serve("--threads", "1", timeout_s=60)
        text = json.dumps(question(bundles.SLOW)).encode()
        with socket.create_connection(("127.0.0.1", self.server.port)) as caller:
            caller.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(text) + text)
            harness.wait_until(self.one_runs, 10, "the worker is busy")
        harness.wait_until(lambda: not self.one_runs(), 10, "free again")
        stub = self.grpc.channel.unary_unary(f"/{SERVICE}/Predict")
        call = stub.future(self.wire(bundles.SLOW))
        harness.wait_until(self.one_runs, 10, "the worker is busy")
        call.cancel()
        harness.wait_until(lambda: not self.one_runs(), 10, "free again")
        self.assertEqual(self.server.logged().count("code=CANCELLED"), 2)

    def wire(self, x):
        """A PredictRequest as bytes."""
        method = self.grpc.methods(SERVICE)["Predict"]
        message = rpc.message_factory.GetMessageClass(method.input_type)()
        rpc.from_json(message, question(x))
        return message.SerializeToString()

    def test_h2_not_ready_while_it_loads(self):
        """The example's work keeps it loading for a moment."""
        self.server = self.start(
            harness.Server, ready=False, bundle=bundles.steered(
                self.folder.name, example=str([0] * 384)))
        self.health_says("starting")
        status, answer = harness.rest_json(self.server.port, "GET", "/info")
        self.assertEqual((status, answer["name"]), (200, "Steered"))
        harness.wait_until(self.server.ready, 60, "ready")

    def test_h2_not_ready_while_it_drains(self):
        self.serve(timeout_s=int(4 * harness.PATIENCE))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.post, bundles.SLOW)
            harness.wait_until(self.one_runs, 10, "the worker is busy")
            self.server.process.send_signal(signal.SIGTERM)
            self.health_says("draining")
            self.predict_says_not_ready()
            status, answer = running.result()  # it was accepted: it is answered
        self.assertIn((status, answer.get("error_code")), ENDS, answer)
        self.assertEqual(self.server.stop(), 0)

    def test_work_that_waits_when_the_drain_begins_is_done(self):
        """Its turn comes when the one before it is given up by its caller."""
        self.serve("--threads", "1", timeout_s=60)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            running = pool.submit(self.grpc.call, SERVICE, "Predict",
                                  question(bundles.SLOW), 1 * harness.PATIENCE)
            harness.wait_until(self.one_runs, 10, "the worker is busy")
            waiting = pool.submit(self.post, [4])
            harness.wait_until(self.one_waits, 10, "one waits")
            self.server.process.send_signal(signal.SIGTERM)
            self.health_says("draining")
            self.assertEqual(waiting.result()[0], 200)
            running.result()
        self.assertEqual(self.server.stop(), 0)

    def test_work_that_outlasts_the_drain_is_told_that_the_server_stops(self):
        self.serve("--drain-s", "1", timeout_s=60)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.post, bundles.SLOW)
            harness.wait_until(self.one_runs, 10, "the worker is busy")
            self.assertEqual(self.server.stop(), 0)
            status, answer = running.result()
        self.assertEqual((status, answer["error_code"]), (503, "NOT_READY"))
        self.assertEqual(answer["error"], "the server is stopping")

    def test_x1_shutdown_answers_first_then_drains_and_may_be_repeated(self):
        self.serve("--shutdown", "loopback", timeout_s=3)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.post, bundles.SLOW)
            harness.wait_until(self.one_runs, 10, "the worker is busy")
            for _ in range(2):
                status, answer = harness.rest_json(self.server.port, "POST",
                                                   "/shutdown", {})
                self.assertEqual((status, answer["success"]), (200, True))
                self.assertTrue(answer["message"])
            status, answer = running.result()
            self.assertIn((status, answer.get("error_code")), ENDS, answer)
        self.assertEqual(self.server.process.wait(30), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
