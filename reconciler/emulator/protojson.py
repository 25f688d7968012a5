"""Requests in JSON, read as protobuf messages.

A message is a table of fields under their snake_case names. A body may spell them in lowerCamelCase too,
give an enum by name or number, and a number as a string. What is read has lowerCamelCase names. All unknown
names are reported at once, in the service's words.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from reconciler.emulator.errors import ApiError, ArgumentError
from reconciler.emulator.json_text import round_to_float32

Message: TypeAlias = Mapping[str, "Field"]

_INT_TYPES = {"TYPE_INT32": 2**31, "TYPE_INT64": 2**63}


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a message.

    Attributes:
        kind: its scalar type; TYPE_MAP is a map of strings, and TYPE_ANY is taken as it comes.
        message: its type, if that is a message.
        names: the names of an enum, by number.
        oneof: the name of the group of which only one field may be set.
    """

    kind: str = "TYPE_STRING"
    message: Message | None = None
    names: tuple[str, ...] = ()
    repeated: bool = False
    oneof: str = ""


def make_fields(kind: str, names: str) -> Message:
    """Return fields of one scalar type; *names* has white space between them."""
    return dict.fromkeys(names.split(), Field(kind))


def accept_any(names: str) -> Message:
    """Return fields that are taken as they come."""
    return make_fields("TYPE_ANY", names)


@functools.lru_cache(maxsize=4096)
def to_camel(name: str) -> str:
    """Return the JSON name of a field."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@functools.lru_cache(maxsize=4096)
def to_snake(name: str) -> str:
    """Return the proto name of a field, from either spelling."""
    return re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name)


def parse_message(message: Message, value: object, at: str) -> dict[str, Any]:
    """Return JSON read as *message*, its keys in lowerCamelCase; a 400 that names what is wrong and where.

    *at* is where the value sits in the request, '' for the request itself.
    """
    unknown: list[tuple[str, str]] = []
    parsed = _read_message(message, value, at, unknown)
    if unknown:
        violations = [
            {"field": place, "description": text} if place else {"description": text}
            for place, text in unknown
        ]
        kind = "type.googleapis.com/google.rpc.BadRequest"
        text = "\n".join(text for _, text in unknown)
        raise ApiError(400, text, details=({"@type": kind, "fieldViolations": violations},))
    return parsed


def _read_message(message: Message, value: object, at: str, unknown: list[tuple[str, str]]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _make_error(at, "TYPE_MESSAGE", value)
    parsed: dict[str, Any] = {}
    taken: dict[str, str] = {}
    for key, item in value.items():
        name = key if key in message else to_snake(key)
        field = message.get(name)
        if field is None or key not in {name, to_camel(name)}:
            place = f" at '{at}'" if at else ""
            text = f'Invalid JSON payload received. Unknown name "{key}"{place}: Cannot find field.'
            unknown.append((at, text))
            continue
        if item is None:
            continue
        if to_camel(name) in parsed or taken.get(field.oneof):
            what = f"oneof field '{field.oneof}'" if field.oneof else f"field '{name}'"
            where = at or "request"
            text = f"Invalid value at '{where}' (oneof), {what} is already set. Cannot set '{key}'"
            raise ArgumentError(text, field=at)
        if field.oneof:
            taken[field.oneof] = key
        here = f"{at}.{name}" if at else name
        parsed[to_camel(name)] = _read_field(field, item, here, unknown)
    return parsed


def _read_field(field: Field, value: object, at: str, unknown: list[tuple[str, str]]) -> object:
    if not field.repeated:
        if isinstance(value, list) and field.kind != "TYPE_ANY":
            text = (
                f'Invalid JSON payload received. Unknown name "{at.rpartition(".")[2]}": '
                "Proto field is not repeating, cannot start list."
            )
            raise ArgumentError(text, field=at)
        return _read_value(field, value, at, unknown)
    items = value if isinstance(value, list) else [value]
    return [_read_value(field, item, f"{at}[{n}]", unknown) for n, item in enumerate(items)]


def _read_value(field: Field, value: object, at: str, unknown: list[tuple[str, str]]) -> object:
    if field.message is not None:
        return _read_message(field.message, value, at, unknown)
    if field.kind == "TYPE_MAP" and isinstance(value, dict):
        return {key: _read_value(Field(), item, f"{at}.{key}", unknown) for key, item in value.items()}
    try:
        return _read_scalar(field, value)
    except UnicodeEncodeError:
        raise _make_error(at, field.kind, "\N{REPLACEMENT CHARACTER}") from None
    except (ValueError, OverflowError):
        kind = "TYPE_MESSAGE" if field.kind == "TYPE_MAP" else field.kind
        raise _make_error(at, kind, value) from None


def _read_scalar(field: Field, value: object) -> object:
    """Return the value of a field that is not a message. ValueError or OverflowError if it cannot be that."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match field.kind, value:
        case "TYPE_ANY", _:
            return value
        case "TYPE_STRING" | "TYPE_TIMESTAMP", str():
            value.encode()  # Half of a surrogate pair cannot be encoded.
            return value
        case "TYPE_BOOL", bool():
            return value
        case "TYPE_ENUM", str() if value in field.names:
            return value
        case "TYPE_ENUM", int() if is_number and 0 <= value < len(field.names):
            return field.names[value]
        case "TYPE_FLOAT" | "TYPE_DOUBLE", int() | float() | str() if is_number or isinstance(value, str):
            number = float(value)
            if math.isfinite(number):
                return number if field.kind == "TYPE_DOUBLE" else round_to_float32(number)
        case "TYPE_INT32" | "TYPE_INT64", int() | float() | str():
            if isinstance(value, str):
                is_whole = re.fullmatch(r"-?[0-9]{1,20}", value) is not None
            else:
                is_whole = is_number and value == value // 1
            if is_whole and -_INT_TYPES[field.kind] <= int(value) < _INT_TYPES[field.kind]:
                return int(value)
    raise ValueError(field.kind)


def _make_error(at: str, kind: str, value: object) -> ApiError:
    shown = f'"{value[:80]}"' if isinstance(value, str) else str(value)[:80]
    where = f"'{at}'" if at else "the request"
    return ArgumentError(f"Invalid value at {where} ({kind}), {shown}", field=at)


def read_mask(
    mask: str, message: Message, mutable: Sequence[str], *, ignored: Sequence[str] = (), prefix: str = ""
) -> list[str]:
    """Return the fields that an update mask names, in lowerCamelCase; a 400 if one cannot be changed.

    A mask has paths in either spelling, with commas between them; `*` means all *mutable* fields. *ignored*
    ones may be named but are not changed: only the service sets them. A path may begin with *prefix*.
    """
    names: list[str] = []
    for path in (to_snake(path.strip()).removeprefix(prefix) for path in mask.split(",") if path.strip()):
        top = path.partition(".")[0]
        if path == "*":
            names += mutable
        elif top not in message:
            raise ArgumentError(f"Invalid field mask: unknown path {path[:80]}.", field="update_mask")
        elif to_camel(path) in mutable:
            names.append(to_camel(path))
        elif to_camel(top) not in ignored:
            raise ArgumentError(f"Field {path[:80]} cannot be updated.", field="update_mask")
    return names
