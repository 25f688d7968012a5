"""Strict JSON to values and back, driven by the type hints of Structs: state, plan file and reports.

What equals its default is left out, so a document stays small and grows compatibly. A class with a field
`unknown` keeps there what only a newer program knows, and writes it back. The members of a union are told
apart by the name of the class: `Annotated[Create | SetPermissions, "step"]` is written as
`{"step": "set_permissions", …}`.

Rules: nothing is ignored (unknown and missing keys are errors), and every error names the keys that lead to
the wrong value; training data is never written, and refused where it is read.

msgspec converts what is plain, in a tenth of the time: classes that forbid unknown fields and have neither
addresses nor unions. The readers here read whatever it refuses. They keep unknown keys, and know the way to a
wrong value. No library does both: msgspec, pydantic and cattrs drop or refuse what a newer program wrote.
"""

from __future__ import annotations

import functools
import json
import operator
import re
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from enum import Enum
from typing import Annotated, Any, NoReturn, TypeAlias, TypeVar, Union

import msgspec
from msgspec import NODEFAULT, Struct, field
from msgspec.structs import fields

from reconciler.codec import readers
from reconciler.codec.readers import Reader, WrongValueError
from reconciler.errors import Diagnostic
from reconciler.model.data import DataSet
from reconciler.model.names import Address, Count, Name
from reconciler.strictjson import show_value

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
_Writer: TypeAlias = Callable[[Any], Json]
_T = TypeVar("_T")
_UNKNOWN = "unknown"


class Rules(Struct, frozen=True):
    """The rules of a format for a class, beyond the hints of its fields.

    Attributes:
        readers: key to reader, for fields that take less than their type, and for keys that are not fields.
        required: keys that must be there although their fields have a default, or that are not fields.
        always: fields that are written even where they equal their default.
        never: fields that are neither written nor read.
    """

    readers: Mapping[str, Reader] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    always: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()


class _Shape(Struct, frozen=True):
    """Reads and writes the objects of one class.

    Attributes:
        readers: by key.
        plain: the type of the fields that take any value of exactly this type. They need no reader.
        special: the readers of fields whose hints do not say all.
        is_convertible: whether msgspec can read it. Only the special fields need a look then.
    """

    readers: Mapping[str, Reader]
    plain: Mapping[str, type]
    special: tuple[tuple[str, Reader], ...]
    is_convertible: bool
    required: tuple[str, ...]
    writers: tuple[tuple[str, object, _Writer], ...]
    keeps_unknown: bool


