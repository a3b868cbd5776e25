"""What every client is tested with: requests and answers, gen/vectors, a server
behind a registry, and a gRPC server that says whatever it is told to."""
import base64
import concurrent.futures
import importlib
import json
import pathlib
import time
import unittest

import grpc

import harness
import python_clients  # noqa: F401  (finds the package specserve)

ETHANOL = {"input_type": "text", "data": {"text": "CCO"}}
HEALTH = {"status": "ok", "model": "m", "version": "1.2.0"}
VECTORS = sorted((harness.ROOT / "gen" / "vectors").glob("*.json"))
GENERATED = harness.ROOT / "clients" / "python" / "src" / "specserve"


def documents():
    """(module, vectors) of each API that the client has."""
    for path in VECTORS:
        if (GENERATED / path.name).with_suffix(".py").exists():
            yield (importlib.import_module(f"specserve.{path.stem}"),
                   json.loads(path.read_text()))


def operation(module, name):
    return getattr(module, name.split(".", 1)[1].upper())


def without_empty(value):
    """Absent, null and empty are the same to a client."""
    if isinstance(value, dict):
        return {key: without_empty(item) for key, item in value.items()
                if item is not None and item != [] and item != {}}
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    return value


def required_fields(op):
    """The least request of an operation, as JSON."""
    fields = {field.json: 1 if field.kind[0] == "i" else "x"
              for field in op.request._fields
              if field.flags & 1 and field.card == "one"}
    fields.update({field.json: {} if field.card == "map" else []
                   for field in op.request._fields
                   if field.flags & 1 and field.card != "one"})
    return fields


def check_sent(case, seen, wanted):
    """What the server saw is the request of a vector, whose id is vector-1."""
    case.assertEqual((seen["verb"], seen["target"]),
                     (wanted["verb"], wanted["target"]))
    case.assertEqual(seen["headers"]["x-request-id"], "vector-1")
    case.assertGreater(float(seen["headers"]["x-request-timeout"]), 0)
    if "body" in wanted:
        case.assertEqual(seen["headers"]["content-type"], "application/json")
        case.assertEqual(
            without_empty(json.loads(base64.b64decode(seen["body"]))),
            without_empty(wanted["body"]))
    else:
        case.assertEqual(seen["body"], "")


class Live(unittest.TestCase):
    """A server that a registry knows, for all tests of the class."""

    @classmethod
    def setUpClass(cls):
        cls.registry = harness.Registry(ttl=30)
        cls.addClassCleanup(cls.registry.stop)
        cls.server = harness.Server(
            registry=f"http://127.0.0.1:{cls.registry.port}")
        cls.addClassCleanup(cls.server.stop)
        (cls.registration,) = harness.wait_until(
            cls.registry.registrations, 10, "the server is registered")
        cls.name = cls.registration["model_name"]


def start_replicas(case):
    """(registry, two servers that it knows, their model's name)."""
    program = harness.Registry(ttl=30)
    case.addCleanup(program.stop)
    servers = [harness.Server(registry=f"http://127.0.0.1:{program.port}")
               for _ in range(2)]
    for server in servers:
        case.addCleanup(server.stop)
    harness.wait_until(lambda: len(program.registrations()) == 2, 20,
                       "both are registered")
    return program, servers, program.registrations()[0]["model_name"]


class Echo(grpc.GenericRpcHandler):
    """Answers every method with what was set."""

    def __init__(self):
        self.answer, self.status, self.trailers = b"", None, ()
        self.wait = 0
        self.seen = []

    def service(self, details):
        def handle(request, context):
            self.seen.append((details.method, request,
                              dict(context.invocation_metadata()),
                              context.time_remaining()))
            time.sleep(self.wait)
            if self.status is not None:
                context.set_trailing_metadata(self.trailers)
                code = next(c for c in grpc.StatusCode
                            if c.value[0] == self.status)
                context.abort(code, "said so")
            return self.answer

        def stream(request, context):
            yield self.answer
            yield handle(request, context)
        if details.method.endswith("/Watch"):
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(handle)


def start_echo(case, certificate=None, key=None):
    """(Echo, port) of a server that ends with the class of tests; with files of
    PEM through TLS, for who shows the same certificate."""
    echo = Echo()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4),
                         handlers=[echo])
    if certificate:
        own, proof = (pathlib.Path(path).read_bytes()
                      for path in (certificate, key))
        port = server.add_secure_port(
            "127.0.0.1:0", grpc.ssl_server_credentials(
                [(proof, own)], own, require_client_auth=True))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    case.addClassCleanup(server.stop, None)
    return echo, port
