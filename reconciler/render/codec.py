"""Values to JSON and back, driven by the type hints of the dataclasses: one codec for all of a plan.

What equals its default is left out, so a document stays small and grows compatibly. A union of dataclasses
is told apart by the name of the class: `Annotated[Create | SetPermissions, "step"]` is written as
`{"step": "set_permissions", …}`. Rule: training data never leaves: `DataSet.inline` is skipped on the way out
and refused on the way in.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from enum import Enum
from typing import Annotated, TypeAlias, TypeVar, Union

from reconciler.model import Address, DataSet

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
_T = TypeVar("_T")
_Encoder: TypeAlias = Callable[[typing.Any], Json]
_Decoder: TypeAlias = Callable[[object, str], object]

_NEVER_WRITTEN = frozenset({(DataSet, "inline")})


class CodecError(ValueError):
    """The JSON does not have the type's shape; the message says where and what was expected."""


def encode(value: object) -> Json:
    """A value made of dataclasses, enums, tuples, mappings and scalars as plain JSON.

    Raises TypeError for anything else: a defect, not a user's mistake.
    """
    match value:
        case Enum():
            return str(value.value)
        case None | bool() | int() | float() | str():
            return value
        case Address():
            return str(value)
        case tuple() | list():
            return [encode(one) for one in value]
        case Mapping():
            return {str(key): encode(one) for key, one in value.items()}
        case _ if dataclasses.is_dataclass(value):
            return _encoder(typing.cast("Hashable", type(value)))(value)
    raise TypeError(f"cannot be written as JSON: {type(value).__name__}")


def decode(kind: type[_T], document: object, place: str = "") -> _T:
    """The value that `encode` made the document of.

    Args:
        kind: a dataclass.
        document: parsed JSON.
        place: what to call it in an error.

    Raises:
        CodecError: a key is missing or unknown, or a value has another type.
    """
    value = _decoder(typing.cast("Hashable", kind))(document, place)
    assert isinstance(value, kind)  # noqa: S101  # for mypy: the decoder of a class makes that class
    return value


@functools.cache
def _defaults(kind: type) -> tuple[tuple[str, object], ...]:
    """Each field that is written, with its default or MISSING."""
    return tuple(
        (
            field.name,
            field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default,
        )
        for field in dataclasses.fields(kind)
        if (kind, field.name) not in _NEVER_WRITTEN
    )


