"""A server that is wrong in one way: stands in front of a right one and changes
what it answers.

Each key of WRONGS is a check of `specserve conform` that the change must make
fail. A change takes the exchange - verb, path, the request's body, status,
headers, the answer as JSON or text - and alters it in place. HTTP/2 passes
untouched, so gRPC stays right.

RPC_WRONGS are those over gRPC: they take a Call of the Open Inference Protocol
- method, request, answer or the status instead of one - and WrongRpc stands in
front of the right server for them.
"""
import concurrent.futures
import http.client
import http.server
import json
import select
import socket
import socketserver
import threading
import time

import grpc
from tritonclient.grpc import service_pb2


class Exchange:
    def __init__(self, verb, path, body, sent=None):
        self.verb, self.path, self.body = verb, path, body
        self.sent = sent or {}  # headers
        self.place = path.split("?")[0]
        self.status, self.headers, self.answer = 0, {}, b""

    @property
    def json(self):
        try:
            return json.loads(self.answer)
        except ValueError:
            return None

    @json.setter
    def json(self, value):
        self.answer = json.dumps(value).encode()

    def at(self, verb, place):
        return self.verb == verb and self.place.startswith(place)

    def edit(self, change):
        """Applies `change` to the JSON of the answer."""
        value = self.json
        if isinstance(value, dict):
            change(value)
            self.json = value


def drop(place, *keys, verb="GET"):
    """Takes a member out of the answers of an endpoint."""
    def wrong(exchange, _):
        def change(value):
            for key in keys[:-1]:
                value = value[key] if isinstance(key, str) else value[key]
            value.pop(keys[-1], None)
        if exchange.at(verb, place) and exchange.status == 200:
            exchange.edit(change)
    return wrong


def put(place, value_of, *keys, verb="GET"):
    """Gives a member another value."""
    def wrong(exchange, _):
        def change(value):
            for key in keys[:-1]:
                value = value[key]
            if keys[-1] in value:
                value[keys[-1]] = value_of
        if exchange.at(verb, place) and exchange.status == 200:
            exchange.edit(change)
    return wrong


def first_range(change_range):
    def wrong(exchange, _):
        def change(value):
            change_range(next(iter(value["property_ranges"].values())))
        if exchange.at("GET", "/acceptable_ranges"):
            exchange.edit(change)
    return wrong


def status(verb, place, wanted, instead):
    """Answers one status instead of another."""
    def wrong(exchange, _):
        if exchange.at(verb, place) and exchange.status == wanted:
            exchange.status = instead
    return wrong


def accepts(place, matches, verb="POST"):
    """Takes requests that it should refuse."""
    def wrong(exchange, _):
        if exchange.at(verb, place) and exchange.status >= 400 and \
                matches(exchange):
            exchange.status = 200
    return wrong


def slow_health(exchange, _):
    if exchange.at("GET", "/health"):
        time.sleep(0.15)


def frozen_metrics(exchange, memory):
    if exchange.at("GET", "/metrics"):
        exchange.answer = memory.setdefault("metrics", exchange.answer)


def mixed_up(exchange, memory):
    """Beside other requests, the answer of the last one."""
    if exchange.at("POST", "/predict"):
        memory["count"] = memory.get("count", 0) + 1
        last = memory.get("last")
        memory["last"] = exchange.answer
        if memory["count"] > 30 and last:
            exchange.answer = last


def one_port(exchange, memory):
    if exchange.at("POST", "/register"):
        exchange.edit(lambda value: value.update(
            assigned_port=memory.setdefault("port", value["assigned_port"])))


def lists_the_dead(exchange, memory):
    if exchange.at("GET", "/registry"):
        def change(value):
            known = memory.setdefault("known", {})
            known.update({row["port"]: row for row in value["registrations"]})
            value["registrations"] = list(known.values())
        exchange.edit(change)


def still_lists(exchange, memory):
    lists_the_dead(exchange, memory)
    if exchange.at("POST", "/register"):
        value = exchange.json
        memory.setdefault("known", {})[value["assigned_port"]] = {
            "port": value["assigned_port"]}


def reversed_list(exchange, _):
    if exchange.at("GET", "/registry"):
        exchange.edit(lambda value: value["registrations"].reverse())


def new_id(exchange, memory):
    if exchange.at("POST", "/register"):
        memory["n"] = memory.get("n", 0) + 1
        exchange.edit(lambda value: value.update(
            registration_id=f"{value['registration_id']}{memory['n']}"))


