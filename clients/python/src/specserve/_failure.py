"""The base of all errors, and those that no server says."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Sequence

if TYPE_CHECKING:
    from ._call import Answer


class ApiError(Exception):
    """A call that failed; one subclass per code of the error catalogue.

    A code of a later catalogue is an ApiError itself, with its `code`."""

    code = "UNKNOWN"
    retry = "NEVER"  # NEVER, LATER, ELSEWHERE: may the same request go again
    http = 0  # statuses of the catalogue; 0: no server says it
    grpc = -1

    def __init__(self, message: str, *, code: Optional[str] = None,
                 answer: Optional["Answer"] = None,
                 details: Sequence[Any] = (),
                 retry_after: Optional[float] = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.answer = answer
        self.details = tuple(details) if isinstance(details, list) else ()
        self.retry_after = retry_after
        self.attempts = answer.attempts if answer else 1

    @property
    def retryable(self) -> bool:
        return self.retry != "NEVER"

    @property
    def request_id(self) -> str:
        return self.answer.request_id if self.answer else ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class UnavailableError(ApiError):
    """Nobody of ours answered: no connection, or a proxy in between."""

    code = "UNAVAILABLE"
    retry = "LATER"


class UnauthenticatedError(ApiError):
    """The server, or something before it, wants to know who calls."""

    code = "UNAUTHENTICATED"


class BadAnswerError(ApiError):
    """The answer is not what the contract promises."""

    code = "BAD_ANSWER"


class ModelChangedError(ApiError):
    """The server's model is not the one that the typed client was made for."""

    code = "MODEL_CHANGED"


LOCAL = {cls.code: cls for cls in (UnavailableError, UnauthenticatedError,
                                   BadAnswerError, ModelChangedError)}
