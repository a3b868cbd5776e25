"""What clients of one model are made of; `specgen model-client` writes them.

Before the first call the digest of the server's bundle is compared with that of
the bundle that the client was made from, and with each answer the digest of the
model that gave it; a server of another make, which tells none, is compared by
name, version and outputs. Inputs are checked before anything is sent, and what
comes back is taken by name and type: a model that changed is a ModelChangedError,
never a wrong number.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Mapping, NamedTuple, Optional

from . import errors
from ._call import Options

if TYPE_CHECKING:
    from .aio import AsyncClient
    from .client import Client
    from .runtime import CapabilitiesResponse, InfoResponse, PredictResponse


class Input(NamedTuple):
    """A key of data, input or parameter, and what it takes."""

    name: str
    type: str
    required: bool = True
    max_bytes: int = 0  # 0 = no limit, as everywhere here
    length: int = 0
    values: tuple[Any, ...] = ()
    minimum: Optional[float] = None
    maximum: Optional[float] = None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _list_of(test: Any, value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(map(test, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_TYPES: Mapping[str, Any] = {
    "text": _is_text, "string": _is_text,
    "image": lambda value: isinstance(value, (bytes, str)),
    "audio": lambda value: isinstance(value, (bytes, str)),
    "float": _is_number,
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "boolean": lambda value: isinstance(value, bool),
    "array<float>": lambda value: _list_of(_is_number, value),
    "array<string>": lambda value: _list_of(_is_text, value),
    "object": lambda value: isinstance(value, Mapping),
}


def _check(row: Input, value: Any) -> None:
    """ValueError: the model would not take the value."""
    if not _TYPES[row.type](value):
        raise ValueError(f"{row.name}: is not of type {row.type}")
    if row.length and len(value) != row.length:
        raise ValueError(f"{row.name}: has {len(value)} elements, "
                         f"not {row.length}")
    size = len(value.encode()) if isinstance(value, str) else \
        len(value) if isinstance(value, bytes) else 0
    if row.max_bytes and size > row.max_bytes:
        raise ValueError(f"{row.name}: has {size} bytes, "
                         f"at most {row.max_bytes}")
    if row.values and value not in row.values:
        raise ValueError(f"{row.name}: is none of {row.values}")
    if row.minimum is not None and value < row.minimum:
        raise ValueError(f"{row.name}: is below {row.minimum}")
    if row.maximum is not None and value > row.maximum:
        raise ValueError(f"{row.name}: is above {row.maximum}")


class _Base:
    NAME: ClassVar[str]
    VERSION: ClassVar[str]
    BUNDLE_DIGEST: ClassVar[str] = ""  # "" = not known
    MODEL_DIGEST: ClassVar[str] = ""
    INPUT_TYPE: ClassVar[str]
    INPUTS: ClassVar[tuple[Input, ...]]
    OUTPUTS: ClassVar[Mapping[str, str]]  # name -> type
    LENGTHS: ClassVar[Mapping[str, int]]  # of outputs that are arrays
    ENCODED: ClassVar[tuple[str, ...]] = ()  # numbers that are written as text

    def _data(self, values: Mapping[str, Any]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for row in self.INPUTS:
            value = values[row.name]
            if hasattr(value, "tolist"):  # numpy
                value = value.tolist()
            if value is None:
                if row.required:
                    raise ValueError(f"{row.name}: is required")
                continue
            _check(row, value)
            data[row.name] = value
        return data

    def _is_bundle(self, info: "InfoResponse") -> bool:
        """Whether the server has this client's bundle to the byte; false if one
        of them does not know."""
        if not info.bundle_digest or not self.BUNDLE_DIGEST:
            return False
        if info.bundle_digest != self.BUNDLE_DIGEST:
            raise errors.ModelChangedError(
                f"the server has {info.name} {info.model_version} with "
                f"{info.bundle_digest}; this client was made for {self.NAME} "
                f"{self.VERSION} with {self.BUNDLE_DIGEST}")
        return True

    def _is_known(self, info: "InfoResponse") -> bool:
        """A server that starts tells the digest of its documents only: it has to
        be asked again."""
        return bool(info.bundle_digest or not info.documents_digest)

    def _compare(self, info: "InfoResponse",
                 described: "CapabilitiesResponse") -> None:
        served = f"{described.model} {info.model_version}"
        if served != f"{self.NAME} {self.VERSION}":
            raise errors.ModelChangedError(
                f"the server has {served}; this client was made for "
                f"{self.NAME} {self.VERSION}")
        if not any(dict(c.output_schema) == dict(self.OUTPUTS)
                   and self.INPUT_TYPE in c.input_types
                   for c in described.capabilities):
            raise errors.ModelChangedError(
                f"{served} does not give what this client was made for")

    def _take(self, response: "PredictResponse") -> dict[str, Any]:
        """The outputs, checked. A declined input is the error it says."""
        if not response.success:
            raise errors.make(response.error_code or "UNKNOWN",
                              response.error_message or "declined",
                              answer=response._answer)
        told = response._answer.headers.get("x-model-digest") \
            if response._answer else None
        if told and self.MODEL_DIGEST and told != self.MODEL_DIGEST:
            raise errors.ModelChangedError(
                f"{self.NAME}: the answer is of the model {told}; this client "
                f"was made for {self.MODEL_DIGEST}", answer=response._answer)
        found: dict[str, Any] = {}
        for name, kind in self.OUTPUTS.items():
            value: Any = response.results.get(name)
            length = self.LENGTHS.get(name)
            test = _TYPES["string" if name in self.ENCODED else kind]
            if not test(value) or length and len(value) != length:
                raise errors.ModelChangedError(
                    f"{self.NAME}: the answer has no {name} of type {kind}",
                    answer=response._answer)
            found[name] = value
        return found


class TypedModel(_Base):
    """Base of blocking clients of one model. Threads: any."""

    def __init__(self, client: "Client") -> None:
        self._runtime = client.model(self.NAME)
        self._compared = False

    def _run(self, values: Mapping[str, Any],
             options: Optional[Options]) -> "PredictResponse":
        data = self._data(values)
        if not self._compared:
            info = self._runtime.info(options=options)
            if not self._is_bundle(info):
                self._compare(info, self._runtime.capabilities(options=options))
            self._compared = self._is_known(info)
        return self._runtime.predict(input_type=self.INPUT_TYPE, data=data,
                                     options=options)


class AsyncTypedModel(_Base):
    """Base of asyncio clients of one model. Threads: one event loop."""

    def __init__(self, client: "AsyncClient") -> None:
        self._runtime = client.model(self.NAME)
        self._compared = False

    async def _run(self, values: Mapping[str, Any],
                   options: Optional[Options]) -> "PredictResponse":
        data = self._data(values)
        if not self._compared:
            info = await self._runtime.info(options=options)
            if not self._is_bundle(info):
                self._compare(
                    info, await self._runtime.capabilities(options=options))
            self._compared = self._is_known(info)
        return await self._runtime.predict(
            input_type=self.INPUT_TYPE, data=data, options=options)
