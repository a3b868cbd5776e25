"""What clients of one model are made of; `specgen model-client` writes them.

Before the first call the model's own description is compared with the one that
the client was made from. Inputs are checked before anything is sent, and what
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
    INPUT_TYPE: ClassVar[str]
    INPUTS: ClassVar[tuple[Input, ...]]
    OUTPUTS: ClassVar[Mapping[str, str]]  # name -> type
    LENGTHS: ClassVar[Mapping[str, int]]  # of outputs that are arrays

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
        found: dict[str, Any] = {}
        for name, kind in self.OUTPUTS.items():
            value: Any = response.results.get(name)
            length = self.LENGTHS.get(name)
            if not _TYPES[kind](value) or length and len(value) != length:
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
            self._compare(self._runtime.info(options=options),
                          self._runtime.capabilities(options=options))
            self._compared = True
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
            self._compare(await self._runtime.info(options=options),
                          await self._runtime.capabilities(options=options))
            self._compared = True
        return await self._runtime.predict(
            input_type=self.INPUT_TYPE, data=data, options=options)
