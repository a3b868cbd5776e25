#!/usr/bin/env python3
"""Bad HTTP over raw sockets, against any server of this project.

    bad_http.py HOST:PORT            a running server
    bad_http.py --start PROGRAM      starts `PROGRAM 0`, which prints "port N"
    bad_http.py ... --only H1        the cases whose id begins so

A case is bytes to send and what must come back: the statuses in order, the
error_code of the last answer, and whether the connection is then closed or
still good. After every case GET /health must answer 200 on a new connection.
Error bodies must be our JSON; answers that are not parsed as HTTP fail.
"""
import argparse
import json
import signal
import socket
import subprocess
import sys
import threading
import time

WAIT_S = 5.0
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
GOOD = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
CLOSED, OPEN = True, False


def get(path=b"/health", headers=b"", version=b"HTTP/1.1", host=HOST):
    return b"GET " + path + b" " + version + b"\r\n" + host + headers + b"\r\n"


def post(body, headers=JSON, length=None, path=b"/predict"):
    size = b"%d" % (len(body) if length is None else length)
    return (b"POST " + path + b" HTTP/1.1\r\n" + HOST + headers +
            b"Content-Length: " + size + b"\r\n\r\n" + body)


def chunked(chunks, headers=JSON):
    return (b"POST /predict HTTP/1.1\r\n" + HOST + headers +
            b"Transfer-Encoding: chunked\r\n\r\n" + chunks)


def predict(text):
    """A body for /predict, well-formed up to what `text` makes of it."""
    return b'{"input_type":"text","data":{"text":' + text + b"}}"


