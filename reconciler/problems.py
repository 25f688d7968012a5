"""What is wrong, collected: every problem of every file, one for each place, in the order of reading.

Rule: nothing here raises before the end; a person mends all problems at once, not one a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reconciler.errors import Diagnostic, ManifestError


class Place(NamedTuple):
    """Where a problem stands: the path as the user gave it, then 1-based numbers, None where unknown."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in self if part is not None)


class Problems:
    """A collector: the first problem met at a place is the cause, those after it are its consequences."""

    def __init__(self) -> None:
        self._errors: dict[Place, Diagnostic] = {}
        self._warnings: dict[Place, Diagnostic] = {}

    def error(self, place: Place, summary: str, detail: str = "", *, address: str | None = None) -> None:
        """Note an error; ignored when the place has one already."""
        if place not in self._errors:
            self._errors[place] = Diagnostic(summary, detail, *place, address=address)

    def warning(self, place: Place, summary: str, detail: str = "", *, address: str | None = None) -> None:
        """Note a warning; it stops nothing."""
        if place not in self._warnings:
            self._warnings[place] = Diagnostic(summary, detail, *place, severity="warning", address=address)

    def take(self, other: Problems, since: int = 0) -> None:
        """Note the errors of another collector, from its `since`-th on."""
        for place, one in list(other._errors.items())[since:]:
            self._errors.setdefault(place, one)

    def __len__(self) -> int:
        """How many errors there are; warnings do not count."""
        return len(self._errors)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The warnings, sorted by place; many of one file that say the same are told in a few lines."""
        return tuple(_few(sorted(self._warnings.values(), key=_order)))

    def raise_if_any(self) -> None:
        """Raise ManifestError with all errors and warnings, sorted by file and line, if there is an error.

        Many of one file that say the same are told in a few lines.
        """
        if self._errors:
            raise ManifestError(_few(sorted([*self._errors.values(), *self._warnings.values()], key=_order)))


FOLDED_ABOVE = 5
"""So many problems of one file that say the same are all shown; of more the first ones."""
FOLDED_TO = 2
"""How many are shown then; the rest is counted."""
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d,.]*")


def likeness(summary: str) -> str:
    """What is equal for problems that say the same: names, texts and numbers in them may differ."""
    return _VARYING.sub("…", summary)


def folded(count: int, what: str, summary: str, last: int | None) -> tuple[str, str]:
    """Summary and advice in place of problems that are not shown.

    Args:
        count: of them.
        what: "lines".
        summary: of one of them.
        last: line of the last one.
    """
    until = f" The last one is on line {last:,}." if last else ""
    return f"and {count:,} more {what}: {summary}", f"Correct them in the same way.{until}"


def _few(diagnostics: Sequence[Diagnostic]) -> Iterable[Diagnostic]:
    """The same, in order, without most of those of one file that say the same."""
    alike: dict[tuple[str | None, str, str], list[Diagnostic]] = {}
    for one in diagnostics:
        alike.setdefault((one.file, one.severity, likeness(one.summary)), []).append(one)
    for (file, severity, _), found in alike.items():
        if len(found) > FOLDED_ABOVE and file is not None:
            third = found[FOLDED_TO]
            summary, detail = folded(len(found) - FOLDED_TO, "places", third.summary, found[-1].line)
            found[FOLDED_TO:] = [Diagnostic(summary, detail, file, third.line, third.column, severity)]
    return sorted((one for found in alike.values() for one in found), key=_order)


def _order(one: Diagnostic) -> tuple[str, int, int]:
    return (one.file or "", one.line or 0, one.column or 0)


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that was probably meant, or None."""
    from difflib import get_close_matches

    matches = get_close_matches(word, known, n=1, cutoff=0.6)
    if not matches:
        # "Temperature" and "EPOCH_COUNT" are near for a person, and far for difflib
        folded = {one.lower(): one for one in reversed(known)}
        matches = [folded[one] for one in get_close_matches(word.lower(), list(folded), n=1, cutoff=0.75)]
    return matches[0] if matches else None


def written(value: object) -> str:
    """A value as YAML writes it, for messages and variables: true, 5, 0.001."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def described(value: object) -> str:
    """What a value is, for "must be a number, not …"; never more than a few words of it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {written(value)}"
        case int() | float():
            return f"the number {_short(written(value))}"
        case str():
            return f"the text {_short(value)!r}"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return "something else"


def _short(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
