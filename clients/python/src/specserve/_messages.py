"""Messages: from dataclasses to JSON and protobuf and back.

Generated dataclasses say in a table (`_fields`) which attribute is which key;
the code that walks it is here, once. Reading is strict about what the contract
promises (a required key, a type) and keeps what it does not know: unknown keys
land in `extra` and are written again.
"""
from __future__ import annotations

import sys
from enum import Enum
from types import MappingProxyType
from typing import (Any, ClassVar, Mapping, NamedTuple, Optional, Type,
                    TypeVar, cast)

EMPTY: Mapping[str, Any] = MappingProxyType({})  # the default of arguments
REQUIRED, EMIT_ALWAYS, SECRET = 1, 2, 4

T = TypeVar("T", bound="Message")
E = TypeVar("E", bound="OpenEnum")


class Field(NamedTuple):
    """One attribute: `kind` is a scalar kind, "msg", "enum" or "union"."""

    attr: str
    json: str
    proto: str
    kind: str
    card: str = "one"  # one, list, map
    flags: int = 0
    type: str = ""  # class or union in the same module


class Union_(NamedTuple):
    """A value that is bare in JSON and one of these fields on the wire."""

    name: str
    fields: tuple[Field, ...]


class Unreadable(ValueError):
    """An answer that does not hold what the contract promises."""

    def __init__(self, at: str, what: str) -> None:
        super().__init__(f"{at or '/'}: {what}")


class OpenEnum(str, Enum):
    """Text out of a list that later versions may make longer: a value that is
    not in the list yet is a member, too, with `is_known` false."""

    @classmethod
    def _missing_(cls: Type[E], value: object) -> Optional[E]:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member

    @property
    def is_known(self) -> bool:
        return self.value in type(self)._value2member_map_

    def __str__(self) -> str:
        return str(self.value)


class Message:
    """Base of all generated dataclasses."""

    _name: ClassVar[str] = ""
    _fields: ClassVar[tuple[Field, ...]] = ()
    _answer: Any = None
    extra: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """What is set, as JSON values; a secret is written like the rest."""
        return _write_json(self)

    @classmethod
    def from_json(cls: Type[T], data: Any) -> T:
        """Raises ValueError if `data` is not such a message."""
        return _read_json(cls, data, "")


def _named(owner: type, name: str) -> Any:
    """The class, union or table of this name in the module of `owner`."""
    return getattr(sys.modules[owner.__module__], name)


# ---- JSON ----