# id, bytes, statuses, error_code of the last answer (None: no error),
# then CLOSED, OPEN or None (either)
CASES = [
    ("H0 good", GOOD, [200], None, OPEN),
    ("H0 good twice", GOOD + GOOD, [200, 200], None, OPEN),
    ("H0 empty line first", b"\r\n" + GOOD, [200], None, OPEN),
    ("H0 own absolute form", get(b"http://localhost/health"), [200], None, OPEN),
    ("H0 HTTP/1.0", get(version=b"HTTP/1.0", host=b""), [200], None, CLOSED),
    ("H0 own origin", get(headers=b"Origin: http://localhost\r\n"), [200],
     None, OPEN),
    ("H0 chunked", chunked(b"2;x=y\r\n{}\r\n0\r\nX: y\r\n\r\n"), [400],
     "VALIDATION_ERROR", OPEN),
    ("H0 100-continue", post(b"{}", JSON + b"Expect: 100-continue\r\n"),
     [100, 400], "VALIDATION_ERROR", OPEN),
    ("H1 different lengths", get(headers=b"Content-Length: 0\r\n"
                                 b"Content-Length: 5\r\n"), [400],
     "BAD_REQUEST", CLOSED),
    ("H1 equal lengths", get(headers=b"Content-Length: 0\r\n"
                             b"Content-Length: 0\r\n"), [400], "BAD_REQUEST",
     CLOSED),
    ("H2 length and chunked",
     chunked(b"0\r\n\r\n", JSON + b"Content-Length: 5\r\n"), [400],
     "BAD_REQUEST", CLOSED),
    ("H2 smuggled request",
     chunked(b"0\r\n\r\n" + GOOD, b"Content-Length: 5\r\n"), [400],
     "BAD_REQUEST", CLOSED),
] + [
    ("H3 length " + repr(value),
     get(headers=b"Content-Length: " + value + b"\r\n"), [400], "BAD_REQUEST",
     CLOSED)
    for value in (b"+5", b"-1", b"0x5", b"5, 5", b"5 5", b"", b"1e1")
] + [
    ("H4 length 2^64", post(b"", length=2**64), [413], "PAYLOAD_TOO_LARGE",
     CLOSED),
    ("H4 length over the limit", post(b"", length=65 << 20), [413],
     "PAYLOAD_TOO_LARGE", CLOSED),
    ("H4 body follows", post(b"x" * 300000, length=65 << 20), [413],
     "PAYLOAD_TOO_LARGE", CLOSED),
    ("H4 of this endpoint", get(headers=b"Content-Length: 5000\r\n"), [413],
     "PAYLOAD_TOO_LARGE", CLOSED),
] + [
    ("H5 " + repr(value),
     b"POST /predict HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: " + value +
     b"\r\n\r\n0\r\n\r\n", [501], "NOT_IMPLEMENTED", CLOSED)
    for value in (b"xchunked", b"gzip, chunked", b"chunked, identity",
                  b"\x0bchunked"[1:] + b"x", b"identity")
] + [
    ("H6 chunked in HTTP/1.0",
     b"POST /predict HTTP/1.0\r\n" + HOST +
     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400], "BAD_REQUEST",
     CLOSED),
] + [
    ("H7 " + name, chunked(bytes_), [400], "BAD_REQUEST", CLOSED)
    for name, bytes_ in (
        ("17 digits", b"00000000000000002\r\n{}\r\n0\r\n\r\n"),
        ("negative", b"-1\r\n{}\r\n0\r\n\r\n"),
        ("hex prefix", b"0x2\r\n{}\r\n0\r\n\r\n"),
        ("no CRLF after data", b"2\r\n{}0\r\n\r\n"),
        ("LF only", b"2\n{}\n0\n\n"),
        ("LF after size", b"2\n{}\r\n0\r\n\r\n"),
        ("LF after data", b"2\r\n{}\n0\r\n\r\n"),
        ("space before size", b" 2\r\n{}\r\n0\r\n\r\n"),
        ("empty size", b"\r\n{}\r\n0\r\n\r\n"),
        ("bad trailer", b"2\r\n{}\r\n0\r\nX y\r\n\r\n"),
        ("NUL in extension", b"2;\0\r\n{}\r\n0\r\n\r\n"))
] + [
    ("H8 65,537 chunks", chunked(b"1\r\n \r\n" * 65537 + b"0\r\n\r\n"), [413],
     "PAYLOAD_TOO_LARGE", CLOSED),
    ("H8 chunks over the limit",
     chunked(b"100000\r\n" + b" " * 0x100000 + b"\r\n100000\r\n"), [413],
     "PAYLOAD_TOO_LARGE", CLOSED),
    ("H9 extension of 40 KB", chunked(b"2;" + b"x" * 40000 + b"\r\n{}\r\n"),
     [400], "BAD_REQUEST", CLOSED),
    ("H10 no Host", get(host=b""), [400], "BAD_REQUEST", CLOSED),
    ("H10 two Hosts", get(host=HOST + HOST), [400], "BAD_REQUEST", CLOSED),
    ("H10 space before colon", get(host=b"Host : localhost\r\n"), [400],
     "BAD_REQUEST", CLOSED),
] + [
    ("H11 " + repr(value), get(host=b"Host: " + value + b"\r\n"), [421],
     "MISDIRECTED_REQUEST", None)
    for value in (b"evil.example", b"evil.example:5100", b"localhost.evil.example",
                  b"localhost:x", b"localhost@evil.example", b"", b"[::2]")
] + [
    ("H12 " + repr(value),
     get(headers=b"Origin: " + value + b"\r\n"), [403], "FORBIDDEN_ORIGIN", None)
    for value in (b"http://evil.example", b"null", b"file://", b"http://localhost:1",
                  b"http://localhost.evil.example", b"")
] + [
    ("H12 preflight", b"OPTIONS /predict HTTP/1.1\r\n" + HOST +
     b"Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
     [403], "FORBIDDEN_ORIGIN", None),
] + [
    ("H13 " + name, bytes_, [400], "BAD_REQUEST", CLOSED)
    for name, bytes_ in (
        ("folded line", get(headers=b"X: a\r\n b\r\n")),
        ("folded with tab", get(headers=b"X: a\r\n\tb\r\n")),
        ("bare LF", b"GET /health HTTP/1.1\nHost: localhost\n\n"),
        ("one bare LF", get(headers=b"X: a\nY: b\r\n")),
        ("bare CR", get(headers=b"X: a\rY: b\r\n")),
        ("NUL in value", get(headers=b"X: a\0b\r\n")),
        ("NUL in name", get(headers=b"X\0: a\r\n")),
        ("no colon", get(headers=b"X\r\n")),
        ("empty name", get(headers=b": a\r\n")),
        ("DEL in value", get(headers=b"X: \x7f\r\n")),
        ("empty lines first", b"\r\n\r\n" + GOOD))
] + [
    ("H14 " + repr(path), get(path), [400], "BAD_REQUEST", None)
    for path in (b"/hea\0lth", b"/health\x01", b"/h\xc3\xa9", b"/health%00",
                 b"/%zz", b"/%", b"/%4", b"/%c0%af", b"/%ed%a0%80", b"/%ff",
                 b"/health#x", b"health", b"*")
] + [
    ("H15 " + repr(path), get(path), [400], "BAD_REQUEST", None)
    for path in (b"/../health", b"/a/../health", b"/..", b"/./health",
                 b"/%2e%2e%2fetc%2fpasswd", b"/%2e%2e/health", b"//health",
                 b"/a//b", b"/..\\health", b"/%5c..%5chealth", b"/a%2fb")
] + [
    ("H16 foreign authority", get(b"http://evil.example/health"), [421],
     "MISDIRECTED_REQUEST", None),
    ("H16 CONNECT", b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", [501],
     "NOT_IMPLEMENTED", None),
    ("H16 TRACE", b"TRACE /health HTTP/1.1\r\n" + HOST + b"\r\n", [501],
     "NOT_IMPLEMENTED", None),
    ("H16 unknown method", b"BREW /health HTTP/1.1\r\n" + HOST + b"\r\n", [501],
     "NOT_IMPLEMENTED", None),
    ("H17 target of 5 KB", get(b"/" + b"a" * 5000), [414], "URI_TOO_LONG", None),
    ("H17 endless target", b"GET /" + b"a" * 9000, [414], "URI_TOO_LONG", None),
    ("H17 header of 20 KB", get(headers=b"X: " + b"a" * 20000 + b"\r\n"), [431],
     "HEADERS_TOO_LARGE", None),
    ("H17 endless header", get()[:-2] + b"X: " + b"a" * 20000, [431],
     "HEADERS_TOO_LARGE", None),
    ("H17 2,000 fields", get(headers=b"X: a\r\n" * 2000), [431],
     "HEADERS_TOO_LARGE", None),
    ("H17 largest that passes",
     get(b"/" + b"a" * 4095, b"".join(b"X%03d: %s\r\n" % (i, b"a" * 150)
                                      for i in range(99))), [404], "NOT_FOUND",
     OPEN),
    ("H18 HTTP/0.9", b"GET /health\r\n", [400], "BAD_REQUEST", CLOSED),
    ("H18 HTTP/2.0", get(version=b"HTTP/2.0"), [505], "VERSION_NOT_SUPPORTED",
     CLOSED),
    ("H18 HTTP/1.2", get(version=b"HTTP/1.2"), [505], "VERSION_NOT_SUPPORTED",
     CLOSED),
    ("H18 no version", get(version=b"HTTP"), [400], "BAD_REQUEST", CLOSED),
    ("H18 two spaces", get(b" /health"), [400], "BAD_REQUEST", CLOSED),
    ("H18 half a preface", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", [505],
     "VERSION_NOT_SUPPORTED", CLOSED),
    ("H18 TLS", bytes.fromhex("160301020001000001fc0303") + b"\0" * 64, [],
     None, CLOSED),
    ("H19 POST /health", post(b"", b"", path=b"/health"), [405],
     "METHOD_NOT_ALLOWED", OPEN),
    ("H19 GET /predict", get(b"/predict"), [405], "METHOD_NOT_ALLOWED", OPEN),
    ("H19 body is read", post(b"{}" * 1000, path=b"/health"), [405],
     "METHOD_NOT_ALLOWED", OPEN),
    ("H20 unknown path", get(b"/nope"), [404], "NOT_FOUND", OPEN),
    ("H20 below a path", get(b"/health/x"), [404], "NOT_FOUND", OPEN),
    ("H22 text", post(predict(b'"a"'), b"Content-Type: text/plain\r\n"), [415],
     "UNSUPPORTED_MEDIA_TYPE", OPEN),
    ("H22 form",
     post(b"a=b", b"Content-Type: application/x-www-form-urlencoded\r\n"),
     [415], "UNSUPPORTED_MEDIA_TYPE", OPEN),
    ("H22 charset",
     post(predict(b'"a"'), b"Content-Type: application/json; charset=latin1\r\n"),
     [415], "UNSUPPORTED_MEDIA_TYPE", OPEN),
    ("H22 longer name", post(predict(b'"a"'), b"Content-Type: application/jsonx\r\n"),
     [415], "UNSUPPORTED_MEDIA_TYPE", OPEN),
    ("H22 two types", post(predict(b'"a"'), JSON + JSON), [400], "BAD_REQUEST",
     CLOSED),
] + [
    ("H23 " + repr(value),
     post(b"\x1f\x8b\x08\0", JSON + b"Content-Encoding: " + value + b"\r\n"),
     [415], "UNSUPPORTED_MEDIA_TYPE", None)
    for value in (b"gzip", b"br", b"identity, gzip", b"")
] + [
    ("H24 expect and too large",
     post(b"", JSON + b"Expect: 100-continue\r\n", length=65 << 20), [413],
     "PAYLOAD_TOO_LARGE", CLOSED),
] + [
    ("H25 " + name, post(body), [400], "MALFORMED_JSON", OPEN)
    for name, body in (
        ("truncated", b'{"input_type":"te'),
        ("trailing text", predict(b'"a"') + b"x"),
        ("BOM", b"\xef\xbb\xbf" + predict(b'"a"')),
        ("comment", b"/**/" + predict(b'"a"')),
        ("trailing comma", b'{"input_type":"text",}'),
        ("single quotes", b"{'input_type':1}"))
] + [
    ("H26 depth 33", post(predict(b"[" * 33 + b"]" * 33)), [400], None, OPEN),
    ("H26 250,000 brackets", post(b"[" * 250000), [400], None, OPEN),
    ("H27 duplicate keys",
     post(b'{"input_type":"text","input_type":"text","data":{}}'), [400], None,
     OPEN),
] + [
    ("H28 " + value.decode(), post(predict(value)), [400], "MALFORMED_JSON", OPEN)
    for value in (b"NaN", b"Infinity", b"-", b"01", b"1.", b".5", b"+1")
] + [
    ("H29 " + name, post(predict(value)), [400], "MALFORMED_JSON", OPEN)
    for name, value in (
        ("invalid UTF-8", b'"\xff"'), ("overlong", b'"\xc0\xaf"'),
        ("surrogate bytes", b'"\xed\xa0\x80"'),
        ("lone surrogate", b'"\\ud800"'), ("control byte", b'"\x01"'))
] + [
    ("H50 pipelined", GOOD * 50 + get(host=b"") + GOOD, [200] * 50 + [400],
     "BAD_REQUEST", CLOSED),
    ("H50 bad body after good",
     GOOD * 3 + chunked(b"2\n{}"), [200] * 3 + [400], "BAD_REQUEST", CLOSED),
    ("H50 queued before bad", post(b'{"input_type":1}') * 5 + get(host=b""),
     [400] * 6, "BAD_REQUEST", CLOSED),
]

