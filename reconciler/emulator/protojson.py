"""What a request may say: the messages of the API, and the reader that checks a body against one.

The tables are the protos' fields, under their snake_case names; lowerCamelCase is accepted too, an
enum by name or number, a number as a string. What is read comes out under lowerCamelCase names.
All unknown names are reported at once, in the service's words.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from reconciler.emulator.errors import ApiError, invalid
from reconciler.emulator.json_text import float32

Message: TypeAlias = Mapping[str, "Field"]

_INT_TYPES = {"TYPE_INT32": 2**31, "TYPE_INT64": 2**63}


@dataclasses.dataclass(frozen=True)
class Field:
    """One field: its scalar type, or its message, or its enum's names by number.

    TYPE_MAP is a map of strings; TYPE_ANY is taken as it comes.
    """

    kind: str = "TYPE_STRING"
    message: Message | None = None
    names: tuple[str, ...] = ()
    repeated: bool = False
    oneof: str = ""


_STRING, _FLOAT, _INT32 = Field(), Field("TYPE_FLOAT"), Field("TYPE_INT32")
_TIME, _ANY = Field("TYPE_TIMESTAMP"), Field("TYPE_ANY")

_SNAPSHOT: Message = {
    "step": _INT32,
    "epoch": _INT32,
    "mean_loss": _FLOAT,
    "compute_time": _TIME,
}
_EXAMPLE: Message = {"text_input": Field(oneof="model_input"), "output": _STRING}
_EXAMPLES: Message = {"examples": Field(message=_EXAMPLE, repeated=True)}
_HYPERPARAMETERS: Message = {
    "learning_rate": Field("TYPE_FLOAT", oneof="learning_rate_option"),
    "learning_rate_multiplier": Field("TYPE_FLOAT", oneof="learning_rate_option"),
    "epoch_count": _INT32,
    "batch_size": _INT32,
}
_TUNING_TASK: Message = {
    "start_time": _TIME,
    "complete_time": _TIME,
    "snapshots": Field(message=_SNAPSHOT, repeated=True),
    "training_data": Field(message={"examples": Field(message=_EXAMPLES, oneof="dataset")}),
    "hyperparameters": Field(message=_HYPERPARAMETERS),
}
STATES = ("STATE_UNSPECIFIED", "CREATING", "ACTIVE", "FAILED")
TUNED_MODEL: Message = {
    "tuned_model_source": Field(
        message={"tuned_model": _STRING, "base_model": _STRING}, oneof="source_model"
    ),
    "base_model": Field(oneof="source_model"),
    "name": _STRING,
    "display_name": _STRING,
    "description": _STRING,
    "temperature": _FLOAT,
    "top_p": _FLOAT,
    "top_k": _INT32,
    "state": Field("TYPE_ENUM", names=STATES),
    "create_time": _TIME,
    "update_time": _TIME,
    "tuning_task": Field(message=_TUNING_TASK),
    "reader_project_numbers": Field("TYPE_INT64", repeated=True),
}
GRANTEES = ("GRANTEE_TYPE_UNSPECIFIED", "USER", "GROUP", "EVERYONE")
ROLES = ("ROLE_UNSPECIFIED", "OWNER", "WRITER", "READER")
PERMISSION: Message = {
    "name": _STRING,
    "grantee_type": Field("TYPE_ENUM", names=GRANTEES),
    "email_address": _STRING,
    "role": Field("TYPE_ENUM", names=ROLES),
}
TRANSFER_OWNERSHIP: Message = {"name": _STRING, "email_address": _STRING}
_PART: Message = {
    "text": Field(oneof="data"),
    **dict.fromkeys(
        (
            "inline_data",
            "file_data",
            "function_call",
            "function_response",
            "executable_code",
            "code_execution_result",
            "thought",
            "thought_signature",
            "video_metadata",
            "media_resolution",
            "part_metadata",
        ),
        _ANY,
    ),
}
_CONTENT: Message = {"parts": Field(message=_PART, repeated=True), "role": _STRING}
GENERATE_CONTENT: Message = {
    "model": _STRING,
    "contents": Field(message=_CONTENT, repeated=True),
    "system_instruction": Field(message=_CONTENT),
    "tools": _ANY,
    "tool_config": _ANY,
    "safety_settings": _ANY,
    "generation_config": _ANY,
    "cached_content": _STRING,
}
COUNT_TOKENS: Message = {
    "model": _STRING,
    "contents": Field(message=_CONTENT, repeated=True),
    "generate_content_request": Field(message=GENERATE_CONTENT),
}
CANCEL: Message = {"name": _STRING}


# Enums of answers, for callers who ask for numbers.
NUMBERS: Mapping[str, Mapping[str, int]] = {
    "state": {name: number for number, name in enumerate(STATES)},
    "granteeType": {name: number for number, name in enumerate(GRANTEES)},
    "role": {name: number for number, name in enumerate(ROLES)},
    "finishReason": {"STOP": 1},
    "probability": {"NEGLIGIBLE": 1},
    "category": {
        "HARM_CATEGORY_HARASSMENT": 7,
        "HARM_CATEGORY_HATE_SPEECH": 8,
        "HARM_CATEGORY_SEXUALLY_EXPLICIT": 9,
        "HARM_CATEGORY_DANGEROUS_CONTENT": 10,
    },
}


def numbered(value: object) -> object:
    """Return the answer *value* with its enums as numbers."""
    if isinstance(value, list):
        return [numbered(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: NUMBERS.get(key, {}).get(item, item) if isinstance(item, str) else numbered(item)
        for key, item in value.items()
    }


def camel(name: str) -> str:
    """Return the JSON name of a field."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name: str) -> str:
    """Return the proto name of a field, from either spelling."""
    return re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name)


