"""AsyncClient: Client for asyncio; see client.py."""
from __future__ import annotations

import asyncio
import time
from typing import (TYPE_CHECKING, Any, AsyncIterator, Mapping, Optional, Type,
                    TypeVar, Union)

from . import errors
from ._call import Answer, Operation, Options, Prepared
from ._endpoints import Endpoint, Group
from ._engine import Outcome, Send, Sleep, Steps
from ._messages import Message
from ._service import AsyncService, AsyncStream
from .client import Base, message_of, raw_operation, stream_error

if TYPE_CHECKING:
    from .registry import AsyncRegistry
    from .runtime import AsyncModelRuntime

A = TypeVar("A", bound=AsyncService)


class AsyncClient(Base):
    """The same for asyncio. Threads: one event loop.

        async with specserve.AsyncClient(registry="http://127.0.0.1:5000") as client:
            model = client.model("solubility")
            answer = await model.predict(input_type="text", data={"text": "CCO"})
    """

    _rest: Any = None
    _grpc: Any = None

    # ---- services ----

    def model(self, name: Optional[str] = None) -> "AsyncModelRuntime":
        """The Runtime API of a model."""
        from .runtime import AsyncModelRuntime
        return self.service(AsyncModelRuntime, name)

    @property
    def registry(self) -> "AsyncRegistry":
        """The registry's own API."""
        from .registry import AsyncRegistry
        return AsyncRegistry(self, self._registry_group())

    def service(self, kind: Type[A], name: Optional[str] = None) -> A:
        """Any generated service at the instances of a model."""
        return kind(self, self._group(name))

    async def raw(self, verb: str, target: str, body: bytes = b"", *,
                  model: Optional[str] = None,
                  headers: Optional[Mapping[str, str]] = None,
                  options: Optional[Options] = None) -> Answer:
        """Any REST request, with this client's endpoints and retries."""
        op, request = raw_operation(verb, target, body, headers or {})
        return await self._run(op, request, self._group(model), options)

    # ---- doing what the engine says ----

    def _transport(self, step: Send) -> Any:
        if step.call.method:
            if self._grpc is None:
                from ._grpc import AioGrpcTransport
                self._grpc = AioGrpcTransport(self._tls, self._limit,
                                              self._agent)
            return self._grpc
        if self._rest is None:
            from ._aio import AioTransport
            self._rest = AioTransport(self._tls, self._limit)
        return self._rest

    async def _drive(self, steps: Any) -> Any:
        outcome: Outcome = None
        try:
            while True:
                step = steps.send(outcome)
                if isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                    outcome = None
                else:
                    outcome = await self._transport(step).send(step)
        except StopIteration as stop:
            return stop.value
        finally:
            steps.close()

    async def _run(self, op: Operation, request: Union[Message, Prepared],
                   group: Group, options: Optional[Options]) -> Answer:
        self._check_open()
        steps: Steps = self._engine.call(op, request, group, options)
        answer: Answer = await self._drive(steps)
        return answer

    async def _open(self, op: Operation, request: Message, group: Group,
                    options: Optional[Options]) -> AsyncStream[Any]:
        self._check_open()
        options = options or Options()
        await self._drive(self._engine.refresh(group, time.monotonic() + 5))
        endpoint = group.choose()
        if endpoint is None:
            raise errors.UnavailableError(
                f"nobody is known to serve '{group.name}'")
        try:
            step = self._stream_step(op, request, endpoint, options)
            source, call = self._transport(step).stream(step, options.timeout)
        finally:
            group.done(endpoint)
        return AsyncStream(self._messages(op, endpoint, source, call),
                           call.cancel)

    @staticmethod
    async def _messages(op: Operation, endpoint: Endpoint,
                        source: AsyncIterator[bytes],
                        call: Any) -> AsyncIterator[Any]:
        import grpc
        try:
            async for body in source:
                yield message_of(op, body, endpoint)
        except asyncio.CancelledError:
            if not call.cancelled() or _cancels_us():
                raise
        except grpc.RpcError as failed:
            if call.cancelled():
                return
            error: Any = failed
            raise stream_error(endpoint, error, error.initial_metadata(),
                                error.trailing_metadata()) from None
        finally:
            call.cancel()

    # ---- life ----

    async def close(self) -> None:
        """Gives the connections back; may be repeated."""
        self._closed = True
        for transport in (self._rest, self._grpc):
            if transport is not None:
                await transport.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


def _cancels_us() -> bool:
    """The task itself is being cancelled, not only the RPC in it."""
    task = asyncio.current_task()
    cancelling = getattr(task, "cancelling", None)  # Python 3.11
    return bool(cancelling and cancelling())
