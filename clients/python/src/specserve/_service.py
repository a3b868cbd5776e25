"""Services: what generated classes are made of.

A service is an API at a group of endpoints. The generated methods only name
their arguments; everything else is in the client that they belong to.
"""
from __future__ import annotations

from typing import (TYPE_CHECKING, Any, AsyncIterator, Generic, Iterator,
                    Optional, Type, TypeVar)

from ._call import Answer, Operation, Options, reply_of
from ._endpoints import Group
from ._messages import Message

if TYPE_CHECKING:
    from .aio import AsyncClient
    from .client import Client

R = TypeVar("R", bound=Message)


class Stream(Generic[R], Iterator[R]):
    """Messages as they come; ends with the server, or with close()."""

    def __init__(self, reader: "Iterator[Any]", cancel: Any) -> None:
        self._reader = reader
        self._cancel = cancel

    def __iter__(self) -> "Stream[R]":
        return self

    def __next__(self) -> R:
        message: R = next(self._reader)
        return message

    def close(self) -> None:
        """Tells the server that nobody listens any more; may be repeated."""
        self._cancel()

    def __enter__(self) -> "Stream[R]":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncStream(Generic[R], AsyncIterator[R]):
    """Messages as they come; ends with the server, or with close()."""

    def __init__(self, reader: "AsyncIterator[Any]", cancel: Any) -> None:
        self._reader = reader
        self._cancel = cancel

    def __aiter__(self) -> "AsyncStream[R]":
        return self

    async def __anext__(self) -> R:
        message: R = await self._reader.__anext__()
        return message

    async def close(self) -> None:
        """Tells the server that nobody listens any more; may be repeated."""
        self._cancel()

    async def __aenter__(self) -> "AsyncStream[R]":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


class Service:
    """Base of the blocking services. Threads: any."""

    def __init__(self, client: "Client", group: Group) -> None:
        self._client = client
        self._group = group

    def raw(self, operation: Operation, request: Message,
            options: Optional[Options] = None) -> Answer:
        """The answer of an operation as it came, bytes and headers; an answer
        that is an error is raised."""
        return self._client._run(operation, request, self._group, options)

    def _call(self, operation: Operation, request: Message, reply: Type[R],
              options: Optional[Options]) -> R:
        message: R = reply_of(operation,
                              self.raw(operation, request, options))
        return message

    def _bytes(self, operation: Operation, request: Message,
               options: Optional[Options]) -> bytes:
        return self.raw(operation, request, options).body

    def _stream(self, operation: Operation, request: Message, reply: Type[R],
                options: Optional[Options]) -> Stream[R]:
        return self._client._open(operation, request, self._group, options)


class AsyncService:
    """Base of the asyncio services. Threads: one event loop."""

    def __init__(self, client: "AsyncClient", group: Group) -> None:
        self._client = client
        self._group = group

    async def raw(self, operation: Operation, request: Message,
                  options: Optional[Options] = None) -> Answer:
        """The answer of an operation as it came, bytes and headers; an answer
        that is an error is raised."""
        return await self._client._run(operation, request, self._group, options)

    async def _call(self, operation: Operation, request: Message,
                    reply: Type[R], options: Optional[Options]) -> R:
        message: R = reply_of(operation,
                              await self.raw(operation, request, options))
        return message

    async def _bytes(self, operation: Operation, request: Message,
                     options: Optional[Options]) -> bytes:
        return (await self.raw(operation, request, options)).body

    async def _stream(self, operation: Operation, request: Message,
                      reply: Type[R],
                      options: Optional[Options]) -> AsyncStream[R]:
        return await self._client._open(operation, request, self._group,
                                        options)
