#!/usr/bin/env python3
"""Bad gRPC, against any server of this project that offers ModelRuntime.

    bad_grpc.py HOST:PORT            a running server
    bad_grpc.py --start PROGRAM      starts `PROGRAM 0`, which prints "port N"
    bad_grpc.py ... --only G3        the cases whose id begins so
    bad_grpc.py ... --limit BYTES    the server takes no larger message (1 MiB)

A case is what is sent on a connection of its own, frame by frame, and the
outcomes that are right: the name of a gRPC status, "HTTP 415", or "CUT" (the
stream was reset or the connection closed without a status); or a function of
bad_frames.py, for what no library would send. After every case
grpc.health.v1 must answer a stock client. With --start the memory of the server
is watched as well, and a worker is kept busy for the deadline in the queue.
"""
import argparse
import gzip
import os
import signal
import socket
import subprocess
import sys
import time

import grpc
import h2.config
import h2.connection
import h2.events
import h2.exceptions
from grpc_health.v1 import health_pb2, health_pb2_grpc

import bad_frames

# Sanitizer builds are slower and keep freed memory for a while.
PATIENCE = float(os.environ.get("SPECSERVE_PATIENCE", "1"))
WAIT_S = 20.0 * PATIENCE
MEMORY_MIB = 200 * PATIENCE  # more than this above the start is a failure
RUNTIME = "/specserve.runtime.v1.ModelRuntime/"
PREDICT, HEALTH = RUNTIME + "Predict", RUNTIME + "Health"
CHECK = "/grpc.health.v1.Health/Check"
INFO = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

STATUS = {code.value[0]: code.name for code in grpc.StatusCode}


# ---- what is sent ----

def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def framed(message, flag=0, size=None):
    size = len(message) if size is None else size
    return bytes([flag]) + size.to_bytes(4, "big") + message


def nested(levels, number):
    """`levels` messages in each other, each the field `number` of the last."""
    sizes, size = [], 0
    for _ in range(levels):
        sizes.append(size)
        size += 1 + len(varint(size))
    tag = bytes([number << 3 | 2])
    return b"".join(tag + varint(size) for size in reversed(sizes))


# PredictRequest: input_type 1, data 2 {key 1, value 2}
TEXT = field(1, b"text") + field(2, field(1, b"text") + field(2, field(3, b"x")))
ZEROS = bytes(400 << 20)
INVALID = {"INVALID_ARGUMENT"}
TOO_LARGE = {"RESOURCE_EXHAUSTED"}