# A peer that has said everything shuts down its sending side; an answer that
# needs no worker still comes.
HALF_CLOSED = [
    ("H0 half-closed", GOOD, [200]),
    ("H0 half-closed, two", GOOD + GOOD, [200, 200]),
    ("H47 half a head", GOOD[:-1], []),
    ("H47 half a body", post(b"{}", length=10), []),
]

# id, a first piece, a byte that is sent again and again, statuses, error_code
DRIPS = [
    ("H21 head", b"GET /health HTTP/1.1\r\nX: ", b"a", [408], "REQUEST_TIMEOUT"),
    ("H21 head after a good one", GOOD + b"GET /hea", b"a", [200, 408],
     "REQUEST_TIMEOUT"),
    ("H21 body", post(b"{", length=1000), b" ", [408], "REQUEST_TIMEOUT"),
    ("H21 chunked body", chunked(b"2\r\n{"), b"", [408], "REQUEST_TIMEOUT"),
    ("H21 nothing", b"", b"", [], None),
    ("H21 half a preface", b"PRI * HTTP/2.0", b"", [], None),
]


class Peer:
    """A raw connection that reads answers one by one."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, WAIT_S)
        self.unread = b""

    def send(self, data):
        """The server may refuse and close while we still send."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def more(self):
        data = self.socket.recv(65536)
        self.unread += data
        return len(data) > 0

    def answer(self, seconds=WAIT_S):
        """(status, headers, body), or None when the server has closed."""
        self.socket.settimeout(seconds)
        while b"\r\n\r\n" not in self.unread:
            if not self.more():
                assert not self.unread, f"half an answer: {self.unread[:200]}"
                return None
        head, self.unread = self.unread.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        assert version == "HTTP/1.1", lines[0]
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        size = int(headers.get("content-length", "0"))
        while len(self.unread) < size:
            assert self.more(), "an answer ends early"
        body, self.unread = self.unread[:size], self.unread[size:]
        return int(status), headers, body

    def closed(self, seconds=WAIT_S):
        self.socket.settimeout(seconds)
        try:
            return not self.unread and not self.more()
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