def parse(message: Message, value: object, at: str) -> dict[str, Any]:
    """Return *value* read as *message*, its keys in lowerCamelCase.

    Args:
        message: what is expected.
        value: JSON.
        at: where the value sits in the request, '' for the request itself.

    Raises:
        ApiError: 400, naming what is wrong and where.
    """
    unknown: list[tuple[str, str]] = []
    parsed = _message(message, value, at, unknown)
    if unknown:
        violations = [
            {"field": place, "description": text} if place else {"description": text}
            for place, text in unknown
        ]
        kind = "type.googleapis.com/google.rpc.BadRequest"
        text = "\n".join(text for _, text in unknown)
        raise ApiError(400, text, details=({"@type": kind, "fieldViolations": violations},))
    return parsed


def _message(message: Message, value: object, at: str, unknown: list[tuple[str, str]]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(at, "TYPE_MESSAGE", value)
    parsed: dict[str, Any] = {}
    taken: dict[str, str] = {}
    for key, item in value.items():
        name = key if key in message else snake(key)
        field = message.get(name)
        if field is None or key not in {name, camel(name)}:
            place = f" at '{at}'" if at else ""
            text = f'Invalid JSON payload received. Unknown name "{key}"{place}: Cannot find field.'
            unknown.append((at, text))
            continue
        if item is None:
            continue
        if camel(name) in parsed or taken.get(field.oneof):
            what = f"oneof field '{field.oneof}'" if field.oneof else f"field '{name}'"
            where = at or "request"
            text = f"Invalid value at '{where}' (oneof), {what} is already set. Cannot set '{key}'"
            raise invalid(text, field=at)
        if field.oneof:
            taken[field.oneof] = key
        here = f"{at}.{name}" if at else name
        parsed[camel(name)] = _field(field, item, here, unknown)
    return parsed


def _field(field: Field, value: object, at: str, unknown: list[tuple[str, str]]) -> object:
    if not field.repeated:
        if isinstance(value, list) and field.kind != "TYPE_ANY":
            text = (
                f'Invalid JSON payload received. Unknown name "{at.rpartition(".")[2]}": '
                "Proto field is not repeating, cannot start list."
            )
            raise invalid(text, field=at)
        return _single(field, value, at, unknown)
    items = value if isinstance(value, list) else [value]
    return [_single(field, item, f"{at}[{n}]", unknown) for n, item in enumerate(items)]


def _single(field: Field, value: object, at: str, unknown: list[tuple[str, str]]) -> object:
    if field.message is not None:
        return _message(field.message, value, at, unknown)
    match field.kind:
        case "TYPE_ANY":
            return value
        case "TYPE_STRING" | "TYPE_TIMESTAMP":
            return _string(value, at, field.kind)
        case "TYPE_ENUM":
            return _enum(field.names, value, at)
        case "TYPE_FLOAT" | "TYPE_DOUBLE":
            return _float(value, at, field.kind)
        case "TYPE_BOOL":
            if isinstance(value, bool):
                return value
            raise _bad(at, field.kind, value)
        case "TYPE_MAP":
            if not isinstance(value, dict):
                raise _bad(at, "TYPE_MESSAGE", value)
            return {key: _string(item, f"{at}.{key}", "TYPE_STRING") for key, item in value.items()}
        case kind:
            return _integer(value, at, kind)


def _string(value: object, at: str, kind: str) -> str:
    if not isinstance(value, str):
        raise _bad(at, kind, value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _bad(at, kind, "\N{REPLACEMENT CHARACTER}") from None
    return value


def _enum(names: tuple[str, ...], value: object, at: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    if isinstance(value, str) and value in names:
        return value
    raise _bad(at, "TYPE_ENUM", value)


def _float(value: object, at: str, kind: str) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise _bad(at, kind, value)
        number = float(value)
        if math.isfinite(number):
            return number if kind == "TYPE_DOUBLE" else float32(number)
    except (ValueError, OverflowError):
        pass
    raise _bad(at, kind, value)


def _integer(value: object, at: str, kind: str) -> int:
    number: int | None = None
    if isinstance(value, str):
        number = int(value) if re.fullmatch(r"-?[0-9]{1,20}", value) else None
    elif isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        number = int(value)
    if number is None or not -_INT_TYPES[kind] <= number < _INT_TYPES[kind]:
        raise _bad(at, kind, value)
    return number


def _bad(at: str, kind: str, value: object) -> ApiError:
    shown = f'"{value[:80]}"' if isinstance(value, str) else str(value)[:80]
    where = f"'{at}'" if at else "the request"
    return invalid(f"Invalid value at {where} ({kind}), {shown}", field=at)
