"""Bad HTTP/2 for the gRPC door, made frame by frame; the cases are listed in
bad_grpc.py.

The client here knows the protocol but obeys no rule by itself: it sends what a
case says and notes what comes back. It decodes every header block that the
server sends, so an answer that spoils the header compression fails its case.
"""
import collections
import os
import socket
import struct
import time

import grpc
import hpack

PATIENCE = float(os.environ.get("SPECSERVE_PATIENCE", "1"))
WAIT_S = 20.0 * PATIENCE
CHECK = "/grpc.health.v1.Health/Check"
PREDICT = "/specserve.runtime.v1.ModelRuntime/Predict"
INFO = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
GRPC = "application/grpc"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
EMPTY = bytes(5)  # a message of no bytes
LIMIT = 1 << 20   # at least what any server under test takes
SERVICES = b"\x3a\x00"  # ServerReflectionRequest{list_services: ""}
STATUS = {code.value[0]: code.name for code in grpc.StatusCode}


def prefix(size):
    return b"\0" + struct.pack(">I", size)


def frame(kind, flags, stream, payload=b""):
    return (struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
            + struct.pack(">I", stream) + payload)


class Wire:
    """One connection. `outcomes` says how each stream ended: the name of a
    gRPC status, "HTTP 415", or "RST n"."""

    def __init__(self, address, settings=b"", ack=True):
        self.socket = socket.create_connection(address, timeout=WAIT_S)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.outcomes, self.got = {}, bytearray()
        self.messages = collections.Counter()  # DATA frames by stream
        self.ended = set()
        self.next_stream, self.ack, self.cut = 1, ack, None
        self.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                   + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.socket.close()

    def write(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError:
            self.cut = self.cut or "CUT"

    def block(self, path=CHECK, content_type=GRPC, more=()):
        fields = [(":method", "POST"), (":scheme", "http"), (":path", path),
                  (":authority", "localhost"), ("te", "trailers")]
        if content_type is not None:
            fields.append(("content-type", content_type))
        return self.encoder.encode(fields + list(more))

    def new_stream(self):
        self.next_stream += 2
        return self.next_stream - 2

    def request(self, *arguments, end=False, **options):
        """HEADERS of a new stream, to be written; (stream, bytes)."""
        stream = self.new_stream()
        flags = END_HEADERS | (END_STREAM if end else 0)
        return stream, frame(HEADERS, flags, stream,
                             self.block(*arguments, **options))

    def call(self, *arguments, message=EMPTY, **options):
        """A whole request, to be written; (stream, bytes)."""
        stream, head = self.request(*arguments, **options)
        return stream, head + frame(DATA, END_STREAM, stream, message)

    def take_frame(self):
        """The next frame that has come, or None when the connection ended."""
        while len(self.got) < 9 or len(self.got) < 9 + int.from_bytes(
                self.got[:3], "big"):
            try:
                piece = self.socket.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                self.cut = self.cut or "CUT"
                return None
            self.got += piece
        size = int.from_bytes(self.got[:3], "big")
        head, payload = bytes(self.got[:9]), bytes(self.got[9:9 + size])
        del self.got[:9 + size]
        return head[3], head[4], int.from_bytes(head[5:9], "big"), payload

    def note(self, kind, flags, stream, payload):
        if kind in (HEADERS, DATA):
            assert stream not in self.ended, f"more on stream {stream}"
            if flags & END_STREAM:
                self.ended.add(stream)
        if kind == HEADERS:
            assert flags & END_HEADERS
            fields = dict(self.decoder.decode(payload))
            if fields.get(":status", "200") != "200":
                self.outcomes[stream] = "HTTP " + fields[":status"]
            elif "grpc-status" in fields:
                self.outcomes[stream] = STATUS[int(fields["grpc-status"])]
        elif kind == DATA:
            self.messages[stream] += 1
        elif kind == RST:
            self.outcomes.setdefault(
                stream, f"RST {int.from_bytes(payload, 'big')}")
        elif kind == SETTINGS and not flags & ACK and self.ack:
            self.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.write(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.cut = f"GOAWAY {int.from_bytes(payload[4:8], 'big')}"

    def wait(self, *streams, until=None):
        """Reads until these streams have ended, or the connection has; their
        outcomes."""
        end = time.monotonic() + WAIT_S
        done = until or (lambda: all(s in self.outcomes for s in streams))
        while not done():
            assert time.monotonic() < end, f"no answer for {streams}"
            got = self.take_frame()
            if got is None:
                break
            self.note(*got)
        return [self.outcomes.get(s, self.cut) for s in streams]

    def wait_for_cut(self):
        self.wait(until=lambda: False)
        return self.cut

    def health(self):
        stream, data = self.call()
        self.write(data)
        (outcome,) = self.wait(stream)
        assert outcome == "OK", f"then {outcome} for a good call"


# ---- G1: another content type ----

def mixed_content_types(address):
    """Good and bad calls in turn; both kinds use the header table."""
    with Wire(address) as wire:
        for turn in range(10):
            sent, data = [], b""
            for n in range(40):
                kind = GRPC if n % 2 else "text/plain"
                stream, call = wire.call(content_type=kind,
                                         more=[("x-turn", f"{turn} {n}")])
                sent.append(stream)
                data += call
            wire.write(data)
            got = wire.wait(*sent)
            assert got == ["HTTP 415", "OK"] * 20, got


def no_content_type(address):
    with Wire(address) as wire:
        stream, data = wire.call(content_type=None)
        wire.write(data)
        got = wire.wait(stream)
        assert got == ["HTTP 415"], got
        wire.health()


def two_content_types(address):
    with Wire(address) as wire:
        stream, data = wire.call(more=[("content-type", "text/html")])
        wire.write(data)
        got = wire.wait(stream)
        assert got == ["HTTP 415"], got
        wire.health()


def byte_by_byte(address):
    """A bad and a good call, each byte in a packet of its own."""
    with Wire(address) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bad, first = wire.call(content_type="text/plain")
        good, second = wire.call()
        large, third = wire.call(PREDICT, message=prefix(1 << 31) + b"x")
        for byte in first + second + third:
            wire.write(bytes([byte]))
            time.sleep(0.0005)
        got = wire.wait(bad, good, large)
        assert got == ["HTTP 415", "OK", "RESOURCE_EXHAUSTED"], got
        wire.health()


def in_continuations(address):
    """Header blocks cut into frames at every place."""
    with Wire(address) as wire:
        for content_type, right in (("text/plain", "HTTP 415"), (GRPC, "OK")):
            for cut in range(120):
                stream = wire.new_stream()
                block = wire.block(content_type=content_type,
                                   more=[("x-cut", f"{cut:0120}")])
                wire.write(frame(HEADERS, 0, stream, block[:cut])
                           + frame(CONTINUATION, 0, stream)
                           + frame(CONTINUATION, END_HEADERS, stream,
                                   block[cut:])
                           + frame(DATA, END_STREAM, stream, EMPTY))
                got = wire.wait(stream)
                assert got == [right], f"cut at {cut}: {got}"


def small_table(address):
    """A client that keeps no table hears of it before the first answer."""
    with Wire(address, struct.pack(">HI", 1, 0)) as wire:
        wire.decoder.max_allowed_table_size = 0
        for content_type, right in (("text/plain", "HTTP 415"), (GRPC, "OK"),
                                    ("text/plain", "HTTP 415"), (GRPC, "OK")):
            stream, data = wire.call(content_type=content_type)
            wire.write(data)
            got = wire.wait(stream)
            assert got == [right], got


# ---- G5: messages over the limit ----

def many_over_long(address):
    """The window of the connection is given back: 300 x 60 KB is 18 MB."""
    with Wire(address) as wire:
        for n in range(300):
            stream, head = wire.request(PREDICT)
            body = prefix(LIMIT + (64 << 20)) + bytes(60000)
            data = head
            for at in range(0, len(body), 16384):
                data += frame(DATA, 0, stream, body[at:at + 16384])
            wire.write(data)
            got = wire.wait(stream)
            assert got == ["RESOURCE_EXHAUSTED"], f"message {n}: {got}"
            if n % 50 == 0:
                wire.health()


def sends_on(address):
    """300 MB are sent whatever the answer: nothing of it is kept."""
    with Wire(address) as wire:
        stream, head = wire.request(PREDICT)
        wire.write(head + frame(DATA, 0, stream, prefix(300 << 20)))
        window, left = 65535 - 5, 300 << 20
        while left and not wire.cut:
            if window < 16384:
                got = wire.take_frame()
                assert got, f"the end after {(300 << 20) - left} bytes"
                wire.note(*got)
                if got[0] == WINDOW and got[2] == 0:
                    window += int.from_bytes(got[3], "big")
                continue
            step = min(left, window // 16384 * 16384, 1 << 20)
            wire.write(b"".join(frame(DATA, 0, stream, bytes(16384))
                                for _ in range(step // 16384)))
            window -= step
            left -= step
        got = wire.wait(stream)
        assert got == ["RESOURCE_EXHAUSTED"], got
        wire.health()


def prefix_in_pieces(address):
    """Five frames with one byte each, and another call between them."""
    with Wire(address) as wire:
        stream, head = wire.request(PREDICT)
        wire.write(head)
        for byte in b"\0\xff\xff\xff\xff":
            wire.write(frame(DATA, 0, stream, bytes([byte])))
            wire.health()
        got = wire.wait(stream)
        assert got == ["RESOURCE_EXHAUSTED"], got
        wire.health()


def ended_calls(address):
    """The answer is the last word, also while the call is being let go."""
    with Wire(address) as wire:
        for _ in range(100):
            stream, head = wire.request(INFO)
            wire.write(head)
            wire.write(frame(DATA, END_STREAM, stream, prefix(LIMIT + (64 << 20))))
            got = wire.wait(stream)
            assert got == ["RESOURCE_EXHAUSTED"], got
        wire.health()


def later_message(address):
    """In a stream that was answered before: the trailers say it."""
    with Wire(address) as wire:
        stream, head = wire.request(INFO)
        good = prefix(len(SERVICES)) + SERVICES
        wire.write(head + frame(DATA, 0, stream, good))
        wire.wait(until=lambda: wire.messages[stream] > 0 or wire.cut)
        wire.write(frame(DATA, 0, stream, good[:3]))
        wire.write(frame(DATA, 0, stream, good[3:] + prefix(0xffffffff) + b"x"))
        got = wire.wait(stream)
        assert got == ["RESOURCE_EXHAUSTED"], got
        wire.health()


# ---- G14 to G18: what the connection pays for ----

def large_block(address):
    with Wire(address) as wire:
        block = wire.block(more=[("te", "x"), (":scheme", "x"),
                                 ("grpclb_client_stats", "x"),
                                 ("x-large", "\x01" * 12288)])
        wire.write(frame(HEADERS, 0, 1, block[:12000])
                   + frame(CONTINUATION, END_HEADERS, 1, block[12000:]))
        assert wire.wait_for_cut() == "CUT"


def rapid_reset(address):
    began = time.monotonic()
    with Wire(address) as wire:
        for _ in range(1000):
            data = b""
            for _ in range(1000):
                stream, head = wire.request()
                data += head + frame(RST, 0, stream, struct.pack(">I", 8))
            wire.write(data)
            if wire.cut:
                break
        assert wire.wait_for_cut() == "CUT"
    assert time.monotonic() - began < 5 * PATIENCE


def a_hundred_and_one(address):
    """100 streams stay open, the next is refused, and again there is room."""
    with Wire(address) as wire:
        held = [wire.request() for _ in range(100)]
        wire.write(b"".join(data for _, data in held))
        more = [wire.call() for _ in range(3)]
        wire.write(b"".join(data for _, data in more))
        got = wire.wait(*(stream for stream, _ in more))
        assert got == ["RST 7"] * 3, got
        wire.write(b"".join(frame(DATA, END_STREAM, stream, EMPTY)
                            for stream, _ in held))
        got = wire.wait(*(stream for stream, _ in held))
        assert got == ["OK"] * 100, got
        wire.health()


def many_continuations(address):
    with Wire(address) as wire:
        wire.write(frame(HEADERS, 0, 1, wire.block())
                   + frame(CONTINUATION, 0, 1) * 9)
        assert wire.wait_for_cut() == "CUT"


def endless_string(address):
    """A header whose value is said to be a gigabyte."""
    with Wire(address) as wire:
        block = wire.block() + b"\x00\x01x" + hpack.hpack.encode_integer(
            1 << 30, 7) + bytes(8000)
        wire.write(frame(HEADERS, 0, 1, block))
        while not wire.cut:
            wire.write(frame(CONTINUATION, 0, 1, bytes(16384)))
        assert wire.wait_for_cut() == "CUT"


def no_ack(address):
    """Who never acknowledges our SETTINGS is within the same limits."""
    with Wire(address, ack=False) as wire:
        big = [("x-large", "x" * 4000)]
        wire.write(wire.call(more=big)[1])
        name = hpack.hpack.encode_integer(62, 7)  # newest entry of the table
        block = wire.block() + bytes([name[0] | 0x80]) + bytes(name[1:])
        wire.write(frame(HEADERS, END_HEADERS, wire.new_stream(),
                         block + block[-1:] * 4000))
        assert wire.wait_for_cut() == "CUT"


def flood(*frames):
    """Frames that carry nothing, until the connection is cut."""
    def run(address):
        with Wire(address) as wire:
            for _ in range(1000):
                if wire.cut:
                    break
                wire.write(b"".join(frames) * 2000)
            assert wire.wait_for_cut(), "not cut"
    return run


def empty_data(address):
    with Wire(address) as wire:
        stream, head = wire.request()
        wire.write(head)
        for _ in range(1000):
            if wire.cut:
                break
            wire.write(frame(DATA, 0, stream) * 2000)
        assert wire.wait_for_cut() == "CUT"


def bad_frame(*frames):
    """Frames that break a rule: GOAWAY or the end."""
    def run(address):
        with Wire(address) as wire:
            wire.health()
            wire.write(b"".join(frames))
            assert wire.wait_for_cut(), "neither GOAWAY nor the end"
    return run