class Codec:
    """One format.

    Args:
        rules: for the classes whose hints do not say all.
        sort_keys: write mappings sorted, whatever order they came in.
    """

    def __init__(self, rules: Mapping[type, Rules], *, sort_keys: bool = False) -> None:
        self._rules, self._order = rules, sorted if sort_keys else iter
        self._shape = functools.cache(self._make_shape)
        self._reader = functools.cache(self._make_reader)
        self._writer = functools.cache(self._make_writer)

    def decode(self, kind: type[_T], document: object) -> _T:
        """Make the value of a Struct from the document that `encode` made.

        Raises:
            WrongValueError: a key is missing or unknown, or a value has another type.
        """
        shape, found = self._shape(typing.cast("Hashable", kind)), readers.read_object(document)
        if shape.is_convertible and all(key in found for key in shape.required):
            try:
                converted = msgspec.convert(found, kind)
                for key, read in shape.special:
                    if key in found:
                        read(found[key])
            except (msgspec.ValidationError, WrongValueError):
                pass  # what follows keeps unknown keys, and says what is wrong
            else:
                return converted
        return kind(**self.read_fields(kind, found))

    def read_fields(self, kind: type, document: object) -> dict[str, Any]:
        """Read the fields of a Struct: the keys of the document, with values checked and converted."""
        shape = self._shape(kind)
        plain = shape.plain
        found: dict[str, Any] = {}
        unknown: dict[str, str] = {}
        for key, value in readers.read_object(document).items():
            read = shape.readers.get(key)
            if type(value) is plain.get(key):
                found[key] = value
            elif read is not None:
                found[key] = readers.read_under(key, read, value)
            elif shape.keeps_unknown:
                unknown[key] = json.dumps(value, ensure_ascii=False, allow_nan=False)
            else:
                readers.read_under(key, _refuse_key, value)
        for key in shape.required:
            if key not in found:
                raise WrongValueError("is missing", key)
        return {**found, _UNKNOWN: unknown} if unknown else found

    def encode(self, value: object) -> Json:
        """Convert a value made of Structs, enums, tuples, mappings and scalars to plain JSON.

        Raises TypeError for anything else: a defect, not a user's mistake.
        """
        match value:
            case Enum():
                return str(value.value)
            case None | bool() | int() | float() | str():
                return value
            case Address():
                return str(value)
            case Diagnostic():
                defaults = Diagnostic._field_defaults
                own = {key: item for key, item in value._asdict().items() if item != defaults.get(key)}
                return self.encode(own)
            case tuple() | list():
                return [self.encode(item) for item in value]
            case Mapping():
                return {str(key): self.encode(item) for key, item in value.items()}
            case _ if isinstance(value, Struct):
                return self.encode_fields(value)
        raise TypeError(f"cannot be written as JSON: {type(value).__name__}")

    def encode_fields(self, value: object) -> dict[str, Json]:
        """Convert a Struct as `encode` does."""
        shape = self._shape(typing.cast("Hashable", type(value)))
        found: dict[str, Json] = {}
        for name, default, write in shape.writers:
            content = getattr(value, name)
            if content is not default and (type(content) is not type(default) or content != default):
                found[name] = write(content)
        if shape.keeps_unknown and (unknown := getattr(value, _UNKNOWN)):
            found |= {key: json.loads(text) for key, text in sorted(unknown.items())}
        return found

    def _make_shape(self, kind: type) -> _Shape:
        rules = self._rules.get(kind, Rules())
        hints = typing.get_type_hints(kind, include_extras=True)
        defaults = {
            entry.name: entry.default if entry.default_factory is NODEFAULT else entry.default_factory()
            for entry in fields(kind)
            if entry.name not in {_UNKNOWN, *rules.never}
        }
        required = [name for name, default in defaults.items() if default is NODEFAULT]
        defaults |= dict.fromkeys(rules.always, NODEFAULT)
        own = {name: self._reader(hints[name]) for name in defaults if name not in rules.readers}
        return _Shape(
            readers={**own, **rules.readers, **dict.fromkeys(rules.never, _refuse_key)},
            plain={name: _PLAIN[read] for name, read in own.items() if read in _PLAIN},
            special=tuple(rules.readers.items()),
            is_convertible=_refuses_unknown(kind) and all(map(self._is_plain, hints.values())),
            required=(*required, *rules.required),
            writers=tuple((name, default, self._writer(hints[name])) for name, default in defaults.items()),
            keeps_unknown=_UNKNOWN in hints,
        )

    def _is_plain(self, hint: object) -> bool:
        """Return whether msgspec reads a type as `_reader` does."""
        if isinstance(hint, type) and issubclass(hint, Struct):
            shape = self._shape(hint)
            return shape.is_convertible and not shape.special
        return all(map(self._is_plain, typing.get_args(hint)))

    def _make_writer(self, hint: object) -> _Writer:
        """Make the writer of a type. A type without a row is written by what its value is."""
        hint, tag = _split_tag(hint)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if hint in _SCALARS:
            return lambda value: value
        if isinstance(hint, type) and issubclass(hint, Struct) and hint is not Address:
            return self.encode_fields
        if tag:
            names = {kind: name for name, kind in _name_members(arguments, tag).items()}
            return lambda value: {tag: names[type(value)], **self.encode_fields(value)}
        if origin is tuple:
            write = self._writer(arguments[0])
            return lambda value: [write(item) for item in value]
        if origin is Mapping:
            write = self._writer(arguments[1])
            return lambda value: {str(key): write(item) for key, item in self._order(value.items())}
        if origin in _UNIONS and types.NoneType in arguments:
            write = self._writer(_without_null(hint))
            return lambda value: None if value is None else write(value)
        return self.encode

    def _make_reader(self, hint: object) -> Reader:
        """Make the reader of a type."""
        if hint in _READERS:
            return _READERS[hint]
        hint, tag = _split_tag(hint)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if tag:
            return self._make_tagged_reader(_name_members(arguments, tag), tag)
        if isinstance(hint, type) and issubclass(hint, Struct):
            return lambda value: self.decode(hint, value)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return readers.read_member(hint)
        if origin is tuple and arguments[1:] == (Ellipsis,):
            return readers.read_each(self._reader(arguments[0]))
        if origin is Mapping:
            return readers.read_mapping(self._reader(arguments[0]), self._reader(arguments[1]))
        if origin in _UNIONS and types.NoneType in arguments:
            return readers.read_optional(self._reader(_without_null(hint)))
        if origin in _UNIONS and all(map(_is_scalar_or_list, arguments)):
            return readers.read_scalars
        raise TypeError(f"no JSON form for {hint}")

    def _make_tagged_reader(self, members: Mapping[str, type], tag: str) -> Reader:
        def read(value: object) -> object:
            fields = dict(readers.read_object(value))
            if tag not in fields:
                raise WrongValueError("is missing", tag)
            name = fields.pop(tag)
            if not isinstance(name, str) or name not in members:
                raise WrongValueError(f"should be one of {', '.join(members)}, not {show_value(name)}", tag)
            return self.decode(members[name], fields)

        return read


