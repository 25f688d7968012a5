"""JSON in and out, as the service reads and writes it.

Read leniently: a comma before a closing bracket is fine, as in Google's own tutorial. What is deeper than
Google's own parser goes, or no finite number, is refused. Written with
two spaces of indentation and no ASCII escapes, as the service does: people grep it.
"""

import functools
import json
import math
import re
import struct
from typing import Any, NoReturn

from reconciler.emulator.errors import invalid

_DEEPEST = 100
# A string without an end is one too, or a body of quotes would be looked through again for each of them.
_STRING_OR_COMMA = re.compile(r'"(?:[^"\\]|\\.)*+"?|,(?=\s*[}\]])', re.DOTALL)
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read(body: bytes) -> Any:
    """Return the JSON value in *body*, or raise the service's 400."""
    try:
        text = body.decode()
        try:
            value = _parsed(text)
        except json.JSONDecodeError:
            value = _parsed(_STRING_OR_COMMA.sub(_drop_comma, text))
        if "\\u" in text:
            # Half of a surrogate pair is a string in Python, and in no encoding.
            _compact.encode(value).encode()
    except (ValueError, RecursionError):
        text = "Invalid JSON payload received. Unexpected token."
        raise invalid(text, field="(request body)") from None
    return value


def _parsed(text: str) -> Any:
    value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
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


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _drop_comma(match: re.Match[str]) -> str:
    return "" if match[0] == "," else match[0]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def write(value: object, *, pretty: bool = True) -> str:
    """Return *value* as JSON text."""
    return _indented(value, "\n") if pretty else _compact.encode(value)


def _indented(value: object, line: str) -> str:
    # json's own indent= runs in pure Python and is several times slower than this.
    deeper = line + "  "
    if isinstance(value, dict) and value:
        fields = (f"{_leaf(key)}: {_indented(item, deeper)}" for key, item in value.items())
        return "{" + deeper + f",{deeper}".join(fields) + line + "}"
    if isinstance(value, list) and value:
        items = (_indented(item, deeper) for item in value)
        return "[" + deeper + f",{deeper}".join(items) + line + "]"
    return _leaf(value)


def _leaf(value: object) -> str:
    if type(value) is str and len(value) < 64:
        return _short(value)
    return _compact.encode(value)


@functools.lru_cache(maxsize=4096)
def _short(value: str) -> str:
    return _compact.encode(value)


def shifted(text: str, spaces: int) -> str:
    """Return the JSON *text* as it looks *spaces* deeper."""
    return text.replace("\n", "\n" + " " * spaces)


def float32(value: float) -> float:
    """Return the shortest decimal that is the same 32-bit float as *value*."""
    packed = struct.pack("<f", value)
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == packed:
            return short
    return float(f"{value:.9g}")