# id, path, bytes of the DATA frames, headers changed, right outcomes
CASES = [
    ("G0 health", HEALTH, framed(b""), {}, {"OK"}),
    ("G0 check", CHECK, framed(b""), {}, {"OK"}),
    ("G0 content type with +proto", CHECK, framed(b""),
     {"content-type": "application/grpc+proto"}, {"OK"}),
    ("G1 unknown method", RUNTIME + "Nothing", framed(b""), {},
     {"UNIMPLEMENTED"}),
    ("G1 unknown service", "/no.such.Service/Health", framed(b""), {},
     {"UNIMPLEMENTED"}),
    ("G1 path without a method", "/", framed(b""), {}, {"UNIMPLEMENTED"}),
    ("G1 path with bytes that are no text", "/\xff\xfe/x", framed(b""), {},
     {"UNIMPLEMENTED", "CUT"}),
    ("G1 content type text", CHECK, framed(b""),
     {"content-type": "text/plain"}, {"HTTP 415"}),
    ("G1 content type json", PREDICT, framed(b'{"input_type":"text"}'),
     {"content-type": "application/json"}, {"HTTP 415"}),
    ("G1 content type that only begins so", CHECK, framed(b""),
     {"content-type": "application/grpcx"}, {"HTTP 415"}),
    ("G1 content type empty", CHECK, framed(b""), {"content-type": ""},
     {"HTTP 415"}),
    ("G0 content type in capitals", CHECK, framed(b""),
     {"content-type": "Application/GRPC"}, {"OK"}),
    ("G1 no message", CHECK, b"", {}, INVALID),
    ("G2 text", PREDICT, framed(b"hello, world"), {}, INVALID),
    ("G2 zeros", PREDICT, framed(bytes(1000)), {}, INVALID),
    ("G2 all bits", PREDICT, framed(b"\xff" * 1000), {}, INVALID),
    ("G2 truncated varint", PREDICT, framed(b"\x98\x06\x80"), {}, INVALID),
    ("G2 varint of 11 bytes", PREDICT,
     framed(b"\x98\x06" + b"\xff" * 10 + b"\x01"), {}, INVALID),
    ("G2 length past the end", PREDICT, framed(b"\x0a\x05text"), {}, INVALID),
    ("G2 length of 2^63", PREDICT,
     framed(b"\x0a" + b"\x80" * 9 + b"\x01"), {}, INVALID),
    ("G2 group", PREDICT, framed(b"\x9b\x06\x9c\x06"), {}, INVALID),
    ("G2 end of a group", PREDICT, framed(b"\x9c\x06"), {}, INVALID),
    ("G2 field number 0", PREDICT, framed(b"\x02\x01x"), {}, INVALID),
    ("G2 wire type 6", PREDICT, framed(b"\x9e\x06"), {}, INVALID),
    ("G2 string that is not UTF-8", PREDICT,
     framed(field(1, b"\xff\xfe")), {}, INVALID),
    ("G2 NUL in a string", PREDICT, framed(field(1, b"te\0xt")), {}, INVALID),
    ("G2 wrong wire type", PREDICT, framed(b"\x08\x01"), {}, INVALID),
    ("G3 65 levels", PREDICT, framed(nested(65, 2)), {}, INVALID),
    ("G3 100,000 levels", PREDICT, framed(nested(100000, 2)), {}, INVALID),
    ("G3 100,000 levels of an unknown field", PREDICT,
     framed(nested(100000, 9)), {}, INVALID),
    ("G3 100,000 groups", PREDICT, framed(b"\x4b" * 100000), {}, INVALID),
    ("G4 5 M empty messages", PREDICT, framed(b"\x12\x00" * 5000000), {},
     INVALID),
    ("G4 1 MB of empty messages", PREDICT, framed(b"\x12\x00" * 500000), {},
     INVALID),
    ("G4 1 MB of equal keys", PREDICT,
     framed(field(2, field(1, b"k")) * 200000), {}, INVALID),
    ("G5 64 MB and a byte", PREDICT,
     framed(field(1, b"x" * (64 << 20))), {}, TOO_LARGE),
    ("G5 a length of 2^32 - 1", PREDICT,
     framed(b"x", size=0xffffffff), {}, TOO_LARGE),
    ("G5 more than Check takes", CHECK, framed(field(1, b"x" * 5000)), {},
     TOO_LARGE),
    ("G6 gzip", CHECK, framed(gzip.compress(b""), flag=1),
     {"grpc-encoding": "gzip"}, {"UNIMPLEMENTED"}),
    ("G6 gzip bomb", PREDICT, framed(gzip.compress(ZEROS, 9), flag=1),
     {"grpc-encoding": "gzip"}, {"UNIMPLEMENTED", "RESOURCE_EXHAUSTED"}),
    # gRPC Core 1.51 drops an encoding it does not know and gives us the bytes
    # as they came; they are no message of ours. A frame with another flag it
    # turns into an empty message.
    ("G6 encoding nobody knows", CHECK, framed(b"x", flag=1),
     {"grpc-encoding": "snappy"}, {"UNIMPLEMENTED", "INTERNAL"} | INVALID),
    ("G6 compressed without an encoding", CHECK, framed(b"x", flag=1), {},
     {"UNIMPLEMENTED", "INTERNAL"} | INVALID),
    ("G6 flag 2", CHECK, framed(b"x", flag=2), {},
     {"UNIMPLEMENTED", "INTERNAL", "CUT", "OK"}),
    # The client's time is over when the call arrives: gRPC Core resets it
    # without a word, which a stock client reports as DEADLINE_EXCEEDED.
    ("G10 no time", PREDICT, framed(TEXT), {"grpc-timeout": "0n"},
     {"DEADLINE_EXCEEDED", "CUT"}),
    # gRPC Core 1.51 ignores a timeout that it cannot read; the endpoint's
    # own deadline holds, so neither an endless call nor a crash comes of it.
    ("G10 negative", CHECK, framed(b""), {"grpc-timeout": "-1S"},
     {"OK", "CUT", "DEADLINE_EXCEEDED"}),
    ("G10 nine digits", CHECK, framed(b""), {"grpc-timeout": "999999999H"},
     {"OK", "CUT"}),
    ("G10 letters", CHECK, framed(b""), {"grpc-timeout": "abc"},
     {"OK", "CUT"}),
    ("G10 empty", CHECK, framed(b""), {"grpc-timeout": ""}, {"OK", "CUT"}),
    ("G15 bad base64", CHECK, framed(b""), {"x-bin": "!!!"},
     {"OK", "CUT", "UNAVAILABLE"}),
    ("G17 header of 9 KB", CHECK, framed(b""), {"x-large": "x" * 9000},
     {"RESOURCE_EXHAUSTED", "CUT"}),
    ("G2 reflection, not a message", INFO, framed(b"\xff"), {}, INVALID),
    ("G5 reflection, too large", INFO, framed(field(3, b"x" * 70000)), {},
     TOO_LARGE),
]


