"""Readers that check and convert one value of JSON. `codec` combines them.

Rule: anything but exactly what a reader takes raises WrongValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias

from reconciler.bounds import INT64
from reconciler.model.names import Address
from reconciler.strictjson import show_value

Reader: TypeAlias = Callable[[object], Any]
"""Returns the checked and converted value, or raises WrongValueError."""


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
        """Return the same error with the outer key added."""
        return WrongValueError(self.problem, key, *self.path)

    def __str__(self) -> str:
        return ": ".join((*self.path, self.problem))


def read_under(key: str, read: Reader, value: object) -> Any:
    """Read the value of a key, and add the key to the path of an error."""
    try:
        return read(value)
    except WrongValueError as wrong:
        raise wrong.under(key) from None


def _make_reader(kind: type, what: str) -> Reader:
    """Make a reader of values of exactly one type. True is not a number."""

    def read(value: object) -> object:
        if type(value) is not kind:
            raise WrongValueError(f"should be {what}, not {show_value(value)}")
        return value

    return read


read_object = _make_reader(dict, "an object")
read_text = _make_reader(str, "text")
read_flag = _make_reader(bool, "true or false")
read_whole = _make_reader(int, "a whole number")


def read_name(value: object) -> str:
    """Read text that is not empty."""
    text: str = read_text(value)
    if not text:
        raise WrongValueError("is empty")
    return text


def read_address(value: object) -> Address:
    """Read KIND/NAME."""
    try:
        return Address.parse(read_name(value))
    except ValueError:
        raise WrongValueError(f"should be KIND/NAME, not {show_value(value)}") from None


def read_moment(value: object) -> str:
    """Read a time with its zone in RFC 3339, or empty text."""
    text: str = read_text(value)
    try:
        is_moment = not text or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        is_moment = False
    if not is_moment:
        raise WrongValueError(f"should be a time in RFC 3339, not {show_value(value)}")
    return text


def read_count(value: object) -> int:
    """Read a whole number from 0, within int64."""
    if type(value) is not int or value < 0:
        raise WrongValueError(f"should be a whole number from 0, not {show_value(value)}")
    if value not in INT64:
        raise WrongValueError("is too large for a whole number")
    return value


def read_number(value: object) -> float:
    """Read a finite number, with or without a fraction."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongValueError(f"should be a number, not {show_value(value)}")
    if not math.isfinite(value):
        raise WrongValueError("should be a finite number")
    return float(value)


def read_scalar(value: object) -> str | int | float | bool:
    """Read text, true or false, or a finite number."""
    if isinstance(value, float):
        return read_number(value)
    if not isinstance(value, (str, int)):
        raise WrongValueError(f"should be text, a number or a list of them, not {show_value(value)}")
    return value


def read_scalars(value: object) -> object:
    """Read a scalar or a list of scalars."""
    return tuple(map(read_scalar, value)) if isinstance(value, list) else read_scalar(value)


def read_member(kind: type[Enum], *, or_null: bool = False) -> Reader:
    """Make a reader of an enum's values, and of null if that is allowed."""
    members: dict[object, object] = {member.value: member for member in kind}
    names = ("null or " if or_null else "") + "one of " + ", ".join(str(word) for word in members if word)

    def read(value: object) -> object:
        if value is None and or_null:
            return None
        if read_text(value) not in members:
            raise WrongValueError(f"should be {names}, not {show_value(value)}")
        return members[value]

    return read


def read_optional(read: Reader) -> Reader:
    """Make a reader that also takes null."""
    return lambda value: None if value is None else read(value)


def read_each(read: Reader) -> Reader:
    """Make a reader of lists, as tuples. An error names a member by its address, if it has one."""

    def read_list(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise WrongValueError(f"should be a list, not {show_value(value)}")
        if not value:
            return ()
        found = []
        for item in value:
            try:
                found.append(read(item))
            except WrongValueError as wrong:
                address = item.get("address") if isinstance(item, dict) else None
                raise (wrong.under(address) if isinstance(address, str) else wrong) from None
        return tuple(found)

    return read_list


def read_mapping(read_key: Reader, read: Reader) -> Reader:
    """Make a reader of objects with free keys, whose values are read alike."""

    def read_items(value: object) -> dict[Any, Any]:
        items = read_object(value)
        keys = items if read_key is read_text else map(read_key, items)  # a key of JSON is always text
        try:
            return dict(zip(keys, map(read, items.values()), strict=True))
        except WrongValueError:  # read again, to say where
            return {
                read_under(key, read_key, key): read_under(key, read, item) for key, item in items.items()
            }

    return read_items