@functools.cache
def _encoder(hint: object) -> _Encoder:
    """How a value of this type is written; a type without a row says by its value what it is."""
    if hint is not Address and isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass_encoder(hint)
    hint, tag = _untagged(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        member = _encoder(arguments[0])
        return lambda value: [member(one) for one in value]
    if origin is Mapping:
        member = _encoder(arguments[1])
        return lambda value: {str(key): member(one) for key, one in value.items()}
    if tag:
        members = {kind: (name, _encoder(kind)) for name, kind in _named_members(arguments, tag).items()}

        def encode_tagged(value: object) -> Json:
            name, write = members[type(value)]
            return {tag: name, **typing.cast("dict[str, Json]", write(value))}

        return encode_tagged
    if origin in {Union, types.UnionType}:
        present = [one for one in arguments if one is not type(None)]
        if len(present) == 1:
            member = _encoder(present[0])
            return lambda value: None if value is None else member(value)
    return encode


def _dataclass_encoder(kind: type) -> _Encoder:
    hints = typing.get_type_hints(kind, include_extras=True)
    written = [(name, default, hints[name]) for name, default in _defaults(kind)]

    def encode_dataclass(value: object) -> Json:
        found: dict[str, Json] = {}
        for name, default, hint in written:
            content = getattr(value, name)
            if content is not default and not (type(content) is type(default) and content == default):
                found[name] = _encoder(hint)(content)
        return found

    return encode_dataclass


def _untagged(hint: object) -> tuple[object, str]:
    """A type hint without its annotation, and the key under which a union of dataclasses is told apart."""
    hint, tag = typing.get_args(hint)[:2] if typing.get_origin(hint) is Annotated else (hint, "")
    return hint, tag


def _named_members(members: tuple[type, ...], tag: str) -> dict[str, type]:
    """The classes of a union under their names in JSON: SetPermissions is set_permissions."""
    named = {re.sub(r"(?<=.)(?=[A-Z])", "_", kind.__name__).lower(): kind for kind in members}
    if len(named) < len(members) or any(tag == field for kind in members for field, _ in _defaults(kind)):
        raise TypeError(f"cannot be told apart by {tag!r}: {', '.join(kind.__name__ for kind in members)}")
    return named


@functools.cache
def _decoder(hint: object) -> _Decoder:  # a row for each sort of type
    if hint is Address:
        return _address
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    if hint is float:
        return _float
    if hint in {bool, int, str, type(None)}:
        return _scalar(typing.cast("type", hint))
    hint, tag = _untagged(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if tag:
        return _tagged(arguments, tag)
    if origin in {Union, types.UnionType}:
        return _union(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _sequence(_decoder(arguments[0]))
    if origin is Mapping:
        return _mapping(_decoder(arguments[0]), _decoder(arguments[1]))
    raise TypeError(f"no JSON form for {hint}")


def _refuse(place: str, expected: str, value: object) -> CodecError:
    found = "null" if value is None else type(value).__name__
    return CodecError(f"{place or 'document'}: {expected} expected, {found} found")


def _address(value: object, place: str) -> object:
    try:
        return Address.parse(value if isinstance(value, str) else "")
    except ValueError:
        raise _refuse(place, "KIND/NAME", value) from None


def _float(value: object, place: str) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise _refuse(place, "a number", value)


def _scalar(kind: type) -> _Decoder:
    def decode_scalar(value: object, place: str) -> object:
        if type(value) is not kind:  # exact: True is no integer here
            raise _refuse(place, kind.__name__, value)
        return value

    return decode_scalar


def _enum(kind: type[Enum]) -> _Decoder:
    def decode_enum(value: object, place: str) -> object:
        try:
            return kind(value)
        except ValueError:
            raise _refuse(place, f"one of {', '.join(str(one.value) for one in kind)}", value) from None

    return decode_enum


def _sequence(member: _Decoder) -> _Decoder:
    def decode_sequence(value: object, place: str) -> object:
        if not isinstance(value, list):
            raise _refuse(place, "a list", value)
        return tuple(member(one, f"{place}[{index}]") for index, one in enumerate(value))

    return decode_sequence


def _mapping(key: _Decoder, member: _Decoder) -> _Decoder:
    def decode_mapping(value: object, place: str) -> object:
        if not isinstance(value, dict):
            raise _refuse(place, "an object", value)
        return {key(name, place): member(one, f"{place}.{name}") for name, one in value.items()}

    return decode_mapping


def _union(arguments: tuple[object, ...]) -> _Decoder:
    # float last: it also takes integers, which must stay integers where both are allowed
    members = [_decoder(one) for one in sorted(arguments, key=lambda one: one is float)]
    if len(members) == 2 and type(None) in arguments:
        (present,) = (_decoder(one) for one in arguments if one is not type(None))
        return lambda value, place: None if value is None else present(value, place)

    def decode_union(value: object, place: str) -> object:
        for member in members:
            try:
                return member(value, place)
            except CodecError:
                continue
        raise _refuse(place, "a plain value or a list of them", value)

    return decode_union


def _tagged(arguments: tuple[type, ...], tag: str) -> _Decoder:
    members = {name: _decoder(kind) for name, kind in _named_members(arguments, tag).items()}

    def decode_tagged(value: object, place: str) -> object:
        if not isinstance(value, dict):
            raise _refuse(place, "an object", value)
        if tag not in value:
            raise CodecError(f"{place or 'document'}: {tag!r} is missing")
        name = value[tag]
        if not isinstance(name, str) or name not in members:
            raise _refuse(f"{place}.{tag}", f"one of {', '.join(members)}", name)
        return members[name]({key: one for key, one in value.items() if key != tag}, place)

    return decode_tagged


def _dataclass(kind: type) -> _Decoder:
    hints = typing.get_type_hints(kind, include_extras=True)
    written = _defaults(kind)
    # looked up when first used, so that a type may contain itself
    required = {name for name, default in written if default is dataclasses.MISSING}
    names = {name for name, _ in written}

    def decode_dataclass(value: object, place: str) -> object:
        if not isinstance(value, dict):
            raise _refuse(place, "an object", value)
        if unknown := value.keys() - names:
            raise CodecError(f"{place or 'document'}: unknown key {min(unknown)!r}")
        if missing := required - value.keys():
            raise CodecError(f"{place or 'document'}: {min(missing)!r} is missing")
        return kind(**{name: _decoder(hints[name])(one, f"{place}.{name}") for name, one in value.items()})

    return decode_dataclass
