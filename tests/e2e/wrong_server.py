"""A server that is wrong in one way: stands in front of a right one and changes
what it answers.

Each key of WRONGS is a check of `specserve conform` that the change must make
fail. A change takes the exchange - verb, path, the request's body, status,
headers, the answer as JSON or text - and alters it in place. HTTP/2 passes
untouched, so gRPC stays right.
"""
import http.client
import http.server
import json
import select
import socket
import socketserver
import threading
import time


class Exchange:
    def __init__(self, verb, path, body):
        self.verb, self.path, self.body = verb, path, body
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
}


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
                            handler.rfile.read(size))
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
        headers = {name: handler.headers[name] for name in ("Content-Type",)
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
                name: answer.headers[name] for name in ("Content-Type", "Allow")
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
