"""JSON that is believed only after every key of it was checked.

For files that people and merges touch. Rule: nothing is ignored (unknown, double and missing keys are
errors), and every error knows the way to the value that is wrong.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN = 40

Reader: TypeAlias = Callable[[object], Any]
"""Answers the value that it was given, checked and converted, or raises WrongValueError."""

Table: TypeAlias = Mapping[str, Reader]
"""The keys of an object, each with its reader."""


class WrongValueError(Exception):
    """A value that is not what its key promises.

    Attributes:
        problem: what is wrong with it.
        path: the keys that lead to it, outermost first.
    """

    def __init__(self, problem: str, *path: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path

    def under(self, key: str) -> WrongValueError:
        """The same, seen from one level further out."""
        return WrongValueError(self.problem, key, *self.path)

    def __str__(self) -> str:
        return ": ".join((*self.path, self.problem))


def parse(data: bytes) -> dict[str, Any]:
    """The object that these bytes hold.

    Raises:
        WrongValueError: they are empty, cut off, not UTF-8, not JSON, not an object; or hold a key
            twice, NaN, or half of a surrogate pair.
    """
    if not data.strip():
        raise WrongValueError("it holds nothing but white space" if data else "it is empty (0 bytes)")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongValueError(f"byte {error.start} is not UTF-8") from error
    try:
        document = json.loads(text, object_pairs_hook=_pairs, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        end = " (is it cut off?)" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else ""
        problem = f"line {error.lineno}, column {error.colno} is not JSON: {error.msg}{end}"
        raise WrongValueError(problem) from error
    except (ValueError, RecursionError) as error:  # 5,000 digits, 100,000 brackets
        raise WrongValueError(f"it is too long or too deep: {error}") from error
    if not isinstance(document, dict):
        raise WrongValueError(f"it is {shown(document)}, not an object")
    if "\\u" in text and _SURROGATE.search(text):
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise WrongValueError(f"a text holds half a character ({half!r})") from error
    return document


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        address = found.get("address")
        raise WrongValueError(f"the key {shown(twice)} stands twice", *([address] if address else []))
    return found


def _no_constant(name: str) -> NoReturn:
    raise WrongValueError(f"{name} is not a number that JSON knows")


def shown(value: object) -> str:
    """The value in a message: recognisable, never long."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def text(value: object) -> str:
    """Text, possibly empty."""
    if not isinstance(value, str):
        raise WrongValueError(f"should be text, not {shown(value)}")
    return value


def name(value: object) -> str:
    """Text that is not empty."""
    if not text(value):
        raise WrongValueError("is empty")
    return str(value)


def count(value: object) -> int:
    """A whole number from 0."""
    if type(value) is not int or value < 0:
        raise WrongValueError(f"should be a whole number from 0, not {shown(value)}")
    return value


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise WrongValueError(f"should be true or false, not {shown(value)}")
    return value


def scalar(value: object) -> str | int | float | bool:
    """Text, a finite number, true or false."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise WrongValueError("is too large for a number")
    if not isinstance(value, (str, int)):
        raise WrongValueError(f"should be text, a number or a list of them, not {shown(value)}")
    return value


def optional(read: Reader) -> Reader:
    """The same, or null."""
    return lambda value: None if value is None else read(value)


def each(read: Reader) -> Callable[[object], tuple[Any, ...]]:
    """A list, as a tuple."""

    def every(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise WrongValueError(f"should be a list, not {shown(value)}")
        return tuple(map(read, value))

    return every


def mapping(value: object, read: Reader) -> dict[str, Any]:
    """An object whose keys are free, each value read the same way."""
    if not isinstance(value, dict):
        raise WrongValueError(f"should be an object, not {shown(value)}")
    found: dict[str, Any] = {}
    for key, one in value.items():
        try:
            found[key] = read(one)
        except WrongValueError as wrong:
            raise wrong.under(key) from None
    return found


def known(value: object, table: Table, required: Iterable[str]) -> dict[str, Any]:
    """An object of which every key is known, each value read by its own reader."""
    if not isinstance(value, dict):
        raise WrongValueError(f"should be an object, not {shown(value)}")
    found: dict[str, Any] = {}
    for key, one in value.items():
        if key not in table:
            raise WrongValueError("is not a key that this version knows", key)
        try:
            found[key] = table[key](one)
        except WrongValueError as wrong:
            raise wrong.under(key) from None
    for key in required:
        if key not in found:
            raise WrongValueError("is missing", key)
    return found