# id, what is done on a connection of its own and must come out
FRAME_CASES = [
    ("G1 good and bad content types in turn", bad_frames.mixed_content_types),
    ("G1 no content type", bad_frames.no_content_type),
    ("G1 two content types", bad_frames.two_content_types),
    ("G1 byte by byte", bad_frames.byte_by_byte),
    ("G1 in CONTINUATIONs", bad_frames.in_continuations),
    ("G1 a client without a table", bad_frames.small_table),
    ("G5 300 in one connection", bad_frames.many_over_long),
    ("G5 300 MB sent whatever the answer", bad_frames.sends_on),
    ("G5 prefix in pieces", bad_frames.prefix_in_pieces),
    ("G5 the last word", bad_frames.ended_calls),
    ("G5 a later message", bad_frames.later_message),
    ("G14 12 KB of headers", bad_frames.large_block),
    ("G16 rapid reset", bad_frames.rapid_reset),
    ("G16 101st stream", bad_frames.a_hundred_and_one),
    ("G17 9 CONTINUATIONs", bad_frames.many_continuations),
    ("G17 a string of 1 GB", bad_frames.endless_string),
    ("G17 SETTINGS never acknowledged", bad_frames.no_ack),
    ("G18 SETTINGS", bad_frames.flood(bad_frames.frame(4, 0, 0))),
    ("G18 PING", bad_frames.flood(bad_frames.frame(6, 0, 0, bytes(8)))),
    ("G18 WINDOW_UPDATE", bad_frames.flood(
        bad_frames.frame(8, 0, 0, b"\0\0\0\1"))),
    ("G18 PRIORITY", bad_frames.flood(bad_frames.frame(2, 0, 1, bytes(5)))),
    ("G18 unknown frames", bad_frames.flood(bad_frames.frame(0xfe, 0, 0))),
    ("G18 empty DATA", bad_frames.empty_data),
    ("G18 window overflow", bad_frames.bad_frame(
        bad_frames.frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2)),
    ("G18 frame larger than announced", bad_frames.bad_frame(
        b"\xff\xff\xff" + bad_frames.frame(0, 0, 3)[3:] + bytes(65536))),
]


# ---- one call, frame by frame ----

