"""Calls: what is sent, what comes back, and what it means.

An `Operation` is a row that specgen writes for each endpoint. `prepare()` turns
it and a request into bytes for one protocol; `reply_of()` turns an `Answer` into
the reply or raises the error that it stands for.
"""
from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any, Mapping, NamedTuple, Optional, Type
from urllib.parse import quote

from . import errors
from ._messages import Message, Unreadable, fill, take


class Operation(NamedTuple):
    """One endpoint, as the contract has it."""

    id: str
    verb: str  # "" = no REST form
    path: str
    method: str  # "/package.Service/Method"; "" = no gRPC form
    request: Type[Message]
    reply: Optional[Type[Message]]  # None: bytes
    path_fields: tuple[str, ...] = ()
    query_fields: tuple[str, ...] = ()
    has_body: bool = False
    safety: str = "read"  # read, idempotent, once
    stream: bool = False
    timeout: float = 0.0  # seconds; 0 = the client's default


@dataclass(frozen=True)
class Options:
    """What one call may say besides its request."""

    timeout: Optional[float] = None  # seconds, all attempts together
    request_id: Optional[str] = None  # sent as it is; one is made otherwise
    headers: Mapping[str, str] = field(default_factory=dict)  # or metadata
    traceparent: Optional[str] = None
    attempts: Optional[int] = None  # at most; 1 = never again


@dataclass(frozen=True)
class Answer:
    """An answer as it came: the raw escape hatch, and what is behind a reply."""

    protocol: str  # rest, grpc
    status: int  # of HTTP or of gRPC
    headers: Mapping[str, str]  # or initial and trailing metadata
    body: bytes  # JSON or protobuf
    message: str = ""  # of gRPC's status
    endpoint: str = ""
    attempts: int = 1
    sent_id: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 0 if self.protocol == "grpc" \
            else 200 <= self.status < 300

    @property
    def request_id(self) -> str:
        """As the server calls it, or as it was sent."""
        return self.headers.get("x-request-id", self.sent_id)


@dataclass(frozen=True)
class Prepared:
    """A request as bytes, ready for any endpoint of the protocol."""

    op: Operation
    verb: str = ""
    target: str = ""
    method: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _target(op: Operation, values: Mapping[str, Any]) -> str:
    target = op.path
    for name in op.path_fields:
        if values.get(name) in (None, ""):
            raise ValueError(f"{op.id}: {name} must not be empty")
        target = target.replace("{" + name + "}",
                                quote(_text(values[name]), safe="-._~"))
    query = [f"{name}={quote(_text(values[name]), safe='-._~')}"
             for name in op.query_fields if values.get(name) is not None]
    return target + ("?" + "&".join(query) if query else "")


def to_rest(op: Operation, request: Message) -> Prepared:
    values = request.to_json()
    target = _target(op, values)
    if not op.has_body:
        return Prepared(op, op.verb, target)
    for name in op.path_fields + op.query_fields:
        values.pop(name, None)
    body = json.dumps(values, ensure_ascii=False, separators=(",", ":"),
                      allow_nan=False).encode()
    return Prepared(op, op.verb, target, body=body,
                    headers={"Content-Type": "application/json"})


def to_grpc(op: Operation, request: Message) -> Prepared:
    from ._pool import message_class
    pb = message_class(request._name)()
    fill(request, pb)
    return Prepared(op, method=op.method, body=pb.SerializeToString())


# ---- what an answer means ----

# Statuses of HTTP without a body of ours: a proxy answered.
_FOREIGN = {400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
            404: "NOT_IMPLEMENTED", 408: "REQUEST_TIMEOUT",
            413: "PAYLOAD_TOO_LARGE", 429: "UNAVAILABLE", 502: "UNAVAILABLE",
            503: "UNAVAILABLE", 504: "UNAVAILABLE"}

# Statuses of gRPC without a code of ours: gRPC itself answered.
_STATUSES = {1: "CANCELLED", 3: "BAD_REQUEST", 4: "TIMEOUT", 5: "NOT_FOUND",
             6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "OVERLOADED",
             12: "NOT_IMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE",
             16: "UNAUTHENTICATED"}


def _json_error(answer: Answer) -> dict[str, Any]:
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(data, dict) and isinstance(data.get("error_code"), str):
        return data
    return {}


def _number(text: str) -> Optional[float]:
    """Of digits alone; isdigit() takes more than float() does."""
    if text.isascii() and text.isdigit() and len(text) < 12:
        return float(text)
    return None


def _until(text: str) -> Optional[float]:
    """Seconds until a date of HTTP."""
    from email.utils import parsedate_to_datetime
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def retry_after(answer: Answer) -> Optional[float]:
    """Seconds that the server asks to wait, or None."""
    text = answer.headers.get("retry-after", "")
    pushback = _number(answer.headers.get("grpc-retry-pushback-ms", ""))
    seconds = _number(text)
    if seconds is None and pushback is not None:
        return pushback / 1000
    return _until(text) if seconds is None and text else seconds


def error_of(answer: Answer) -> errors.ApiError:
    """The error that an answer stands for; only if it is not ok."""
    details: Any = ()
    if answer.protocol == "grpc":
        code = answer.headers.get("x-error-code") \
            or _STATUSES.get(answer.status, "UNKNOWN")
        message = answer.message or f"gRPC status {answer.status}"
    else:
        data = _json_error(answer)
        code = data.get("error_code") or _FOREIGN.get(answer.status, "UNKNOWN")
        said = data.get("error") or data.get("error_message")
        if isinstance(said, dict):  # OpenAI's form
            said = said.get("message")
        message = str(said or f"HTTP status {answer.status}")
        details = data.get("details") or ()
    return errors.make(code, message, answer=answer, details=details,
                       retry_after=retry_after(answer))


def reply_of(op: Operation, answer: Answer) -> Any:
    """The reply message (or bytes) of a good answer."""
    if not answer.ok:
        raise error_of(answer)
    if op.reply is None:
        return answer.body
    try:
        reply = _decode(op.reply, answer)
    except (Unreadable, RecursionError) as problem:
        raise errors.BadAnswerError(
            f"{op.id}: {problem}", answer=answer) from None
    object.__setattr__(reply, "_answer", answer)
    return reply


def _decode(cls: Type[Message], answer: Answer) -> Message:
    if answer.protocol == "grpc":
        from ._pool import message_class, DecodeError
        pb = message_class(cls._name)()
        try:
            pb.ParseFromString(answer.body)
        except DecodeError:
            raise Unreadable("", "is not a protobuf message") from None
        return take(cls, pb)
    try:
        data = json.loads(answer.body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Unreadable("", "is not JSON") from None
    return cls.from_json(data)