def _refuse_key(_value: object) -> NoReturn:
    raise WrongValueError("is not a key that this version knows")


def _without_null(hint: object) -> object:
    return functools.reduce(operator.or_, (arm for arm in typing.get_args(hint) if arm is not types.NoneType))


def _is_scalar_or_list(hint: object) -> bool:
    return _split_tag(hint)[0] in _SCALARS or typing.get_origin(hint) is tuple


def _refuses_unknown(kind: type) -> bool:
    config: msgspec.structs.StructConfig = kind.__struct_config__  # type: ignore[attr-defined]  # of Structs
    return config.forbid_unknown_fields


def _split_tag(hint: object) -> tuple[object, str]:
    """Split a type hint into the type, and the key that tells the members of a union apart."""
    hint, tag = typing.get_args(hint)[:2] if typing.get_origin(hint) is Annotated else (hint, "")
    return hint, tag if isinstance(tag, str) else ""


def _name_members(members: tuple[type, ...], tag: str) -> dict[str, type]:
    """Map the names in JSON to the classes of a union: set_permissions to SetPermissions."""
    named = {re.sub(r"(?<=.)(?=[A-Z])", "_", kind.__name__).lower(): kind for kind in members}
    names = {entry.name for kind in members for entry in fields(kind)}
    if len(named) < len(members) or tag in names:
        raise TypeError(f"cannot be told apart by {tag!r}: {', '.join(kind.__name__ for kind in members)}")
    return named


_UNIONS = (Union, types.UnionType)
_SCALARS = (bool, float, int, str)
_READERS: Mapping[object, Reader] = {
    Count: readers.read_count,
    Name: readers.read_name,
    Address: readers.read_address,
    bool: readers.read_flag,
    float: readers.read_number,
    int: readers.read_whole,
    str: readers.read_text,
}
_PLAIN: Mapping[Reader, type] = {readers.read_flag: bool, readers.read_whole: int, readers.read_text: str}

_REPORTS = Codec({DataSet: Rules(never=frozenset({"inline"}))})
encode, encode_fields, decode = _REPORTS.encode, _REPORTS.encode_fields, _REPORTS.decode
"""The codec of plan files and reports."""