class RawCall:
    """Sends a request on a new HTTP/2 connection and waits for its outcome."""

    def __init__(self, address, path, body, headers):
        self.config = h2.config.H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False,
            header_encoding=None)
        self.connection = h2.connection.H2Connection(self.config)
        self.headers, self.trailers, self.outcome = {}, {}, None
        self.end = time.monotonic() + WAIT_S
        self.left = memoryview(body)
        self.sent_all = False
        self.socket = socket.create_connection(address, timeout=1)
        fields = {":method": "POST", ":scheme": "http", ":path": path,
                  ":authority": "localhost", "te": "trailers",
                  "content-type": "application/grpc", **headers}
        self.fields = [(k.encode(), v.encode("latin-1"))
                       for k, v in fields.items()]
        self.settled = False  # the server knows that we know its settings

    def run(self):
        try:
            self.connection.initiate_connection()
            self.flush()
            while not self.settled and self.outcome is None:
                self.receive_some()
            self.flush()
            self.connection.send_headers(1, self.fields)
            while self.outcome is None:
                self.send_some()
                self.receive_some()
        except (ConnectionError, h2.exceptions.ProtocolError):
            self.outcome = self.outcome or "CUT"
        finally:
            self.socket.close()
        return self.outcome

    def send_some(self):
        while not self.sent_all:
            room = min(self.connection.local_flow_control_window(1),
                       self.connection.max_outbound_frame_size, len(self.left))
            if self.left and not room:
                break
            piece, self.left = self.left[:room], self.left[room:]
            self.sent_all = not self.left
            self.connection.send_data(1, bytes(piece), end_stream=self.sent_all)
            self.flush()
        self.flush()

    def flush(self):
        data = self.connection.data_to_send()
        if data:
            self.socket.sendall(data)

    def receive_some(self):
        if time.monotonic() > self.end:
            self.outcome = "NOTHING"
            return
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return
        if not data:
            self.outcome = "CUT"
            return
        for event in self.connection.receive_data(data):
            self.note(event)

    def note(self, event):
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settled = True
        elif isinstance(event, h2.events.ResponseReceived):
            self.headers = dict(event.headers)
            if self.headers[b":status"] != b"200":
                self.outcome = "HTTP " + self.headers[b":status"].decode()
            elif b"grpc-status" in self.headers:
                self.finish(self.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            self.finish(dict(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            self.connection.acknowledge_received_data(
                event.flow_controlled_length, 1)
        elif isinstance(event, (h2.events.StreamReset,
                                h2.events.ConnectionTerminated)):
            self.outcome = self.outcome or "CUT"

    def finish(self, trailers):
        self.trailers = trailers
        self.outcome = STATUS[int(trailers[b"grpc-status"])]


# ---- calls of a stock client ----

def stock(address):
    return grpc.insecure_channel("%s:%d" % address)


def check_health(address):
    with stock(address) as channel:
        health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=WAIT_S)


def predict(channel, message):
    return channel.unary_unary(PREDICT).future(message, timeout=WAIT_S)


SLOW = field(1, b"slow") + field(2, field(1, b"text") + field(2, field(3, b"x")))


def outlives_the_queue(address):
    """G11: four slow calls on two workers, then one that cannot wait."""
    with stock(address) as channel:
        before = [predict(channel, SLOW) for _ in range(4)]
        start = time.monotonic()
        late = channel.unary_unary(PREDICT).future(SLOW, timeout=0.1)
        assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED, late.code()
        assert time.monotonic() - start < 1 * PATIENCE
        assert all(call.code() == grpc.StatusCode.OK for call in before)


def cancelled(address):
    """G12: cancelled calls leave their workers at once."""
    with stock(address) as channel:
        calls = [predict(channel, SLOW) for _ in range(20)]
        time.sleep(0.05)  # some run, some wait
        for call in calls:
            call.cancel()
        start = time.monotonic()
        assert predict(channel, SLOW).code() == grpc.StatusCode.OK
        assert time.monotonic() - start < 1.5 * PATIENCE  # not 20 x 0.3 s / 2
        assert {c.code() for c in calls} <= {grpc.StatusCode.CANCELLED,
                                             grpc.StatusCode.OK}


def overloaded(address):
    """G22: a full queue says so at once, and when to come back."""
    with stock(address) as channel:
        calls = [predict(channel, SLOW) for _ in range(90)]
        refused = [c for c in calls
                   if c.code() == grpc.StatusCode.RESOURCE_EXHAUSTED]
        assert refused, "nothing was refused"
        trailers = dict(refused[0].trailing_metadata())
        assert trailers["x-error-code"] == "OVERLOADED", trailers
        assert int(trailers["grpc-retry-pushback-ms"]) > 0, trailers


SLOW_CASES = [("G11 deadline in the queue", outlives_the_queue),
              ("G12 cancel", cancelled),
              ("G22 queue full", overloaded)]


# ---- the run ----

class Results:
    def __init__(self, process):
        self.passed, self.failed, self.process = 0, 0, process
        self.memory = self.resident()

    def resident(self):
        if not self.process:
            return 0
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS"):
                    return int(line.split()[1]) // 1024
        return 0

    def note(self, name, check):
        try:
            check()
            grown = self.resident() - self.memory
            assert grown < MEMORY_MIB, f"memory grew by {grown} MiB"
            self.passed += 1
        except (AssertionError, OSError, grpc.RpcError) as problem:
            self.failed += 1
            print(f"FAIL {name}: {problem}")


def run_case(address, limit, path, body, headers, right):
    if len(body) > limit:  # the size is looked at first
        right = right | TOO_LARGE
    call = RawCall(address, path, body, headers)
    outcome = call.run()
    text = call.trailers.get(b"grpc-message", b"").decode()
    assert outcome in right, f"{outcome} {text!r}, not {' or '.join(right)}"
    ours = outcome == "INVALID_ARGUMENT"
    assert not ours or b"x-error-code" in call.trailers, call.trailers


def run_all(address, only, process=None, limit=1 << 20):
    results = Results(process)
    cases = [(name, lambda rest=rest: run_case(address, limit, *rest))
             for name, *rest in CASES]
    cases += [(name, lambda run=run: run(address)) for name, run in FRAME_CASES]
    if process:
        cases += [(name, lambda run=run: run(address))
                  for name, run in SLOW_CASES]
    for name, check in cases:
        if name.startswith(only):
            results.note(name, check)
            results.note(name + ", then health", lambda: check_health(address))
    print(f"{results.passed} passed, {results.failed} failed")
    return results.failed == 0 and results.passed > 0


def run_started(program, only):
    process = subprocess.Popen([program, "0"], stdout=subprocess.PIPE,
                               text=True)
    try:
        port = int(process.stdout.readline().split()[1])
        good = run_all(("127.0.0.1", port), only, process)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    if code != 0:
        print(f"FAIL {program} ended with {code}")
    return good and code == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("address", nargs="?")
    parser.add_argument("--start")
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=int, default=1 << 20)
    arguments = parser.parse_args()
    if arguments.start:
        return run_started(arguments.start, arguments.only)
    host, port = arguments.address.rsplit(":", 1)
    return run_all((host, int(port)), arguments.only, limit=arguments.limit)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