def check_answer(answer, status, code):
    assert answer is not None, f"closed instead of {status}"
    got, headers, body = answer
    assert got == status, f"{got} instead of {status}: {body[:200]}"
    assert not any(name.startswith("access-control") for name in headers)
    if status < 400:
        return
    assert headers.get("content-type") == "application/json", headers
    parsed = json.loads(body)
    assert parsed["success"] is False and parsed["error"], parsed
    assert code is None or parsed["error_code"] == code, parsed
    if status == 405:
        assert headers.get("allow"), headers
    if status in (408, 413, 414, 431):
        assert headers.get("connection") == "close", headers


def check_health(address):
    peer = Peer(address)
    try:
        peer.send(GOOD)
        check_answer(peer.answer(), 200, None)
    finally:
        peer.close()


def run_case(address, data, statuses, code, closed):
    peer = Peer(address)
    try:
        peer.send(data)
        for i, status in enumerate(statuses):
            last = i + 1 == len(statuses)
            check_answer(peer.answer(), status, code if last else None)
        if closed is CLOSED:
            assert peer.closed(), "the connection is still open"
        elif closed is OPEN:
            peer.send(GOOD)
            check_answer(peer.answer(), 200, None)
    finally:
        peer.close()


def run_half_closed(address, data, statuses):
    peer = Peer(address)
    try:
        peer.send(data)
        peer.socket.shutdown(socket.SHUT_WR)
        for status in statuses:
            check_answer(peer.answer(), status, None)
        assert peer.closed(), "the connection is still open"
    finally:
        peer.close()