def fixed_expiry(exchange, _):
    if exchange.at("POST", "/heartbeat"):
        exchange.edit(lambda value: value.update(
            expires_at="2000-01-01T00:00:00"))


def other_description(exchange, _):
    if exchange.at("GET", "/info"):
        exchange.edit(lambda value: value.update(description="Another one."))


def body_for_head(exchange, _):
    if exchange.verb == "HEAD":
        exchange.status = 404


# ---- Open Inference Protocol ----

SIZE = "Inference-Header-Content-Length"


def health_text(exchange, _):
    if exchange.at("GET", "/v2/health/live"):
        exchange.answer = b"all is well"


def other_with_slash(exchange, _):
    if exchange.path == "/v2/":
        exchange.edit(lambda value: value.update(name="another"))


def at_model(exchange, rest=""):
    return (exchange.place.startswith("/v2/models/") and
            exchange.place.count("/") == 3 + rest.count("/") and
            exchange.place.endswith(rest))


def no_platform(exchange, _):
    if at_model(exchange) and exchange.status == 200:
        exchange.edit(lambda value: value.pop("platform"))


def no_datatype(exchange, _):
    if at_model(exchange) and exchange.status == 200:
        exchange.edit(lambda value: value["outputs"][0].update(datatype="FLOAT"))


def not_ready(exchange, _):
    if at_model(exchange, "/ready") and exchange.status == 200:
        exchange.status = 400


def no_versions(exchange, _):
    if "/versions/" in exchange.place:
        exchange.status = 404


def knows_everybody(exchange, _):
    if "conform-nobody" in exchange.place and exchange.place.endswith("/ready"):
        exchange.status = 200


def no_error_text(exchange, _):
    if exchange.status >= 400 and exchange.place.startswith("/v2/models/"):
        exchange.edit(lambda value: value.pop("error", None))


def infers(change, matches=lambda exchange: True):
    """Changes the answers of inference."""
    def wrong(exchange, _):
        if exchange.at("POST", "/v2/models/") and exchange.status == 200 and \
                exchange.place.endswith("/infer") and matches(exchange):
            change(exchange)
    return wrong


def too_few_numbers(exchange):
    exchange.edit(lambda value: value["outputs"][0]["data"].pop())


def one_more_output(exchange):
    exchange.edit(lambda value: value["outputs"].append(
        {**value["outputs"][0], "name": "more"}))


def refuse(exchange):
    exchange.status, exchange.answer = 400, b'{"error": "no"}'


def infers_anyway(matches):
    return accepts("/v2/models/", matches)


def no_json_size(exchange):
    exchange.headers.pop(SIZE, None)


def says_nan(exchange, _):
    if SIZE in exchange.sent and b"\x00\x00\xc0\x7f" in exchange.body:
        exchange.status = 200
        exchange.answer = b'{"outputs": [{"data": [NaN]}]}'


def other_config(exchange, _):
    if at_model(exchange, "/config"):
        exchange.edit(lambda value: value.update(name="another"))


def no_counts(exchange, _):
    if at_model(exchange, "/stats"):
        exchange.edit(lambda value: value["model_stats"][0].pop("inference_count"))


def nameless_index(exchange, _):
    if exchange.place == "/v2/repository/index":
        exchange.json = [{"state": "READY"}]


def is_text_plain(exchange):
    return exchange.status == 415


def refused_fields(exchange):
    return exchange.status == 400


