"""REST over asyncio streams: what _rest.py does, without blocking.

Threads: one event loop; connections belong to the loop that made them.
"""
from __future__ import annotations

import asyncio
from typing import Any, List, Optional, Tuple

from ._call import Answer
from ._endpoints import Endpoint
from ._engine import Lost, Outcome, Send
from ._http import Broken, Cut, HttpAnswer, read_answer, request_bytes
from ._rest import KEPT
from ._tls import Tls

Peer = Tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AioTransport:
    def __init__(self, tls: Tls, limit: int) -> None:
        self.tls = tls
        self.limit = limit
        self.context: Any = None
        self.loop: Optional[asyncio.AbstractEventLoop] = None
        self.idle: dict[Tuple[str, int, bool], List[Peer]] = {}

    async def send(self, step: Send) -> Outcome:
        loop = asyncio.get_running_loop()
        if self.loop is not loop:  # another loop, or a forked child's
            self.loop, self.idle = loop, {}
        state = _State()
        endpoint = step.endpoint
        try:
            answer = await asyncio.wait_for(
                self._exchange(step, state), step.timeout)
        except Broken as problem:
            state.close()
            return Lost(f"{endpoint.url}: {problem}", broken=True)
        except (asyncio.TimeoutError, TimeoutError):
            state.close()
            return Lost(f"{endpoint.url}: no answer in time", state.sent,
                        late=True)
        except (OSError, Cut) as problem:
            state.close()
            return Lost(f"{endpoint.url}: {problem}", state.sent)
        except BaseException:  # cancelled: nobody waits for the answer
            state.close()
            raise
        if answer.reusable:
            self._keep(endpoint, state)
        else:
            state.close()
        return Answer("rest", answer.status, answer.headers, answer.body)

    async def _exchange(self, step: Send, state: "_State") -> HttpAnswer:
        endpoint = step.endpoint
        data = request_bytes(step.call.verb, step.call.target,
                             endpoint.authority,
                             {**step.call.headers, **step.headers},
                             step.call.body)
        state.peer = self._take(endpoint) or await self._connect(endpoint)
        source, sink = state.peer
        state.sent = True
        sink.write(data)
        await sink.drain()
        reader = read_answer(self.limit)
        next(reader)
        try:
            while True:
                reader.send(await source.read(65536))
        except StopIteration as stop:
            answer: HttpAnswer = stop.value
            return answer

    async def _connect(self, endpoint: Endpoint) -> Peer:
        if endpoint.tls and self.context is None:
            self.context = self.tls.context()
        return await asyncio.open_connection(
            endpoint.host, endpoint.port,
            ssl=self.context if endpoint.tls else None)

    def _take(self, endpoint: Endpoint) -> Optional[Peer]:
        idle = self.idle.get((endpoint.host, endpoint.port, endpoint.tls), [])
        while idle:
            peer = idle.pop()
            if not peer[0].at_eof() and not peer[1].is_closing():
                return peer
            peer[1].close()
        return None

    def _keep(self, endpoint: Endpoint, state: "_State") -> None:
        key = (endpoint.host, endpoint.port, endpoint.tls)
        idle = self.idle.setdefault(key, [])
        if state.peer and len(idle) < KEPT:
            idle.append(state.peer)
        else:
            state.close()

    async def close(self) -> None:
        for idle in self.idle.values():
            for peer in idle:
                peer[1].close()
        self.idle = {}


class _State:
    """How far one request has come."""

    def __init__(self) -> None:
        self.peer: Optional[Peer] = None
        self.sent = False

    def close(self) -> None:
        if self.peer is not None:
            self.peer[1].close()
