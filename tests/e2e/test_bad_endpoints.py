"""Hostile callers of the endpoints that compute: /v1/*, /v2/*, and their methods.

The rows are those of docs/limits.md: time limits that are none (H49), callers
that leave (H47, G12), a full queue and a server that stops (H48, G22).
"""
import concurrent.futures
import contextlib
import json
import queue
import signal
import socket
import unittest

import grpc
from tritonclient.grpc import service_pb2

import bundles
import harness
import rpc

DATA = harness.ROOT / "tests/data/bundles"
INFER = "/v2/models/Steered/infer"
TEXTS = "specserve.text.v1.TextModel"
NO_TIMES = ("0", "-1", "soon")
LEAVERS = 40


def infer(x):
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, len(x)],
                        "data": x}]}


def infer_message(x):
    message = service_pb2.ModelInferRequest(model_name="Steered")
    tensor = message.inputs.add(name="x", datatype="FP32", shape=[1, len(x)])
    tensor.contents.fp32_contents.extend(x)
    return message


def raw(path, body, length=None):
    """A POST as bytes."""
    text = json.dumps(body).encode()
    return (b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/"
            b"json\r\nContent-Length: %d\r\n\r\n" % (
                path.encode(), length or len(text)) + text)


class Endpoint(harness.Case):
    def limits_time(self, server, path, body, short):
        """H49: 400 for what is no time, 504 where it is too short."""
        for time in (*NO_TIMES, short):
            with self.subTest(path=path, time=time):
                status, _, text = harness.rest(server.port, "POST", path, body,
                                               {"X-Request-Timeout": time})
                self.assertEqual(status, 504 if time == short else 400, text)
                self.assertTrue(json.loads(text)["error"])
        self.assertTrue(server.ready())


class Tensors(Endpoint):
    """The Open Inference Protocol, on a model that computes for seconds."""

    def serve(self, *arguments, timeout_s=60):
        self.server = self.start(
            harness.Server, "--threads", "1", *arguments,
            bundle=bundles.steered(self.folder.name, timeout_s=timeout_s))
        channel = grpc.insecure_channel(f"127.0.0.1:{self.server.port}")
        self.addCleanup(channel.close)
        self.infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            service_pb2.ModelInferRequest.SerializeToString,
            service_pb2.ModelInferResponse.FromString)
        self.stream = channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            service_pb2.ModelInferRequest.SerializeToString,
            service_pb2.ModelStreamInferResponse.FromString)

    def load_is(self, running, waiting=0):
        def reached():
            _, load = harness.rest_json(self.server.port, "GET", "/metrics")
            return (load["requests_running"], load["requests_waiting"]) == (
                running, waiting)
        harness.wait_until(reached, 20, f"{running} run and {waiting} wait")

    def answers(self):
        status, answer = harness.rest_json(self.server.port, "POST", INFER,
                                           infer([4]))
        self.assertEqual(status, 200, answer)

    def cancelled(self):
        return self.server.logged().count("code=CANCELLED")

    def test_h49_times_that_are_none(self):
        self.serve()
        self.limits_time(self.server, INFER, infer(bundles.SLOW), "0.001")
        self.answers()

    def test_h47_g12_callers_that_leave(self):
        self.serve()
        with socket.create_connection(("127.0.0.1", self.server.port)) as caller:
            caller.sendall(raw(INFER, infer(bundles.SLOW)))
            self.load_is(1)
        self.load_is(0)
        call = self.infer.future(infer_message(bundles.SLOW))
        self.load_is(1)
        call.cancel()
        self.load_is(0)
        self.assertEqual(call.code(), grpc.StatusCode.CANCELLED)
        asks = queue.SimpleQueue()
        asks.put(infer_message([4]))
        call = self.stream(iter(asks.get, None))
        self.assertFalse(next(call).error_message)
        self.load_is(0)  # a call counts until its answer is on its way
        asks.put(infer_message(bundles.SLOW))
        self.load_is(1)
        call.cancel()
        self.load_is(0)
        harness.wait_until(lambda: self.cancelled() == 3, 5, "each logged")
        self.answers()
        self.assertEqual(self.cancelled(), 3)  # and once

    def test_h48_g22_a_full_queue(self):
        self.serve("--queue", "1")
        busy = [self.infer.future(infer_message(bundles.SLOW))]
        self.load_is(1)
        busy.append(self.infer.future(infer_message(bundles.SLOW)))
        self.load_is(1, 1)
        status, headers, text = harness.rest(self.server.port, "POST", INFER,
                                             infer([4]))
        self.assertEqual(status, 503, text)
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        with self.assertRaises(grpc.RpcError) as caught:
            self.infer(infer_message([4]))
        self.assertEqual(caught.exception.code(),
                         grpc.StatusCode.RESOURCE_EXHAUSTED)
        trailers = dict(caught.exception.trailing_metadata())
        self.assertGreater(int(trailers["grpc-retry-pushback-ms"]), 0)
        for call in busy:
            call.cancel()
        self.load_is(0)
        self.answers()

    def test_h48_g22_a_server_that_stops(self):
        self.serve("--drain-s", "3")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(harness.rest, self.server.port, "POST", INFER,
                                  infer(bundles.SLOW))
            self.load_is(1)
            self.server.process.send_signal(signal.SIGTERM)
            harness.wait_until(lambda: not self.server.ready(), 10, "draining")
            status, headers, text = harness.rest(self.server.port, "POST", INFER,
                                                 infer([4]))
            self.assertEqual(status, 503, text)
            self.assertIn("Retry-After", headers)
            with self.assertRaises(grpc.RpcError) as caught:
                self.infer(infer_message([4]))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
            self.assertIn(running.result()[0], (200, 503))
        self.assertEqual(self.server.stop(), 0)


