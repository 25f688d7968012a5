"""Requests in JSON, read as protobuf messages.

A message is a table of fields under their snake_case names. A body may spell them in lowerCamelCase too,
give an enum by name or number, and a number as a string. What is read has lowerCamelCase names. All unknown
names are reported at once, in the service's words.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Mapping
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


def accept_any(names: str) -> Message:
    """Return fields that are taken as they come; *names* has white space between them."""
    return dict.fromkeys(names.split(), Field("TYPE_ANY"))


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
    """Return *value* read as *message*, its keys in lowerCamelCase.

    Args:
        message: what is expected.
        value: JSON.
        at: where the value sits in the request, '' for the request itself.

    Raises:
        ApiError: 400, naming what is wrong and where.
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
    match field.kind:
        case "TYPE_ANY":
            return value
        case "TYPE_STRING" | "TYPE_TIMESTAMP":
            return _read_text(value, at, field.kind)
        case "TYPE_ENUM":
            return _read_enum(field.names, value, at)
        case "TYPE_FLOAT" | "TYPE_DOUBLE":
            return _read_float(value, at, field.kind)
        case "TYPE_BOOL":
            if isinstance(value, bool):
                return value
            raise _make_error(at, field.kind, value)
        case "TYPE_MAP":
            if not isinstance(value, dict):
                raise _make_error(at, "TYPE_MESSAGE", value)
            return {key: _read_text(item, f"{at}.{key}", "TYPE_STRING") for key, item in value.items()}
        case kind:
            return _read_integer(value, at, kind)


def _read_text(value: object, at: str, kind: str) -> str:
    if not isinstance(value, str):
        raise _make_error(at, kind, value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _make_error(at, kind, "\N{REPLACEMENT CHARACTER}") from None
    return value


def _read_enum(names: tuple[str, ...], value: object, at: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    if isinstance(value, str) and value in names:
        return value
    raise _make_error(at, "TYPE_ENUM", value)


def _read_float(value: object, at: str, kind: str) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise _make_error(at, kind, value)
        number = float(value)
        if math.isfinite(number):
            return number if kind == "TYPE_DOUBLE" else round_to_float32(number)
    except (ValueError, OverflowError):
        pass
    raise _make_error(at, kind, value)


def _read_integer(value: object, at: str, kind: str) -> int:
    number: int | None = None
    if isinstance(value, str):
        number = int(value) if re.fullmatch(r"-?[0-9]{1,20}", value) else None
    elif isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        number = int(value)
    if number is None or not -_INT_TYPES[kind] <= number < _INT_TYPES[kind]:
        raise _make_error(at, kind, value)
    return number


def _make_error(at: str, kind: str, value: object) -> ApiError:
    shown = f'"{value[:80]}"' if isinstance(value, str) else str(value)[:80]
    where = f"'{at}'" if at else "the request"
    return ArgumentError(f"Invalid value at {where} ({kind}), {shown}", field=at)
