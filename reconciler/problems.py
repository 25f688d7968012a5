"""Collects what is wrong with files, and words that messages about them share.

Rule: raise at the end only, because people want to mend all problems at once, not one in each run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from reconciler.errors import Diagnostic, ManifestError, Severity
from reconciler.formats import shorten


class Place(NamedTuple):
    """The place of a problem: the path as the user gave it, then 1-based numbers, None where unknown."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in self if part is not None)


class HasPlace(Protocol):
    """Something that is written in a file. Finding its place may take long, so ask for it only if needed."""

    @property
    def file(self) -> str:
        """The file that contains it."""

    @property
    def place(self) -> Place:
        """Its place."""


class Refusal(NamedTuple):
    """The reason why something is refused, and what to do about it. A problem without its place."""

    summary: str
    detail: str


UTF8_ADVICE = "Save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW"
"""Advice for a file in UTF-16."""


class Problems:
    """A collector of errors and warnings.

    It keeps the first error of each place, because the others follow from it, and each warning once.
    """

    def __init__(self) -> None:
        self._errors: dict[Place, Diagnostic] = {}
        self._warnings: dict[tuple[Place, str], Diagnostic] = {}

    def error(self, place: Place, summary: str, detail: str = "", *, address: str | None = None) -> None:
        """Note an error, unless the place has one already."""
        self._errors.setdefault(place, Diagnostic(summary, detail, *place, address=address))

    def warning(self, place: Place, summary: str, detail: str = "", *, address: str | None = None) -> None:
        """Note a warning, unless the place has the same one already. Warnings stop nothing."""
        found = Diagnostic(summary, detail, *place, Severity.WARNING, address)
        self._warnings.setdefault((place, summary), found)

    def take(self, other: Problems, since: int = 0) -> None:
        """Note the errors of another collector, from its `since`-th on."""
        for place, problem in list(other._errors.items())[since:]:
            self._errors.setdefault(place, problem)

    def list_warnings(self) -> tuple[Diagnostic, ...]:
        """List every warning in the order in which they were noted."""
        return tuple(self._warnings.values())

    def __len__(self) -> int:
        """Count the errors; warnings do not count."""
        return len(self._errors)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The warnings, sorted by place and folded like the errors."""
        return fold(self._warnings.values())

    def raise_if_any(self) -> None:
        """Raise ManifestError with all errors and warnings, sorted by place, if there is an error.

        If many of them say the same of one file, the first ones are shown and the others counted.
        """
        if self._errors:
            raise ManifestError(fold([*self._errors.values(), *self._warnings.values()]))


_SHOWN = 40
FOLDED_ABOVE = 5
"""Up to this many similar problems of one file are all shown."""
FOLDED_TO = 2
"""If there are more, only this many are shown, and the others are counted."""
_VARYING = r"'[^']*'|\"[^\"]*\"|\d[\d,.]*"


@lru_cache(maxsize=100)
def drop_details(summary: str) -> str:
    """Remove names, texts and numbers from a summary, so that summaries of one kind are equal."""
    return re.sub(_VARYING, "…", summary)


def summarize_rest(count: int, what: str, summary: str, last: int | None) -> Refusal:
    """Write the message that stands for problems that are not shown.

    Args:
        count: how many they are.
        what: what each of them stands in: "lines".
        summary: of one of them.
        last: line of the last one.
    """
    until = f" The last one is on line {last:,}." if last else ""
    return Refusal(f"and {count:,} more {what}: {summary}", f"Correct them in the same way.{until}")


def fold(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort by place. Of many like problems of one file keep only the first, and count the others."""
    alike: dict[tuple[str | None, Severity, str], list[Diagnostic]] = {}
    for problem in sorted(diagnostics, key=_sort_key):
        alike.setdefault((problem.file, problem.severity, drop_details(problem.summary)), []).append(problem)
    for (file, severity, _), found in alike.items():
        if len(found) > FOLDED_ABOVE and file is not None:
            third = found[FOLDED_TO]
            rest = summarize_rest(len(found) - FOLDED_TO, "places", third.summary, found[-1].line)
            found[FOLDED_TO:] = [Diagnostic(*rest, file, third.line, third.column, severity)]
    return tuple(sorted((problem for found in alike.values() for problem in found), key=_sort_key))


def _sort_key(one: Diagnostic) -> tuple[str, int, int]:
    return (one.file or "", one.line or 0, one.column or 0)


def find_nearest(word: str, known: Sequence[str]) -> str | None:
    """Find the known word that was probably meant, or None."""
    from difflib import get_close_matches

    matches = get_close_matches(word, known, n=1, cutoff=0.6)
    if not matches:
        # "Temperature" and "EPOCH_COUNT" are near for a person, and far for difflib
        folded = {name.lower(): name for name in reversed(known)}
        matches = [folded[name] for name in get_close_matches(word.lower(), list(folded), n=1, cutoff=0.75)]
    return matches[0] if matches else None


def write_scalar(value: object) -> str:
    """Write a value as YAML does, for messages and variables: true, 5, 0.001."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def describe(value: object) -> str:
    """Describe a value for "must be a number, not …"; a long value is cut."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {write_scalar(value)}"
        case int() | float():
            return f"the number {shorten(write_scalar(value), _SHOWN)}"
        case str():
            return f"the text {shorten(value, _SHOWN)!r}"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return "something else"
