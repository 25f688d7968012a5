"""Reads values and mappings of plain documents as the schemas read them.

Rule: this module imports no schema. What is wrong or unusual in any way is not explained here. It raises
LeftError, which leaves the whole document to its schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache, lru_cache, partial
from typing import Any, TypeAlias

from reconciler.formats import parse_duration
from reconciler.manifests.substitution import Substituted, read_scalar
from reconciler.manifests.texts import (
    DURATION,
    INT32,
    ISO_DATE,
    LABEL,
    LABEL_KEY,
    LABEL_LIMIT,
    NAME,
    parse_base_name,
)
from reconciler.settings.forms import LOCATION, PROJECT


class LeftError(Exception):
    """The document has something that only its schema can read."""


Read: TypeAlias = Callable[[Any], object]
"""Returns the value as the schema has it, or raises LeftError."""
Keys: TypeAlias = Mapping[str, "Read | Keys"]
"""The keys of a mapping, and what reads the value of each."""
PlacedKeys: TypeAlias = Mapping[str, tuple[str, Read | None, "PlacedKeys"]]
"""The path of each value from the beginning of the document, what reads it, and the keys of a mapping."""


def place_keys(keys: Keys, above: str = "") -> PlacedKeys:
    """Put its path beside each key. `above`: what every path begins with."""
    return {
        key: (above + key, known, {})
        if callable(known)
        else (above + key, None, place_keys(known, f"{above}{key}."))
        for key, known in keys.items()
    }


def read_keys(keys: PlacedKeys, value: object, found: dict[str, Any]) -> None:
    """Read a mapping, and put each value under its path. Raises LeftError."""
    if type(value) is not dict or not value:
        raise LeftError
    for key, inner in value.items():
        known = keys.get(key)
        if known is None:
            raise LeftError
        path, read, within = known
        if read is not None:
            found[path] = read(inner)
        else:
            read_keys(within, inner, found)


def read_mapping(keys: Keys, *required: str) -> Read:
    """Make the reader of a mapping that is one value. It returns a dict with the keys that are there."""
    placed = place_keys(keys)

    def read(value: object) -> dict[str, Any]:
        found: dict[str, Any] = {}
        read_keys(placed, value, found)
        if not found.keys() >= {*required}:
            raise LeftError
        return found

    return read


def read_list(read_item: Read, least: int = 0) -> Read:
    """Make the reader of a list of so many such items."""

    def read(value: object) -> list[object]:
        if type(value) is not list or len(value) < least:
            raise LeftError
        return [read_item(item) for item in value]

    return read


def read_text(value: object, least: int = 0, most: int | None = None) -> str:
    """Read a text of so many characters. One that variables were put into becomes an ordinary text."""
    if type(value) is not str:
        if type(value) is not Substituted:
            raise LeftError
        value = str(value)
    if len(value) < least or (most is not None and len(value) > most):
        raise LeftError
    return value


def read_visible(value: object) -> str:
    """Read a text that is not blank."""
    text = read_text(value)
    if not text.strip():
        raise LeftError
    return text


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    """Compile a pattern when it is first needed: most manifests need few of them."""
    return re.compile(pattern, re.ASCII)


def read_pattern(pattern: str, most: int | None = None) -> Callable[[object], str]:
    """Make the reader of a text of this form."""

    def read(value: object) -> str:
        text = value if type(value) is str else read_text(value)
        if not _compile(pattern).fullmatch(text) or (most is not None and len(text) > most):
            raise LeftError
        return text

    return read


def read_choice(*choices: str) -> Callable[[object], str]:
    """Make the reader of one of these texts."""
    known = frozenset(choices)

    def read(value: object) -> str:
        text = value if type(value) is str else read_text(value)
        if text not in known:
            raise LeftError
        return text

    return read


def read_flag(value: object) -> bool:
    """Read true or false."""
    value = read_scalar(value)
    if type(value) is not bool:
        raise LeftError
    return value


def _read_integer(value: object, least: int) -> int:
    if type(value) is not int:
        value = read_scalar(value)
    if type(value) is not int or not least <= value <= INT32:
        raise LeftError
    return value


read_whole = partial(_read_integer, least=1)
read_count = partial(_read_integer, least=0)


def _read_number(value: object, least: float, most: float) -> float:
    if type(value) is not float:
        value = read_scalar(value)
    if (type(value) is not float and type(value) is not int) or not least <= value <= most:
        raise LeftError
    return float(value)


read_fraction = partial(_read_number, least=1e-30, most=1)
"""Not zero, which is rare, and nothing that may be zero in single precision."""
read_positive = partial(_read_number, least=1e-30, most=1e30)
read_price = partial(_read_number, least=0, most=1e30)


def read_duration(value: object) -> timedelta:
    """Read a duration with its unit: 24h."""
    text = read_text(value)
    seconds = parse_duration(text) if re.fullmatch(DURATION, text) else None
    if seconds is None:
        raise LeftError
    return timedelta(seconds=seconds)


def read_date(value: object) -> str:
    """Read a date: 2027-01-31."""
    text = read_text(value)
    try:
        if re.fullmatch(ISO_DATE, text, re.ASCII):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise LeftError


def read_gemini_base(value: object) -> str:
    """Read a base model of the Gemini API."""
    text = read_text(value)
    name = parse_base_name(text) if text.startswith("models/") else None
    if name is None:
        raise LeftError
    return f"models/{name}"


def read_vertex_base(value: object) -> str:
    """Read the name of a base model of Vertex AI."""
    text = read_text(value)
    name = parse_base_name(text) if "/" not in text else None
    if name is None:
        raise LeftError
    return name


_LABEL_KEY, _LABEL = re.compile(LABEL_KEY, re.ASCII), re.compile(f"{LABEL}?", re.ASCII)


@lru_cache(maxsize=1000)
def _is_label(key: str, text: str) -> bool:
    if len(key) > LABEL_LIMIT or len(text) > LABEL_LIMIT:
        return False
    return bool(_LABEL_KEY.fullmatch(key) and _LABEL.fullmatch(text))


def read_labels(value: object) -> Mapping[str, str]:
    """Read labels. Many models have the same."""
    if type(value) is not dict:
        raise LeftError
    found = {key: text if type(text) is str else read_text(text) for key, text in value.items()}
    if not all(map(_is_label, found, found.values())):
        raise LeftError
    return found


read_name = read_pattern(NAME)
read_location = read_pattern(LOCATION)
read_project = read_pattern(PROJECT)