def run_drip(address, first, byte, statuses, code):
    """Sends a byte every 200 ms; the server must end it, within 20 s."""
    peer = Peer(address)
    end = time.monotonic() + 20
    stop = threading.Event()

    def drip():
        while byte and not stop.wait(0.2):
            peer.send(byte)

    dripper = threading.Thread(target=drip)
    try:
        peer.send(first)
        dripper.start()
        for status in statuses:
            check_answer(peer.answer(end - time.monotonic()), status,
                         code if status >= 400 else None)
        assert peer.closed(max(0.1, end - time.monotonic())), "still open"
    finally:
        stop.set()
        dripper.join()
        peer.close()


class Results:
    def __init__(self):
        self.failed = self.passed = 0

    def note(self, name, act):
        try:
            act()
        except (AssertionError, OSError, ValueError) as error:
            self.failed += 1
            print(f"FAIL {name}: {error or repr(error)}")
        else:
            self.passed += 1


def run_all(address, only):
    results = Results()
    drips = [threading.Thread(target=results.note, args=(
                 name, lambda rest=rest: run_drip(address, *rest)))
             for name, *rest in DRIPS if name.startswith(only)]
    for thread in drips:
        thread.start()
    for name, *rest in CASES:
        if name.startswith(only):
            results.note(name, lambda rest=rest: run_case(address, *rest))
            results.note(name + ", then health", lambda: check_health(address))
    for name, *rest in HALF_CLOSED:
        if name.startswith(only):
            results.note(name, lambda rest=rest: run_half_closed(address, *rest))
    for thread in drips:
        thread.join()
    results.note("health at the end", lambda: check_health(address))
    print(f"{results.passed} passed, {results.failed} failed")
    return results.failed == 0 and results.passed > 1


def run_started(program, only):
    process = subprocess.Popen([program, "0"], stdout=subprocess.PIPE,
                               text=True)
    try:
        port = int(process.stdout.readline().split()[1])
        good = run_all(("127.0.0.1", port), only)
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
    arguments = parser.parse_args()
    if arguments.start:
        return run_started(arguments.start, arguments.only)
    host, port = arguments.address.rsplit(":", 1)
    return run_all((host, int(port)), arguments.only)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
