"""REST over blocking sockets; connections are kept and used again.

The time that a request may take covers connecting, sending and every byte of
the answer. Threads: any; after a fork the child starts without connections.
"""
from __future__ import annotations

import os
import select
import socket
import threading
import time
from typing import Any, List, Optional, Tuple

from ._call import Answer
from ._endpoints import Endpoint
from ._engine import Lost, Outcome, Send
from ._http import Broken, Cut, HttpAnswer, read_answer, request_bytes
from ._tls import Tls

KEPT = 32  # idle connections per endpoint


class RestTransport:
    def __init__(self, tls: Tls, limit: int) -> None:
        self.tls = tls
        self.limit = limit
        self.context: Any = None
        self.start()

    def start(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.idle: dict[Tuple[str, int, bool], List[socket.socket]] = {}

    def send(self, step: Send) -> Outcome:
        if self.pid != os.getpid():  # the sockets are the parent's
            self.start()
        until = time.monotonic() + step.timeout
        endpoint, sent = step.endpoint, False
        peer: Optional[socket.socket] = None
        try:
            peer = self._take(endpoint) or self._connect(endpoint, until)
            data = request_bytes(step.call.verb, step.call.target,
                                 endpoint.authority,
                                 {**step.call.headers, **step.headers},
                                 step.call.body)
            _limit_time(peer, until)
            sent = True
            peer.sendall(data)
            answer = self._read(peer, until)
        except Broken as problem:
            _close(peer)
            return Lost(f"{endpoint.url}: {problem}", broken=True)
        except TimeoutError:
            _close(peer)
            return Lost(f"{endpoint.url}: no answer in time", sent, late=True)
        except (OSError, Cut) as problem:
            _close(peer)
            return Lost(f"{endpoint.url}: {problem}", sent)
        except BaseException:
            _close(peer)
            raise
        if answer.reusable:
            self._keep(endpoint, peer)
        else:
            _close(peer)
        return Answer("rest", answer.status, answer.headers, answer.body)

    def _read(self, peer: socket.socket, until: float) -> HttpAnswer:
        reader = read_answer(self.limit)
        next(reader)
        try:
            while True:
                _limit_time(peer, until)
                reader.send(peer.recv(65536))
        except StopIteration as stop:
            answer: HttpAnswer = stop.value
            return answer

    def _connect(self, endpoint: Endpoint, until: float) -> socket.socket:
        left = max(until - time.monotonic(), 0.001)
        peer = socket.create_connection((endpoint.host, endpoint.port), left)
        try:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if endpoint.tls:
                if self.context is None:
                    self.context = self.tls.context()
                _limit_time(peer, until)
                return self.context.wrap_socket(  # type: ignore[no-any-return]
                    peer, server_hostname=endpoint.host)
            return peer
        except BaseException:
            peer.close()
            raise

    def _take(self, endpoint: Endpoint) -> Optional[socket.socket]:
        """An idle connection that the server has not closed meanwhile."""
        key = (endpoint.host, endpoint.port, endpoint.tls)
        while True:
            with self.lock:
                idle = self.idle.get(key)
                if not idle:
                    return None
                peer = idle.pop()
            waiter = select.poll()
            waiter.register(peer, select.POLLIN)
            if not waiter.poll(0):
                return peer
            _close(peer)

    def _keep(self, endpoint: Endpoint, peer: socket.socket) -> None:
        key = (endpoint.host, endpoint.port, endpoint.tls)
        with self.lock:
            idle = self.idle.setdefault(key, [])
            if len(idle) < KEPT:
                idle.append(peer)
                return
        _close(peer)

    def close(self) -> None:
        with self.lock:
            peers = [peer for idle in self.idle.values() for peer in idle]
            self.idle.clear()
        for peer in peers:
            _close(peer)


def _limit_time(peer: socket.socket, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    peer.settimeout(left)


def _close(peer: Optional[socket.socket]) -> None:
    if peer is not None:
        peer.close()
