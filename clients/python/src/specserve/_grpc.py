"""gRPC, blocking and asyncio; needs `pip install 'specserve[grpc]'`.

Bytes in, bytes out: messages are made in _call.py. gRPC's own retries are off,
because the engine counts attempts. A process that forks must not share
channels: the child makes its own.
"""
from __future__ import annotations

import asyncio
import os
import threading
from typing import Any, AsyncIterator, Iterator, Mapping, Optional

from ._call import Answer
from ._endpoints import Endpoint
from ._engine import Lost, Outcome, Send
from ._tls import Tls

try:
    import grpc
except ImportError as missing:
    raise ImportError("gRPC needs: pip install 'specserve[grpc]'") from missing

_OURS = ("x-error-code",)  # trailers that only our servers send
_NOT_SENT = ("failed to connect", "connection refused", "name resolution")


def _channel_options(limit: int) -> list[tuple[str, Any]]:
    return [("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_reconnect_backoff_ms", 2000)]


def _credentials(tls: Tls) -> Any:
    ca, key, certificate = tls.pem()
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _metadata(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers.items()
            if name.lower() != "user-agent"]


def _texts(*parts: Any) -> dict[str, str]:
    return {key: value for part in parts for key, value in (part or ())
            if isinstance(value, str)}


def outcome_of(endpoint: Endpoint, error: Any, initial: Any,
               trailing: Any) -> Outcome:
    """What a failed RPC means: an answer of the server, or none."""
    headers = _texts(initial, trailing)
    status = int(error.code().value[0])
    details = error.details() or ""
    if not any(key in headers for key in _OURS):
        if status == grpc.StatusCode.UNAVAILABLE.value[0]:
            text = details.lower()
            sent = not any(words in text for words in _NOT_SENT)
            return Lost(f"{endpoint.url}: {details}", sent)
        if status == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]:
            return Lost(f"{endpoint.url}: no answer in time", late=True)
    return Answer("grpc", status, headers, b"", message=details)


class GrpcTransport:
    """Threads: any."""

    def __init__(self, tls: Tls, limit: int, user_agent: str) -> None:
        self.tls = tls
        self.options = _channel_options(limit) + [
            ("grpc.primary_user_agent", user_agent)]
        self.start()

    def start(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.channels: dict[str, Any] = {}

    def channel(self, endpoint: Endpoint) -> Any:
        if self.pid != os.getpid():
            self.start()
        with self.lock:
            channel = self.channels.get(endpoint.url)
            if channel is None:
                channel = grpc.secure_channel(
                    endpoint.authority, _credentials(self.tls), self.options) \
                    if endpoint.tls else grpc.insecure_channel(
                        endpoint.authority, self.options)
                self.channels[endpoint.url] = channel
            return channel

    def send(self, step: Send) -> Outcome:
        method = self.channel(step.endpoint).unary_unary(step.call.method)
        try:
            body, call = method.with_call(
                step.call.body, timeout=step.timeout,
                metadata=_metadata(step.headers))
        except grpc.RpcError as failed:
            error: Any = failed
            return outcome_of(step.endpoint, error, error.initial_metadata(),
                              error.trailing_metadata())
        return Answer("grpc", 0, _texts(call.initial_metadata(),
                                        call.trailing_metadata()), body)

    def stream(self, step: Send, timeout: Optional[float]
               ) -> tuple[Iterator[bytes], Any]:
        method = self.channel(step.endpoint).unary_stream(step.call.method)
        call = method(step.call.body, timeout=timeout,
                      metadata=_metadata(step.headers))
        return call, call

    def close(self) -> None:
        with self.lock:
            channels, self.channels = list(self.channels.values()), {}
        for channel in channels:
            channel.close()


class AioGrpcTransport:
    """Threads: one event loop."""

    def __init__(self, tls: Tls, limit: int, user_agent: str) -> None:
        self.tls = tls
        self.options = _channel_options(limit) + [
            ("grpc.primary_user_agent", user_agent)]
        self.loop: Any = None
        self.channels: dict[str, Any] = {}

    def channel(self, endpoint: Endpoint) -> Any:
        import grpc.aio
        loop = asyncio.get_running_loop()
        if self.loop is not loop:
            self.loop, self.channels = loop, {}
        channel = self.channels.get(endpoint.url)
        if channel is None:
            channel = grpc.aio.secure_channel(
                endpoint.authority, _credentials(self.tls), self.options) \
                if endpoint.tls else grpc.aio.insecure_channel(
                    endpoint.authority, self.options)
            self.channels[endpoint.url] = channel
        return channel

    async def send(self, step: Send) -> Outcome:
        method = self.channel(step.endpoint).unary_unary(step.call.method)
        call = method(step.call.body, timeout=step.timeout,
                      metadata=_metadata(step.headers))
        try:
            body = await call
        except grpc.RpcError as failed:
            error: Any = failed
            return outcome_of(step.endpoint, error, error.initial_metadata(),
                              error.trailing_metadata())
        return Answer("grpc", 0, _texts(await call.initial_metadata(),
                                        await call.trailing_metadata()), body)

    def stream(self, step: Send, timeout: Optional[float]
               ) -> tuple[AsyncIterator[bytes], Any]:
        method = self.channel(step.endpoint).unary_stream(step.call.method)
        call = method(step.call.body, timeout=timeout,
                      metadata=_metadata(step.headers))
        return call.__aiter__(), call

    async def close(self) -> None:
        channels, self.channels = list(self.channels.values()), {}
        for channel in channels:
            await channel.close()
