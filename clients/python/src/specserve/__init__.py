"""Clients of specserve models and of their registry.

    import specserve

    with specserve.Client(registry="http://127.0.0.1:5000") as client:
        answer = client.model("solubility").predict(
            input_type="text", data={"text": "CCO"})
        print(answer.results)

Everything is loaded when it is first used.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import VERSION as __version__

if TYPE_CHECKING:
    from . import errors as errors
    from ._call import Answer as Answer
    from ._call import Operation as Operation
    from ._call import Options as Options
    from ._engine import Event as Event
    from ._failure import ApiError as ApiError
    from ._failure import BadAnswerError as BadAnswerError
    from ._failure import ModelChangedError as ModelChangedError
    from ._failure import UnavailableError as UnavailableError
    from ._messages import Message as Message
    from ._messages import OpenEnum as OpenEnum
    from ._service import AsyncStream as AsyncStream
    from ._service import Stream as Stream
    from ._tls import Tls as Tls
    from .aio import AsyncClient as AsyncClient
    from .client import Client as Client

_WHERE = {
    "Answer": "_call", "Operation": "_call", "Options": "_call",
    "Event": "_engine", "ApiError": "_failure", "BadAnswerError": "_failure",
    "ModelChangedError": "_failure", "UnavailableError": "_failure",
    "Message": "_messages", "OpenEnum": "_messages",
    "AsyncStream": "_service", "Stream": "_service", "Tls": "_tls",
    "AsyncClient": "aio", "Client": "client",
}

__all__ = ["__version__", "answer_of", "errors", *_WHERE]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    from importlib import import_module
    if name in _WHERE:
        return getattr(import_module("." + _WHERE[name], __name__), name)
    if name == "errors":
        return import_module(".errors", __name__)
    raise AttributeError(f"module 'specserve' has no attribute '{name}'")


def answer_of(reply: "Message") -> "Answer":
    """The answer behind a reply: headers, request id, endpoint, attempts."""
    answer: "Answer" = reply._answer
    if answer is None:
        raise ValueError("this message did not come from a server")
    return answer
