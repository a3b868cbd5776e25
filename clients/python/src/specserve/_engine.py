"""Engine: the attempts of one call, without any input or output.

`attempts()` is a generator. It yields what is to be done (`Send`, `Sleep`) and
is given the outcome, so the blocking and the asyncio client share every
decision: whom to ask, how long, whether again.

  - the deadline covers all attempts; what is left of it goes out with each
  - again only when the contract lets the call be repeated (safety) and the error
    passes (retry); what was never sent may always go again
  - a retry costs a token of the budget that all calls of the client share, a
    success gives a tenth back: in an outage retries die out by themselves
  - full jitter between attempts; a server that names a time is waited for;
    somebody else who is well is asked at once
"""
from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import dataclass, replace
from typing import (Any, Callable, Generator, List, Mapping, NamedTuple,
                    Optional, Union)

from . import errors
from ._call import (Answer, Operation, Options, Prepared, error_of, reply_of,
                    to_grpc, to_rest)
from ._endpoints import Endpoint, Group
from ._messages import Message


class Send(NamedTuple):
    """Do this request; the outcome is an Answer or a Lost."""

    endpoint: Endpoint
    call: Prepared
    headers: Mapping[str, str]
    timeout: float


class Sleep(NamedTuple):
    seconds: float


class Lost(NamedTuple):
    """No answer. `sent` is false when no byte of the request went out."""

    message: str
    sent: bool = True
    late: bool = False  # the time was up
    broken: bool = False  # something came, but no answer of the protocol


Outcome = Union[Answer, Lost, None]
Steps = Generator[Union[Send, Sleep], Outcome, Answer]


@dataclass(frozen=True)
class Event:
    """One attempt, for the observer of a client."""

    operation: str
    endpoint: str
    attempt: int
    seconds: float
    request_id: str
    code: str  # "" = success


class Budget:
    """Tokens for retries, shared by all calls of a client. Threads: any."""

    def __init__(self, tokens: float = 10.0, earned: float = 0.1) -> None:
        self.most = self.tokens = tokens
        self.earned = earned
        self.lock = threading.Lock()

    def earn(self) -> None:
        with self.lock:
            self.tokens = min(self.most, self.tokens + self.earned)

    def spend(self) -> bool:
        with self.lock:
            if self.tokens < 0.999:  # ten tenths
                return False
            self.tokens -= 1
            return True


@dataclass
class Settings:
    """What a client was given; see client.py for what each means."""

    timeout: float = 30.0
    attempts: int = 3
    backoff_s: float = 0.05
    backoff_max_s: float = 2.0
    headers: Mapping[str, str] = ()  # type: ignore[assignment]
    token: Union[None, str, Callable[[], str]] = None
    plaintext_token: bool = False
    trace: Optional[Callable[[str], Optional[str]]] = None
    observe: Optional[Callable[[Event], None]] = None
    user_agent: str = ""
    clock: Callable[[], float] = time.monotonic


def form_of(op: Operation, endpoint: Endpoint) -> str:
    """The protocol to use: an endpoint speaks both on its port, an operation
    may have one form only."""
    if endpoint.protocol == "grpc":
        return "grpc" if op.method else "rest"
    return "rest" if op.verb else "grpc"


def prepare(op: Operation, request: Union[Message, Prepared],
            protocol: str) -> Prepared:
    if isinstance(request, Prepared):
        return request
    return to_grpc(op, request) if protocol == "grpc" else to_rest(op, request)


def _judge(outcome: Outcome) -> Optional[errors.ApiError]:
    if isinstance(outcome, Answer):
        return None if outcome.ok else error_of(outcome)
    assert isinstance(outcome, Lost)
    if outcome.late:
        return errors.make("TIMEOUT", outcome.message)
    if outcome.broken:
        return errors.BadAnswerError(outcome.message)
    return errors.UnavailableError(outcome.message)


def _hurts(failure: errors.ApiError, outcome: Outcome) -> bool:
    """The instance is not well, as far as its failure shows."""
    if isinstance(outcome, Lost):
        return outcome.sent or not outcome.late
    return failure.code in ("UNAVAILABLE", "NOT_READY")


def _repeatable(op: Operation, failure: errors.ApiError,
                outcome: Outcome) -> bool:
    if isinstance(outcome, Lost) and not outcome.sent:
        return True
    return op.safety != "once" and failure.retryable


