"""Reads plain scalars by YAML 1.2's core schema, which is what people expect from JSON.

PyYAML follows YAML 1.1, where `no` is False, `0755` is 493, `1e-3` is text, and a date is an object.
Rule: there is one deliberate difference from the core schema. A number with a leading zero stays text,
because nobody can tell which number was meant.
"""

from __future__ import annotations

import math
import re

_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{f"{sign}{word}": math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **{f"-{word}": -math.inf for word in (".inf", ".Inf", ".INF")},
}
_LEADS = frozenset("~nNtTfF.-+0123456789")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,63})", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_OTHER_BASE = r"(?a)0o[0-7]{1,64}|0x[0-9a-fA-F]{1,64}"

LEADING_ZERO = r"(?a)[-+]?0[0-9_]+"
"""A number that YAML 1.1 reads as octal. We read it as text, and refuse it where a number is required."""


def resolve(text: str) -> str | int | float | bool | None:
    """Find the value of an unquoted scalar."""
    if text and text[0] not in _LEADS:
        return text
    if text in _WORDS:
        return _WORDS[text]  # type: ignore[return-value]  # the table has no other types
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if re.fullmatch(_OTHER_BASE, text):
        return int(text, 0)
    return text
