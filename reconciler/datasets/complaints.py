"""Collects the problems of one data file. If many lines have the same problem, only a few are reported."""

from __future__ import annotations

from msgspec import Struct, field

from reconciler.problems import FOLDED_ABOVE, FOLDED_TO, Place, Problems, drop_details, summarize_rest

KINDS_LIMIT = 100
"""At most this many different problems of one file are reported. The others are only counted."""


class _Alike(Struct):
    """Problems of one file with the same text.

    Attributes:
        held: the problems to report at the end, unless there are too many.
        last: line of the last one.
    """

    count: int = 0
    held: list[tuple[Place, str, str]] = field(default_factory=list)
    last: int | None = None


class Complaints:
    """Notes problems and warnings of one file; call `close` after the last one."""

    def __init__(self, path: str, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self._notes = {"error": problems.error, "warning": problems.warning}
        self._alike: dict[tuple[str, str], _Alike] = {}
        self._beyond = 0

    def error(self, place: Place, summary: str, detail: str) -> None:
        """Note an error."""
        self._note("error", place, summary, detail)

    def warning(self, place: Place, summary: str, detail: str) -> None:
        """Note a warning."""
        self._note("warning", place, summary, detail)

    def _note(self, severity: str, place: Place, summary: str, detail: str) -> None:
        key = severity, drop_details(summary)
        if key not in self._alike and len(self._alike) == KINDS_LIMIT:
            self._beyond += 1
            return
        alike = self._alike.setdefault(key, _Alike())
        alike.count += 1
        alike.last = place.line
        if alike.count <= FOLDED_TO:
            self._notes[severity](place, summary, detail)
        elif alike.count <= FOLDED_ABOVE:
            alike.held.append((place, summary, detail))

    def close(self) -> None:
        """Report the problems that were held back, or how many lines are not shown."""
        for (severity, _), alike in self._alike.items():
            note = self._notes[severity]
            if alike.count <= FOLDED_ABOVE:
                for place, summary, detail in alike.held:
                    note(place, summary, detail)
            else:
                place, summary, _ = alike.held[0]
                note(place, *summarize_rest(alike.count - FOLDED_TO, "lines", summary, alike.last))
        if self._beyond:
            self._problems.error(
                Place(self._path),
                f"{self._beyond:,} more problems in this file",
                "Correct those that are shown.",
            )
