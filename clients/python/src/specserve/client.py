"""Client: the door to models and to their registry.

It holds connections, the endpoints of each model and the retry budget; the
decisions are those of _engine.py. Make one and keep it. aio.py has the same for
asyncio.
"""
from __future__ import annotations

import sys
import time
from typing import (TYPE_CHECKING, Any, Callable, Iterator, Mapping,
                    Optional, Sequence, Type, TypeVar, Union)

from . import errors
from ._call import Answer, Operation, Options, Prepared, reply_of
from ._endpoints import Endpoint, Group
from ._engine import (Budget, Engine, Event, Lost, Outcome, Send, Settings,
                      Sleep, Steps, form_of, prepare)
from ._messages import Message
from ._service import Service, Stream
from ._tls import Tls
from ._version import VERSION

if TYPE_CHECKING:
    from .registry import Registry
    from .runtime import ModelRuntime

S = TypeVar("S", bound=Service)

_SAFETY = {"GET": "read", "HEAD": "read", "PUT": "idempotent",
           "DELETE": "idempotent"}


class Base:
    """What both clients have in common: everything but input and output.

    endpoints   addresses of servers, `http://host:port` (https, grpc, grpcs),
                all of the same model; or
    registry    address of the registry that knows who serves what
    protocol    "rest" or "grpc": how instances that the registry names are
                called
    timeout     seconds of a call whose endpoint has no time of its own
    attempts    of a call at most
    retry_tokens  retries that may fail in a row, over all calls
    refresh     seconds after which the registry's list is asked for again
    token       sent as a bearer token: text, or what gives it per attempt; off
                the own machine only with TLS, unless `plaintext_token`
    tls         what is trusted and shown, see Tls
    headers     sent with every call
    trace       is given the operation's id, returns the traceparent to send
    observe     is given an Event after each attempt
    answer_max  bytes of the largest answer that is taken
    """

    def __init__(self, *, endpoints: Union[str, Sequence[str]] = (),
                 registry: Optional[str] = None, protocol: str = "rest",
                 timeout: float = 30.0, attempts: int = 3,
                 retry_tokens: float = 10.0, refresh: float = 5.0,
                 token: Union[None, str, Callable[[], str]] = None,
                 plaintext_token: bool = False, tls: Optional[Tls] = None,
                 headers: Optional[Mapping[str, str]] = None,
                 trace: Optional[Callable[[str], Optional[str]]] = None,
                 observe: Optional[Callable[[Event], None]] = None,
                 answer_max: int = 64 << 20) -> None:
        if isinstance(endpoints, str):
            endpoints = [endpoints]
        if bool(endpoints) == bool(registry):
            raise ValueError("give one of endpoints and registry")
        if protocol not in ("rest", "grpc"):
            raise ValueError("protocol is 'rest' or 'grpc'")
        agent = "specserve-python/{} python/{}.{}".format(
            VERSION, *sys.version_info[:2])
        self._engine = Engine(
            Settings(timeout=timeout, attempts=attempts,
                     headers=dict(headers or {}), token=token,
                     plaintext_token=plaintext_token, trace=trace,
                     observe=observe, user_agent=agent),
            Budget(retry_tokens))
        self._tls, self._limit, self._agent = tls or Tls(), answer_max, agent
        self._refresh = refresh
        self._groups: dict[str, Group] = {}
        self._fixed = Group("", endpoints) if endpoints else None
        self._closed = False
        if registry:
            from .registry import RESOLVE
            self._engine.resolve = RESOLVE
            self._engine.registry = Group("registry", [registry])
            scheme = {"rest": "http", "grpc": "grpc"}[protocol]
            self._engine.scheme = scheme + ("s" if tls else "")

    def _group(self, model: Optional[str]) -> Group:
        if self._fixed:
            return self._fixed
        if not model:
            raise ValueError("a model has to be named to the registry")
        return self._groups.setdefault(
            model, Group(model, found=True, refresh_s=self._refresh))

    def _registry_group(self) -> Group:
        group = self._engine.registry or self._fixed
        assert group
        return group

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")

    def _stream_step(self, op: Operation, request: Message, endpoint: Endpoint,
                     options: Options) -> Send:
        call = prepare(op, request, form_of(op, endpoint))
        headers = self._engine.headers(
            op, endpoint, options.request_id or "", options)
        if not options.request_id:
            del headers["X-Request-Id"]
        return Send(endpoint, call, headers, options.timeout or 0)


