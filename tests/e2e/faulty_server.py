#!/usr/bin/env python3
"""A server that misbehaves on demand, for the tests of clients in any language.

    faulty_server.py [--port N]        prints "listening PORT", serves until killed

It speaks HTTP/1.1 by hand, on loopback, one thread per connection, so that it
can do what no library would. Two paths steer it; every other request is
answered by the script:

    POST /_script   [step, ...]: what the next requests get, one step each; the
                    last step is repeated for ever. Forgets what was seen.
    GET  /_seen     [{"verb", "target", "headers", "body", "at"}, ...]: requests
                    as they came, header names in lower case, body as base64,
                    `at` in seconds since the script was set

A step is {"do": BEHAVIOUR, ...}:

    answer      status (200), headers ({}), and body (JSON), text or base64
    slow        the same after `seconds`
    drip        the same, but the body comes a byte at a time, every `seconds`
    hang        takes the request and never answers
    drop        closes without an answer
    reset       the same with a reset
    drop_head   closes in the middle of the answer's head
    drop_body   closes in the middle of the body that was announced
    close_after answers, then closes without having said so
    garbage     bytes that are not HTTP
    junk_after  answers, then bytes that nobody asked for
    chunked     the answer in chunks
    bad_chunk   chunks, then one whose size is no number
    interim     103 Early Hints before the answer
    long_head   a header of `size` bytes (1 MiB)
    endless     a body in chunks that does not end
"""
import argparse
import base64
import json
import socket
import struct
import threading
import time

END = b"\r\n"


class Script:
    """The steps and what was seen; shared by all connections."""

    def __init__(self):
        self.lock = threading.Lock()
        self.set([{"do": "answer", "body": {}}])

    def set(self, steps):
        with self.lock:
            self.steps = list(steps)
            self.seen = []
            self.start = time.monotonic()

    def next(self, request):
        with self.lock:
            self.seen.append({**request,
                              "at": time.monotonic() - self.start})
            return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]


def body_of(step):
    if "base64" in step:
        return base64.b64decode(step["base64"])
    if "text" in step:
        return step["text"].encode()
    return json.dumps(step.get("body", {})).encode()


def head_of(step, length=None, **more):
    headers = {"Content-Type": "application/json", **more,
               **step.get("headers", {})}
    if length is not None:
        headers["Content-Length"] = str(length)
    status = step.get("status", 200)
    lines = [f"HTTP/1.1 {status} Status"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + END + END


def whole(step):
    body = body_of(step)
    return head_of(step, len(body)) + body


def chunk(piece):
    return f"{len(piece):x}".encode() + END + piece + END


# Each returns whether the connection may serve another request.

def answer(peer, step):
    peer.sendall(whole(step))
    return True


def slow(peer, step):
    time.sleep(step.get("seconds", 1))
    return answer(peer, step)


def drip(peer, step):
    body = body_of(step)
    peer.sendall(head_of(step, len(body)))
    for at in range(len(body)):
        time.sleep(step.get("seconds", 0.1))
        peer.sendall(body[at:at + 1])
    return True


def hang(peer, step):
    while peer.recv(4096):
        pass
    return False


def drop(peer, step):
    return False


def reset(peer, step):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    return False


def drop_head(peer, step):
    peer.sendall(whole(step)[:20])
    return False


def drop_body(peer, step):
    body = body_of(step)
    peer.sendall(head_of(step, len(body) + 10) + body[:len(body) // 2])
    return False


def close_after(peer, step):
    peer.sendall(whole(step))
    return False


def garbage(peer, step):
    peer.sendall(b"\x16\x03\x01\x00\xff" + bytes(range(200, 250)) + END + END)
    return False


def junk_after(peer, step):
    peer.sendall(whole(step) + b"HTTP/1.1 200 OK" + END + b"X: " + b"y" * 50)
    return False


def chunked(peer, step):
    body = body_of(step)
    half = len(body) // 2
    peer.sendall(head_of(step, **{"Transfer-Encoding": "chunked"}))
    for piece in (body[:half], body[half:]):
        if piece:
            peer.sendall(chunk(piece))
    peer.sendall(chunk(b""))
    return True


def bad_chunk(peer, step):
    body = body_of(step)
    peer.sendall(head_of(step, **{"Transfer-Encoding": "chunked"}))
    peer.sendall(chunk(body[:4]) + b"nonsense" + END + body[4:] + END)
    return False


def interim(peer, step):
    peer.sendall(b"HTTP/1.1 103 Early Hints" + END + b"Link: </x>" + END + END)
    return answer(peer, step)


def long_head(peer, step):
    body = body_of(step)
    peer.sendall(head_of(step, len(body), **{
        "X-Long": "y" * step.get("size", 1 << 20)}) + body)
    return True


def endless(peer, step):
    peer.sendall(head_of(step, **{"Transfer-Encoding": "chunked"}))
    while True:
        peer.sendall(chunk(b" " * 65536))


BEHAVIOURS = {function.__name__: function for function in (
    answer, slow, drip, hang, drop, reset, drop_head, drop_body, close_after,
    garbage, junk_after, chunked, bad_chunk, interim, long_head, endless)}


def read_request(stream):
    """{"verb", "target", "headers", "body"}, or None at the end."""
    line = stream.readline()
    if not line.strip():
        return None
    verb, target, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    for line in iter(stream.readline, END):
        if not line:
            return None
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return {"verb": verb, "target": target, "headers": headers,
            "body": base64.b64encode(body).decode()}


def steer(peer, script, request):
    """Answers /_script and /_seen; false for every other target."""
    if request["target"] == "/_script":
        steps = json.loads(base64.b64decode(request["body"]))
        unknown = [step["do"] for step in steps if step["do"] not in BEHAVIOURS]
        if not steps or unknown:
            return answer(peer, {"status": 400, "body": {"unknown": unknown}})
        script.set(steps)
        return answer(peer, {"body": {}})
    if request["target"] == "/_seen":
        with script.lock:
            seen = list(script.seen)
        return answer(peer, {"body": seen})
    return False


def serve(peer, script):
    with peer, peer.makefile("rb") as stream:
        try:
            for request in iter(lambda: read_request(stream), None):
                if steer(peer, script, request):
                    continue
                step = script.next(request)
                if not BEHAVIOURS[step["do"]](peer, step):
                    return
        except (OSError, ValueError):
            pass  # the client is gone, or is no client


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    listener = socket.create_server(("127.0.0.1", parser.parse_args().port),
                                    backlog=256)
    print("listening", listener.getsockname()[1], flush=True)
    script = Script()
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(peer, script),
                         daemon=True).start()


if __name__ == "__main__":
    main()
