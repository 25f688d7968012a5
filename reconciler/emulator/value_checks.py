"""Checks of JSON values that settings and fault rules share."""

from collections.abc import Callable


def is_text(value: object) -> bool:
    """Whether it is a string."""
    return isinstance(value, str)


def is_seconds(value: object) -> bool:
    """Whether it is a number of seconds that the clock can handle."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def make_count_check(least: int, most: int) -> Callable[[object], bool]:
    """Return the check for a whole number from *least* to *most*."""
    return lambda value: type(value) is int and least <= value <= most


def make_choice_check(*values: object) -> Callable[[object], bool]:
    """Return the check for one of *values*, and of their types."""
    return lambda value: any(type(value) is type(each) and value == each for each in values)