def raw_operation(verb: str, target: str, body: bytes,
                   headers: Mapping[str, str]) -> tuple[Operation, Prepared]:
    op = Operation(f"raw {verb}", verb, target, "", Message, None,
                   safety=_SAFETY.get(verb, "once"))
    return op, Prepared(op, verb, target, body=body, headers=headers)


def message_of(op: Operation, body: bytes, endpoint: Endpoint) -> Any:
    return reply_of(op, Answer("grpc", 0, {}, body, endpoint=endpoint.url))


def stream_error(endpoint: Endpoint, error: Any, initial: Any,
                  trailing: Any) -> errors.ApiError:
    from ._call import error_of
    from ._grpc import outcome_of
    outcome = outcome_of(endpoint, error, initial, trailing)
    if isinstance(outcome, Answer):
        return error_of(outcome)
    assert isinstance(outcome, Lost)
    if outcome.late:
        return errors.make("TIMEOUT", outcome.message)
    return errors.UnavailableError(outcome.message)


class Client(Base):
    """Calls models and waits for the answer. Threads: any.

        with specserve.Client(registry="http://127.0.0.1:5000") as client:
            model = client.model("solubility")
            print(model.predict(input_type="text", data={"text": "CCO"}).results)
    """

    _rest: Any = None
    _grpc: Any = None

    # ---- services ----

    def model(self, name: Optional[str] = None) -> "ModelRuntime":
        """The Runtime API of a model."""
        from .runtime import ModelRuntime
        return self.service(ModelRuntime, name)

    @property
    def registry(self) -> "Registry":
        """The registry's own API."""
        from .registry import Registry
        return Registry(self, self._registry_group())

    def service(self, kind: Type[S], name: Optional[str] = None) -> S:
        """Any generated service at the instances of a model."""
        return kind(self, self._group(name))

    def raw(self, verb: str, target: str, body: bytes = b"", *,
            model: Optional[str] = None,
            headers: Optional[Mapping[str, str]] = None,
            options: Optional[Options] = None) -> Answer:
        """Any REST request, with this client's endpoints and retries."""
        op, request = raw_operation(verb, target, body, headers or {})
        return self._run(op, request, self._group(model), options)

    # ---- doing what the engine says ----

    def _transport(self, step: Send) -> Any:
        if step.call.method:
            if self._grpc is None:
                from ._grpc import GrpcTransport
                self._grpc = GrpcTransport(self._tls, self._limit, self._agent)
            return self._grpc
        if self._rest is None:
            from ._rest import RestTransport
            self._rest = RestTransport(self._tls, self._limit)
        return self._rest

    def _drive(self, steps: Any) -> Any:
        outcome: Outcome = None
        try:
            while True:
                step = steps.send(outcome)
                if isinstance(step, Sleep):
                    time.sleep(step.seconds)
                    outcome = None
                else:
                    outcome = self._transport(step).send(step)
        except StopIteration as stop:
            return stop.value
        finally:
            steps.close()

    def _run(self, op: Operation, request: Union[Message, Prepared],
             group: Group, options: Optional[Options]) -> Answer:
        self._check_open()
        steps: Steps = self._engine.call(op, request, group, options)
        answer: Answer = self._drive(steps)
        return answer

    def _open(self, op: Operation, request: Message, group: Group,
              options: Optional[Options]) -> Stream[Any]:
        self._check_open()
        options = options or Options()
        self._drive(self._engine.refresh(group, time.monotonic() + 5))
        endpoint = group.choose()
        if endpoint is None:
            raise errors.UnavailableError(
                f"nobody is known to serve '{group.name}'")
        try:
            step = self._stream_step(op, request, endpoint, options)
            source, call = self._transport(step).stream(step, options.timeout)
        finally:
            group.done(endpoint)
        return Stream(self._messages(op, endpoint, source, call), call.cancel)

    @staticmethod
    def _messages(op: Operation, endpoint: Endpoint, source: Iterator[bytes],
                  call: Any) -> Iterator[Any]:
        import grpc
        try:
            for body in source:
                yield message_of(op, body, endpoint)
        except grpc.RpcError as error:
            if call.cancelled():
                return
            raise stream_error(endpoint, error, call.initial_metadata(),
                                call.trailing_metadata()) from None
        finally:
            call.cancel()

    # ---- life ----

    def close(self) -> None:
        """Gives the connections back; may be repeated."""
        self._closed = True
        for transport in (self._rest, self._grpc):
            if transport is not None:
                transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