WRONGS = {
    "G1": status("GET", "/citation", 200, 404),
    "G6": put("/health", "1.1", "version"),
    "H1": drop("/health", "status"),
    "K1": drop("/capabilities", "model"),
    "K2": drop("/capabilities", "capabilities", 0, "description"),
    "K3": put("/capabilities", "C, H, O", "elements"),
    "K4": put("/capabilities", ["scent"], "capabilities", 0, "input_types"),
    "A1": drop("/acceptable_ranges", "description"),
    "A2": first_range(lambda value: value["training_range"].update(mean=1e9)),
    "A3": first_range(lambda value: value.update(training_samples="many")),
    "A4": drop("/acceptable_ranges", "usage_recommendations"),
    "I1": drop("/info", "license"),
    "M1": put("/metrics", "long", "uptime_s"),
    "M2": frozen_metrics,
    "C1": put("/citation", "@software{open, title = {", "software_bibtex"),
    "T1": drop("/test_examples", "examples", 0, "category"),
    "T2": put("/test_examples", "GET", "usage_instructions", "method"),
    "T3": put("/predict", False, "success", verb="POST"),
    "D8": put("/info", "Another", "name"),
    "P1": accepts("/predict", lambda e: b"smell" in e.body),
    "P2": drop("/predict", "computation_time_ms", verb="POST"),
    "P3": put("/predict", "all is well", "error_message", verb="POST"),
    "P4": status("POST", "/predict", 400, 422),
    "D3": drop("/predict", "error_code", verb="POST"),
    "D12": put("/predict", "-1.5", "results", "LogS", verb="POST"),
    "G3": accepts("/predict", is_text_plain),
    "G5": lambda e, _: e.status >= 400 and e.edit(lambda v: v.pop("error", 0)),
    "D5": status("POST", "/predict", 413, 400),
    "D29a": status("GET", "/no", 404, 400),
    "D29b": lambda e, _: e.headers.pop("Allow", None),
    "D29c": body_for_head,
    "D30": accepts("/predict", lambda e: e.body.count(b"input_type") == 2),
    "G7": mixed_up,
    "H3": slow_health,
    "D31": other_description,
    "R6": drop("/register", "message", verb="POST"),
    "R2": one_port,
    "R3": accepts("/register", refused_fields),
    "R7": drop("/unregister", "freed_port", verb="DELETE"),
    "D23": status("DELETE", "/unregister", 403, 404),
    "R8": drop("/registry", "registrations", 0, "expires_at"),
    "D17": reversed_list,
    "R9": fixed_expiry,
    "D18": status("POST", "/heartbeat", 404, 200),
    "D20": put("/register", 80, "assigned_port", verb="POST"),
    "D21": new_id,
    "R5": still_lists,
    "V1": status("GET", "/v2/health/live", 200, 503),
    "V2": status("GET", "/v2/health/ready", 200, 400),
    "V3": health_text,
    "V4": lambda e, _: e.place in ("/v2", "/v2/") and e.edit(
        lambda value: value.pop("version")),
    "V5": other_with_slash,
    "V6": no_platform,
    "V7": no_datatype,
    "V8": not_ready,
    "V9": no_versions,
    "V10": knows_everybody,
    "V11": no_error_text,
    "V12": infers(too_few_numbers),
    "V13": infers(lambda e: e.edit(lambda value: value.pop("id", None))),
    "V14": infers(one_more_output, lambda e: b'"outputs"' in e.body),
    "V15": infers(refuse, lambda e: b'"data":[[' in e.body),
    "V16": infers_anyway(lambda e: e.body == b'{"inputs":['),
    "V17": infers_anyway(lambda e: b"FP31" in e.body),
    "V18": infers(no_json_size),
    "V19": infers(refuse, lambda e: SIZE in e.sent),
    "V20": infers_anyway(lambda e: SIZE in e.sent),
    "V21": says_nan,
    "V22": other_config,
    "V23": no_counts,
    "V24": nameless_index,
}


# ---- over gRPC ----

class Call:
    def __init__(self, method, request):
        self.method, self.request = method, request
        self.answer, self.status = b"", None  # status: instead of an answer

    def parsed(self, kind):
        return kind.FromString(self.request)

    def edit(self, kind, change):
        """Applies `change` to the answer, which is of this message."""
        if self.status is None:
            value = kind.FromString(self.answer)
            change(value)
            self.answer = value.SerializeToString()


def answers(method, kind, change):
    def wrong(call):
        if call.method == method:
            call.edit(kind, change)
    return wrong


def no_service(call):
    call.status = grpc.StatusCode.UNIMPLEMENTED


def properties_of_parameters(call):
    if call.method == "ModelMetadata":
        value = service_pb2.InferParameter(bool_param=True).SerializeToString()
        entry = b"\x0a\x01a\x12" + bytes([len(value)]) + value
        call.answer += b"\x32" + bytes([len(entry)]) + entry


def infer_of(matches, then):
    """Changes the answers of ModelInfer for some requests."""
    def wrong(call):
        if call.method == "ModelInfer" and \
                matches(call.parsed(service_pb2.ModelInferRequest)):
            then(call)
    return wrong


def other_numbers(call):
    def change(value):
        first = value.raw_output_contents[0]
        value.raw_output_contents[0] = bytes(len(first))
    call.edit(service_pb2.ModelInferResponse, change)


def refuses(call):
    call.status = grpc.StatusCode.INVALID_ARGUMENT


def takes_all(call):
    call.status = None


def older_parameters(call):
    if call.method == "ServerReflectionInfo":
        call.answer = call.answer.replace(b"uint64_param", b"uint64_other")


def streams_bare(call):
    if call.method == "ModelStreamInfer":
        call.answer = service_pb2.ModelStreamInferResponse.FromString(
            call.answer).infer_response.SerializeToString()


