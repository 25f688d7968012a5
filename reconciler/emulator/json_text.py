"""JSON text, read and written as the services do.

Reading is lenient: a comma before a closing bracket is fine, as in Google's own tutorial. A value that is
nested deeper than Google's parser goes, or a number that is not finite, is refused. Text is written with two
spaces of indentation and without ASCII escapes, as the service does, because people grep it. msgspec indents
it: json does that without its C code, which took a third of the emulator's time.
"""

import json
import math
import re
import struct
from typing import Any

import msgspec.json

from reconciler.emulator.errors import ArgumentError

_DEEPEST = 100
# A string that does not end matches too; else a body of quotes would be searched again for each of them.
_STRING_OR_COMMA = re.compile(r'"(?:[^"\\]|\\.)*+"?|,(?=\s*[}\]])', re.DOTALL)
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def parse_json(body: bytes) -> Any:
    """Return the JSON value in *body*, or raise the service's 400."""
    try:
        text = body.decode()
        try:
            value = _parse(text)
        except json.JSONDecodeError:
            value = _parse(_STRING_OR_COMMA.sub(lambda match: match[0].removeprefix(","), text))
        if "\\u" in text:
            # Half of a surrogate pair is a string in Python, but cannot be encoded.
            _COMPACT.encode(value).encode()
    except (ValueError, RecursionError):
        text = "Invalid JSON payload received. Unexpected token."
        raise ArgumentError(text, field="(request body)") from None
    return value


def _parse(text: str) -> Any:
    value = json.loads(text, parse_constant=_parse_finite, parse_float=_parse_finite)
    if text.count("[") + text.count("{") > _DEEPEST:
        _check_depth(value)
    return value


def _check_depth(value: object) -> None:
    level: list[object] = [value]
    for _ in range(_DEEPEST):
        below: list[object] = []
        for item in level:
            below += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        if not below:
            return
        level = below
    raise ValueError(_DEEPEST)


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def format_json(value: object, *, pretty: bool = True) -> str:
    """Return *value* as JSON text."""
    text = _COMPACT.encode(value)
    return msgspec.json.format(text, indent=2) if pretty else text


def round_to_float32(value: float) -> float:
    """Return the shortest decimal that is the same 32-bit float as *value*."""
    packed = struct.pack("<f", value)
    shorter = (float(f"{value:.{digits}g}") for digits in range(6, 9))
    return next((short for short in shorter if struct.pack("<f", short) == packed), float(f"{value:.9g}"))