class Texts(Endpoint):
    """Embeddings and rerank. These models are quick: who leaves does so before
    the answer is read, and each call is logged once, whatever became of it."""

    def serve(self, bundle):
        return self.start(harness.Server, "--threads", "1", bundle=DATA / bundle)

    def test_h49_times_that_are_none(self):
        for bundle, path, body in (
                ("sentences", "/v1/embeddings", {"input": "a dog"}),
                ("sentences", "/predict",
                 {"input_type": "text", "data": {"text": "a dog"}}),
                ("relevance", "/v1/rerank",
                 {"query": "a dog", "documents": ["a cat", "a dog"]})):
            self.limits_time(self.serve(bundle), path, body, "0.000001")

    def test_h47_callers_that_leave(self):
        for bundle, path, body in (
                ("sentences", "/v1/embeddings", {"input": ["a dog " * 8] * 4}),
                ("relevance", "/v1/rerank",
                 {"query": "a dog", "documents": ["a cat"] * 4})):
            with self.subTest(path):
                server = self.serve(bundle)
                for half in (False, True):
                    with contextlib.ExitStack() as callers:
                        for _ in range(LEAVERS):
                            caller = callers.enter_context(
                                socket.create_connection(
                                    ("127.0.0.1", server.port)))
                            caller.sendall(raw(path, body, 9999 if half else None))
                status, _ = harness.rest_json(server.port, "POST", path, body)
                self.assertEqual(status, 200)
                self.assertEqual(server.stop(), 0)
                # a body that never came whole was no call
                method = f" method=text.{path.rpartition('/')[2]} "
                lines = [line for line in server.logged().splitlines()
                         if method in line]
                self.assertEqual(len(lines), LEAVERS + 1)
                self.assertLessEqual(
                    {line.split("code=")[1].split()[0] for line in lines},
                    {"OK", "CANCELLED"})

    def test_g12_callers_that_cancel(self):
        for bundle, method, body in (
                ("sentences", "Embed", {"input": ["a dog " * 8] * 4}),
                ("relevance", "Rerank",
                 {"query": "a dog", "documents": ["a cat"] * 4})):
            with self.subTest(method):
                server = self.serve(bundle)
                client = rpc.Client(server.port)
                self.addCleanup(client.close)
                kind = client.methods(TEXTS)[method].input_type
                message = rpc.message_factory.GetMessageClass(kind)()
                rpc.from_json(message, body)
                call = client.channel.unary_unary(f"/{TEXTS}/{method}")
                calls = [call.future(message.SerializeToString())
                         for _ in range(LEAVERS)]
                for one in calls:
                    one.cancel()
                self.assertLessEqual({one.code() for one in calls},
                                     {grpc.StatusCode.CANCELLED,
                                      grpc.StatusCode.OK})
                self.assertEqual(client.call(TEXTS, method, body)[0],
                                 grpc.StatusCode.OK)
                self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