class Engine:
    """What the calls of one client share."""

    def __init__(self, settings: Settings, budget: Budget,
                 resolve: Optional[Operation] = None) -> None:
        self.settings = settings
        self.budget = budget
        self.resolve = resolve
        self.registry: Optional[Group] = None
        self.scheme = "http"  # of instances that the registry names

    # ---- one request ----

    def call(self, op: Operation, request: Union[Message, Prepared],
             group: Group, options: Optional[Options]) -> Steps:
        """All attempts of a call; returns the good answer or raises."""
        options = options or Options()
        settings = self.settings
        deadline = settings.clock() + (
            options.timeout if options.timeout is not None
            else op.timeout or settings.timeout)
        request_id = options.request_id or os.urandom(8).hex()
        most = options.attempts or settings.attempts
        tried: List[Endpoint] = []
        prepared: dict[str, Prepared] = {}

        for attempt in range(1, most + 1):
            yield from self.refresh(group, deadline)
            endpoint = group.choose(tried)
            if endpoint is None:
                raise errors.UnavailableError(
                    f"nobody is known to serve '{group.name}'")
            tried.append(endpoint)
            outcome, seconds = None, 0.0
            try:
                protocol = form_of(op, endpoint)
                if protocol not in prepared:
                    prepared[protocol] = prepare(op, request, protocol)
                outcome, seconds = yield from self._send(
                    prepared[protocol], endpoint, deadline, request_id, options)
            finally:
                group.done(endpoint)
            failure = _judge(outcome)
            if isinstance(outcome, Answer):
                outcome = replace(outcome, attempts=attempt,
                                  endpoint=endpoint.url, sent_id=request_id)
            self._observe(op, endpoint, attempt, seconds, request_id, failure)
            if failure is None:
                group.well(endpoint)
                self.budget.earn()
                assert isinstance(outcome, Answer)
                return outcome
            if _hurts(failure, outcome):
                group.failed(endpoint)
                group.hurry()
            failure.attempts = attempt
            failure.answer = outcome if isinstance(outcome, Answer) else None
            wait = self._wait(op, failure, outcome, attempt, group, tried)
            if attempt == most or wait is None \
                    or settings.clock() + wait >= deadline \
                    or not self.budget.spend():
                raise failure
            if wait > 0:
                yield Sleep(wait)
        raise AssertionError("a call has at least one attempt")

    def _wait(self, op: Operation, failure: errors.ApiError, outcome: Outcome,
              attempt: int, group: Group,
              tried: List[Endpoint]) -> Optional[float]:
        """Seconds before the next attempt; None: there must be none."""
        if not _repeatable(op, failure, outcome):
            return None
        if group.has_other(tried):
            return 0.0
        jitter: float = random.random() * min(
            self.settings.backoff_max_s,
            self.settings.backoff_s * 2 ** (attempt - 1))
        return max(failure.retry_after or 0.0, jitter)

    def _send(self, call: Prepared, endpoint: Endpoint, deadline: float,
              request_id: str, options: Options
              ) -> Generator[Union[Send, Sleep], Outcome, tuple[Outcome, float]]:
        start = self.settings.clock()
        left = deadline - start
        if left <= 0:
            return Lost("the deadline passed", sent=False, late=True), 0.0
        headers = self.headers(call.op, endpoint, request_id, options)
        if not call.method:
            headers["X-Request-Timeout"] = f"{max(left, 0.001):.3f}"
        outcome = yield Send(endpoint, call, headers, left)
        return outcome, self.settings.clock() - start

    def headers(self, op: Operation, endpoint: Endpoint, request_id: str,
                options: Options) -> dict[str, str]:
        settings = self.settings
        headers = dict(settings.headers or {})
        headers["X-Request-Id"] = request_id
        headers["User-Agent"] = settings.user_agent
        token = settings.token() if callable(settings.token) else settings.token
        if token:
            if not (endpoint.tls or endpoint.is_loopback
                    or settings.plaintext_token):
                raise ValueError(
                    f"{endpoint.url}: a token is not sent without TLS")
            headers["Authorization"] = f"Bearer {token}"
        parent = options.traceparent or \
            (settings.trace(op.id) if settings.trace else None)
        if parent:
            headers["traceparent"] = parent
        headers.update(options.headers)
        return headers

    def _observe(self, op: Operation, endpoint: Endpoint, attempt: int,
                 seconds: float, request_id: str,
                 failure: Optional[errors.ApiError]) -> None:
        if self.settings.observe:
            self.settings.observe(Event(
                op.id, endpoint.url, attempt, seconds, request_id,
                failure.code if failure else ""))

    # ---- the registry ----

    def refresh(self, group: Group, deadline: float
                ) -> Generator[Union[Send, Sleep], Outcome, None]:
        """Asks the registry for the group's instances, if it is time to.

        While the registry is away, the last list is used."""
        if not group.wants_refresh():
            return
        assert self.resolve and self.registry
        make: Any = self.resolve.request
        known = bool(group.endpoints)  # then the call does not wait long
        left = min(1.0 if known else 5.0, deadline - self.settings.clock())
        try:
            answer = yield from self.call(
                self.resolve, make(model_name=group.name), self.registry,
                Options(timeout=max(left, 0.001), attempts=1 if known else None))
            reply: Any = reply_of(self.resolve, answer)
        except errors.ApiError as failure:
            if failure.code == "NOT_FOUND":
                group.replace([])
            if group.endpoints:
                return
            raise
        group.replace(self._url(instance) for instance in reply.instances)

    def _url(self, instance: Any) -> str:
        assert self.registry
        host = instance.host or self.registry.endpoints[0].host
        if ":" in host:
            host = f"[{host}]"
        return f"{self.scheme}://{host}:{instance.port}"