def _plain(value: Any) -> Any:
    """A free value as JSON: bytes as base64, arrays as lists."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        from base64 import b64encode
        return b64encode(value).decode()
    if isinstance(value, Message):
        return _write_json(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return value.tolist()
    return value


def _write_value(field: Field, value: Any) -> Any:
    if field.kind == "msg":
        return _write_json(value)
    if field.kind == "enum":
        return str(value)
    return _plain(value)


def _write_json(message: Message) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for field in message._fields:
        value = getattr(message, field.attr)
        if value is None:
            if field.flags & EMIT_ALWAYS:
                out[field.json] = None
        elif field.card == "one":
            out[field.json] = _write_value(field, value)
        elif len(value) == 0 and not field.flags & REQUIRED:
            continue
        elif field.card == "list":
            out[field.json] = [_write_value(field, item) for item in value]
        else:
            out[field.json] = {key: _write_value(field, item)
                               for key, item in value.items()}
    out.update(message.extra)
    return out


_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "str": (str,), "time": (str,), "bytes": (str,),
    "f32": (int, float), "f64": (int, float),
    "i32": (int,), "u32": (int,), "i64": (int,), "u64": (int,)}


def _read_scalar(field: Field, value: object, at: str) -> Any:
    kind = field.kind
    given: Any = value
    if kind in ("json", "union"):
        return value
    if kind[0] in "iu" and isinstance(value, float) and value.is_integer():
        given = int(value)  # 1.0 is an integer
    if type(given) not in _JSON_TYPES[kind]:  # bool is no int here
        raise Unreadable(at, f"is {type(value).__name__}, expected {kind}")
    if kind == "bytes":
        from base64 import b64decode
        try:
            return b64decode(given, validate=True)
        except ValueError:
            raise Unreadable(at, "is not base64") from None
    return float(given) if kind in ("f32", "f64") else given


def _read_value(owner: type, field: Field, value: Any, at: str) -> Any:
    if field.kind == "msg":
        return _read_json(_named(owner, field.type), value, at)
    if field.kind == "enum":
        if not isinstance(value, str):
            raise Unreadable(at, "is not a string")
        return _named(owner, field.type)(value)
    return _read_scalar(field, value, at)


def _read_field(owner: type, field: Field, value: Any, at: str) -> Any:
    if field.card == "one":
        return _read_value(owner, field, value, at)
    if field.card == "list":
        if not isinstance(value, list):
            raise Unreadable(at, "is not a list")
        return tuple(_read_value(owner, field, item, f"{at}/{i}")
                     for i, item in enumerate(value))
    if not isinstance(value, dict):
        raise Unreadable(at, "is not an object")
    return {key: _read_value(owner, field, item, f"{at}/{key}")
            for key, item in value.items()}


def _read_json(cls: Type[T], data: Any, at: str) -> T:
    if not isinstance(data, dict):
        raise Unreadable(at, "is not an object")
    known: dict[str, Any] = {}
    rest = dict(data)
    for field in cls._fields:
        value = rest.pop(field.json, None)
        where = f"{at}/{field.json}"
        if value is not None or (field.kind in ("json",) and field.card == "one"):
            known[field.attr] = _read_field(cls, field, value, where)
        elif field.flags & REQUIRED:
            raise Unreadable(where, "is missing")
    make: Any = cls
    message: T = make(**known, extra=rest)
    return message


# ---- protobuf ----

def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _list_of(field: Field, owner: type) -> Optional[Field]:
    """The list that this alternative of a union is in JSON, if it is one."""
    fields: tuple[Field, ...] = ()
    if field.kind == "msg":
        fields = _named(owner, field.type)._fields
    return fields[0] if len(fields) == 1 and fields[0].card == "list" else None


def _fits(field: Field, owner: type, value: Any) -> bool:
    """The alternative of a union takes the value."""
    inner = _list_of(field, owner)
    if inner:
        return isinstance(value, (list, tuple)) and len(value) > 0 and \
            all(_fits(inner, owner, item) for item in value)
    if field.kind == "msg":
        return isinstance(value, (Mapping, _named(owner, field.type)))
    if field.kind == "union":
        return any(_fits(f, owner, value)
                   for f in _named(owner, field.type).fields)
    return {"bool": isinstance(value, bool), "f64": _is_number(value),
            "f32": _is_number(value), "str": isinstance(value, str),
            "bytes": isinstance(value, (bytes, bytearray, memoryview)),
            "json": True}.get(field.kind, type(value) is int)


def _choose(union: Union_, owner: type, value: Any) -> Optional[Field]:
    """The first alternative that takes the value; free JSON comes last."""
    ordered = sorted(union.fields, key=lambda field: field.kind == "json")
    found = next((f for f in ordered if _fits(f, owner, value)), None)
    if found is None and isinstance(value, (list, tuple)) and not value:
        found = next((f for f in ordered if _list_of(f, owner)), None)
    return found


def _fill_union(key: str, union: Union_, owner: type, value: Any,
                out: Any) -> None:
    if hasattr(value, "tolist"):
        value = value.tolist()
    field = _choose(union, owner, value)
    if field is None:
        raise ValueError(f"{key}: is none of {union.name}")
    inner = _list_of(field, owner)
    if inner:
        getattr(out, field.proto).SetInParent()
        _fill_list(inner, owner, value,
                   getattr(getattr(out, field.proto), inner.proto))
    elif field.kind == "msg":
        known = _named(owner, field.type)
        _fill_one(field, owner, value if isinstance(value, known)
                  else known.from_json(dict(value)), getattr(out, field.proto))
    else:
        setattr(out, field.proto, _wire(field, owner, value))


def _wire(field: Field, owner: type, value: Any) -> Any:
    """A scalar as protobuf takes it."""
    if field.kind == "json":
        import json
        return json.dumps(_plain(value), ensure_ascii=False,
                          separators=(",", ":"), allow_nan=False)
    if field.kind == "enum":
        numbers = cast("dict[str, int]", _named(owner, field.type + "_NUMBERS"))
        text = str(value)
        if text not in numbers and not text.lstrip("-").isdigit():
            raise ValueError(f"{field.json}: '{text}' is not a {field.type}")
        return numbers[text] if text in numbers else int(text)
    if field.kind == "bytes":
        return bytes(value)
    return value


def _fill_one(field: Field, owner: type, value: Any, out: Any) -> None:
    """Fills the message `out` from a message or a union's value."""
    if field.kind == "msg":
        out.SetInParent()
        fill(value, out)
    else:
        _fill_union(field.json, _named(owner, field.type), owner, value, out)


