"""HTTP/1.1 as bytes: what a request looks like and how an answer is read.

No sockets here. `read_answer()` is a generator that asks for bytes by yielding
and is given them by send() (b"" at the end of the connection), so one parser
serves the blocking and the asyncio transport. Everything from the network is
bounded: the head, its number of lines, the body.
"""
from __future__ import annotations

from typing import Generator, Mapping, NamedTuple

HEAD_MAX = 64 * 1024


class Broken(Exception):
    """What came is not an HTTP answer."""


class Cut(Exception):
    """The connection ended before the answer did."""


class HttpAnswer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case; last value wins
    body: bytes
    reusable: bool  # the connection can carry another request


Reader = Generator[None, bytes, HttpAnswer]


def request_bytes(verb: str, target: str, host: str,
                  headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{verb} {target} HTTP/1.1", f"Host: {host}"]
    for name, value in headers.items():
        if "\r" in value or "\n" in value or "\0" in value:
            raise ValueError(f"header {name} holds a line break")
        lines.append(f"{name}: {value}")
    if body or verb in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class _Input:
    """Bytes that have come and are not yet used."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False

    def more(self) -> Generator[None, bytes, None]:
        if self.ended:
            raise Cut("the connection ended in the middle of an answer")
        piece = yield
        self.ended = not piece
        self.data += piece

    def line(self, limit: int) -> Generator[None, bytes, bytes]:
        while b"\n" not in self.data:
            if len(self.data) > limit:
                raise Broken("a line of the answer's head is too long")
            yield from self.more()
        line, _, rest = bytes(self.data).partition(b"\n")
        self.data = bytearray(rest)
        return line.rstrip(b"\r")

    def take(self, size: int) -> Generator[None, bytes, bytes]:
        while len(self.data) < size:
            yield from self.more()
        taken = bytes(self.data[:size])
        del self.data[:size]
        return taken


def _head(source: _Input) -> Generator[None, bytes, tuple[int, bool, dict[str, str]]]:
    while b"\r\n\r\n" not in source.data and b"\n\n" not in source.data:
        if len(source.data) > HEAD_MAX:
            raise Broken("the answer's head is too long")
        if len(source.data) >= 5 and not source.data.startswith(b"HTTP/"):
            raise Broken("not an HTTP answer")
        yield from source.more()
    first = (yield from source.line(HEAD_MAX)).decode("latin-1").split(" ", 2)
    if len(first) < 2 or not first[0].startswith("HTTP/1.") \
            or not (first[1].isascii() and first[1].isdigit()
                    and len(first[1]) == 3):
        raise Broken("not an HTTP answer")
    headers: dict[str, str] = {}
    while True:
        line = (yield from source.line(HEAD_MAX)).decode("latin-1")
        if not line:
            return int(first[1]), first[0] == "HTTP/1.1", headers
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise Broken("a header without a name")
        headers[name.lower()] = value.strip()


def _size(text: str, base: int) -> int:
    digits = "0123456789abcdefABCDEF"[:10 if base == 10 else 22]
    if not text or len(text) > 15 or any(c not in digits for c in text):
        raise Broken("a size that is not a number")
    return int(text, base)


def _chunks(source: _Input, limit: int) -> Generator[None, bytes, bytes]:
    body = bytearray()
    while True:
        line = (yield from source.line(1024)).decode("latin-1")
        size = _size(line.partition(";")[0].strip(), 16)
        if len(body) + size > limit:
            raise Broken(f"the answer is larger than {limit} bytes")
        if size == 0:
            while (yield from source.line(HEAD_MAX)):
                pass  # trailers
            return bytes(body)
        body += yield from source.take(size)
        if (yield from source.line(2)) != b"":
            raise Broken("a chunk that does not end where it should")


def _to_end(source: _Input, limit: int) -> Generator[None, bytes, bytes]:
    while not source.ended:
        if len(source.data) > limit:
            raise Broken(f"the answer is larger than {limit} bytes")
        yield from source.more()
    return bytes(source.data)


def read_answer(limit: int) -> Reader:
    """Reads one answer; bodies larger than `limit` are Broken."""
    source = _Input()
    yield from source.more()
    if source.ended:
        raise Cut("closed without an answer")
    status = 100
    while 100 <= status < 200:  # interim answers
        status, modern, headers = yield from _head(source)
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked" \
                or "content-length" in headers:
            raise Broken("an answer whose length is said in two ways")
        body = yield from _chunks(source, limit)
    elif status in (204, 304):
        body = b""
    elif "content-length" in headers:
        size = _size(headers["content-length"], 10)
        if size > limit:
            raise Broken(f"the answer is larger than {limit} bytes")
        body = yield from source.take(size)
    else:
        body = yield from _to_end(source, limit)
    close = headers.get("connection", "").lower()
    keep = modern and close != "close" and not source.data and not source.ended
    return HttpAnswer(status, headers, body, keep)