RPC_WRONGS = {
    "W1": no_service,
    "W2": answers("ModelReady", service_pb2.ModelReadyResponse,
                  lambda value: setattr(value, "ready", False)),
    "W3": answers("ServerMetadata", service_pb2.ServerMetadataResponse,
                  lambda value: setattr(value, "version", "0")),
    "W4": answers("ModelMetadata", service_pb2.ModelMetadataResponse,
                  lambda value: value.outputs[0].shape.append(1)),
    "W5": properties_of_parameters,
    "W6": infer_of(lambda r: not r.raw_input_contents, other_numbers),
    "W7": infer_of(lambda r: r.raw_input_contents, refuses),
    "W8": answers("ModelInfer", service_pb2.ModelInferResponse,
                  lambda value: setattr(value, "id", "")),
    "W9": infer_of(lambda r: r.parameters, refuses),
    "W10": older_parameters,
    "W11": streams_bare,
    "W12": infer_of(lambda r: r.model_name == "conform-nobody", takes_all),
    "W13": infer_of(lambda r: r.raw_input_contents, takes_all),
    "W14": answers("ModelConfig", service_pb2.ModelConfigResponse,
                   lambda value: setattr(value.config, "name", "another")),
    "W15": answers("ModelStatistics", service_pb2.ModelStatisticsResponse,
                   lambda value: value.ClearField("model_stats")),
}


class WrongRpc(grpc.GenericRpcHandler):
    """As WrongServer, for gRPC: messages pass as bytes."""

    def __init__(self, upstream, wrong):
        self.wrong = RPC_WRONGS[wrong]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{upstream}")
        self.server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(4), handlers=[self])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def service(self, details):
        def serve(requests, context):
            for request in requests:
                call = Call(details.method.rpartition("/")[2], request)
                try:
                    call.answer = next(self.channel.stream_stream(
                        details.method)(iter([request]), timeout=30))
                except grpc.RpcError as failure:
                    call.status = failure.code()
                self.wrong(call)
                if call.status:
                    context.abort(call.status, "wrong")
                yield call.answer
        return grpc.stream_stream_rpc_method_handler(serve)

    def stop(self):
        self.server.stop(None).wait()
        self.channel.close()


class WrongServer:
    """Listens on `port`, asks the right server at `upstream`, is wrong in the
    way of check `wrong`."""

    def __init__(self, upstream, wrong):
        owner = self
        self.upstream, self.wrong = upstream, WRONGS[wrong]
        self.memory, self.lock = {}, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self):
                if self.connection.recv(4, socket.MSG_PEEK) == b"PRI ":
                    owner.pass_on(self.connection)
                else:
                    super().handle()

            def serve(self):
                owner.exchange(self)

            do_GET = do_POST = do_DELETE = do_HEAD = serve

            def log_message(self, *_):
                pass

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 128

        self.listener = Listener(("127.0.0.1", 0), Handler)
        self.port = self.listener.server_address[1]
        self.thread = threading.Thread(target=self.listener.serve_forever,
                                       kwargs={"poll_interval": 0.02})
        self.thread.start()

    def exchange(self, handler):
        size = int(handler.headers.get("Content-Length", 0))
        exchange = Exchange(handler.command, handler.path,
                            handler.rfile.read(size), handler.headers)
        try:
            self.ask(exchange, handler)
        except OSError:  # the right server has closed on it: 413
            handler.close_connection = True
            return
        with self.lock:
            self.wrong(exchange, self.memory)
        handler.send_response_only(exchange.status)
        for name, value in exchange.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(exchange.answer)))
        handler.end_headers()
        if exchange.verb != "HEAD":
            handler.wfile.write(exchange.answer)

    def ask(self, exchange, handler):
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, 60)
        headers = {name: handler.headers[name]
                   for name in ("Content-Type", SIZE)
                   if handler.headers[name] is not None}
        try:
            try:
                upstream.request(exchange.verb, exchange.path,
                                 exchange.body or None, headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it answers before it has read all
            answer = upstream.getresponse()
            exchange.status, exchange.answer = answer.status, answer.read()
            exchange.headers = {
                name: answer.headers[name]
                for name in ("Content-Type", "Allow", SIZE)
                if answer.headers[name]}
        finally:
            upstream.close()

    def pass_on(self, client):
        with socket.create_connection(("127.0.0.1", self.upstream)) as upstream:
            ends = {client: upstream, upstream: client}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)

    def stop(self):
        self.listener.shutdown()
        self.listener.server_close()
        self.thread.join()