def _fill_list(field: Field, owner: type, values: Any, into: Any) -> None:
    for item in values:
        if field.kind in ("msg", "union"):
            _fill_one(field, owner, item, into.add())
        else:
            into.append(_wire(field, owner, item))


def fill(message: Message, out: Any) -> None:
    """Sets what is set in the dataclass on the protobuf message."""
    owner = type(message)
    for field in message._fields:
        value = getattr(message, field.attr)
        nested = field.kind in ("msg", "union")
        if value is None:
            continue
        if field.card == "one":
            if nested:
                _fill_one(field, owner, value, getattr(out, field.proto))
            elif field.kind == "time":
                getattr(out, field.proto).FromJsonString(value)
            else:
                setattr(out, field.proto, _wire(field, owner, value))
        elif field.card == "list":
            _fill_list(field, owner, value, getattr(out, field.proto))
        else:
            into = getattr(out, field.proto)
            for key, item in value.items():
                if nested:
                    _fill_one(field, owner, item, into[key])
                else:
                    into[key] = _wire(field, owner, item)


def _union_value(union: Union_, owner: type, pb: Any) -> Any:
    for field in union.fields:
        if not pb.HasField(field.proto):
            continue
        value = getattr(pb, field.proto)
        inner = _list_of(field, owner)
        if inner:
            return [_unwire(inner, owner, item, field.json)
                    for item in getattr(value, inner.proto)]
        found = _unwire(field, owner, value, field.json)
        return found.to_json() if field.kind == "msg" else found
    return None


def _unwire(field: Field, owner: type, value: Any, at: str) -> Any:
    if field.kind == "msg":
        return take(_named(owner, field.type), value, at)
    if field.kind == "union":
        return _union_value(_named(owner, field.type), owner, value)
    if field.kind == "json":
        import json
        try:
            return json.loads(value)
        except ValueError:
            raise Unreadable(at, "is not JSON") from None
    if field.kind == "enum":
        numbers = cast("dict[str, int]", _named(owner, field.type + "_NUMBERS"))
        names = {number: name for name, number in numbers.items()}
        return _named(owner, field.type)(names.get(value, str(value)))
    if field.kind == "time":
        return value.ToJsonString()
    return value


def take(cls: Type[T], pb: Any, at: str = "") -> T:
    """The dataclass of a protobuf message."""
    known: dict[str, Any] = {}
    presence = {field.name: field.has_presence
                for field in pb.DESCRIPTOR.fields}
    for field in cls._fields:
        where = f"{at}/{field.json}"
        if field.card == "one":
            if not presence[field.proto] or pb.HasField(field.proto):
                known[field.attr] = _unwire(
                    field, cls, getattr(pb, field.proto), where)
            elif field.flags & REQUIRED:
                raise Unreadable(where, "is missing")
        elif field.card == "list":
            known[field.attr] = tuple(
                _unwire(field, cls, item, f"{where}/{i}")
                for i, item in enumerate(getattr(pb, field.proto)))
        else:
            known[field.attr] = {
                key: _unwire(field, cls, item, f"{where}/{key}")
                for key, item in getattr(pb, field.proto).items()}
    make: Any = cls
    message: T = make(**known, extra=_unknown(pb))
    return message


def _unknown(pb: Any) -> dict[str, Any]:
    """Fields of a later version by number: they have no name here."""
    from google.protobuf.unknown_fields import UnknownFieldSet
    fields: Any = UnknownFieldSet(pb)
    return {f"#{field.field_number}": field.data for field in fields}

