"""JSON that is believed only after every key of it was checked.

For files that people and merges touch. Rule: nothing is ignored (unknown, double and missing keys are
errors), and every error knows the way to the value that is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from reconciler.bounds import FLOAT32, INT64
from reconciler.errors import NotJSONError
from reconciler.strictjson import loads, shown

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


def parse(data: bytes, *, most: int) -> dict[str, Any]:
    """The object that these bytes hold.

    Raises:
        WrongValueError: `strictjson.loads` refuses them, or they hold something else than an object.
    """
    try:
        document = loads(data, most=most)
    except NotJSONError as error:
        raise WrongValueError(error.summary) from error
    if not isinstance(document, dict):
        raise WrongValueError(f"it is {shown(document)}, not an object")
    return document


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
    """A whole number from 0, within int64."""
    if type(value) is not int or value < 0:
        raise WrongValueError(f"should be a whole number from 0, not {shown(value)}")
    if value not in INT64:
        raise WrongValueError("is too large for a whole number")
    return value


def moment(value: object) -> str:
    """A time with its zone in RFC 3339, or text that is empty."""
    try:
        known = not text(value) or datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise WrongValueError(f"should be a time in RFC 3339, not {shown(value)}")
    return str(value)


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise WrongValueError(f"should be true or false, not {shown(value)}")
    return value


def scalar(value: object) -> str | int | float | bool:
    """Text, true or false, or a number that a field of a model can hold: int64, or single precision."""
    if isinstance(value, float):
        if math.isfinite(value) and abs(value) <= FLOAT32:
            return value
        raise WrongValueError("is too large for a number")
    if not isinstance(value, (str, int)):
        raise WrongValueError(f"should be text, a number or a list of them, not {shown(value)}")
    if isinstance(value, int) and value not in INT64:
        raise WrongValueError("is too large for a whole number")
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
