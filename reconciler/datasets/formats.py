"""A data file to examples, each with its place: the extension decides the format."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.datasets import text as texts
from reconciler.datasets.csv_rows import csv_rows
from reconciler.datasets.json_rows import LINE_LIMIT, json_rows, jsonl_rows
from reconciler.datasets.rows import RefusedError, Row
from reconciler.model import Example
from reconciler.problems import FOLDED_ABOVE, FOLDED_TO, Place, Problems, folded, likeness

Rows = list[tuple[Place, Example]]
KINDS_LIMIT = 100
"""So many different kinds of problem of one file are told; what is beyond them is only counted."""


class _Alike:
    """Problems of one file that say the same: the first ones, and how many there are.

    Attributes:
        held: noted when the file has been read, unless there are too many.
    """

    def __init__(self) -> None:
        self.count = 0
        self.held: list[tuple[Place, str, str]] = []
        self.last: int | None = None


class Complaints:
    """Notes what is wrong in one data file; what is wrong in many lines is told in a few."""

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
        key = severity, likeness(summary)
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

    def take(self, other: Problems) -> None:
        """Note what was found while reading."""
        self._problems.take(other)

    def close(self) -> None:
        """Say how many lines were not shown."""
        for (severity, _), alike in self._alike.items():
            if alike.count <= FOLDED_ABOVE:
                for place, summary, detail in alike.held:
                    self._notes[severity](place, summary, detail)
            else:
                place, summary, _ = alike.held[0]
                self._notes[severity](place, *folded(alike.count - FOLDED_TO, "lines", summary, alike.last))
        if self._beyond:
            self._problems.error(
                Place(self._path),
                f"{self._beyond:,} more problems in this file",
                "Mend those that are shown.",
            )


def parse(path: str, text: str, complaints: Complaints) -> Rows:
    """The examples of a file in its order, each with its place; the extension decides the format."""
    return list(_sound(FORMATS[extension(path)](path, text), complaints))


def stream(
    path: str, complaints: Complaints, *, read: Callable[[object], Example], limit: int, whole: int
) -> Iterator[tuple[Place, Example]]:
    """The same of a file that may be large: as it is read, in constant memory.

    Args:
        path: of the file.
        complaints: where to note what is no example.
        read: makes an example of an object of JSON, which may be more than a pair.
        limit: bytes of the file.
        whole: bytes of a .json file, which is one value and so read whole.

    Raises:
        OSError: it cannot be read, or is too large; with `strerror`.
    """
    name = extension(path)
    problems = Problems()
    if name == ".json":
        text = texts.read_data(path, problems, limit=whole)
        found = iter(()) if text is None else json_rows(path, text, read)
    else:
        newline = "\n" if name == ".jsonl" else ""
        lines = texts.read_lines(path, problems, limit=limit, longest=LINE_LIMIT, newline=newline)
        found = jsonl_rows(path, lines, read) if name == ".jsonl" else csv_rows(path, lines)
    yield from _sound(found, complaints)
    complaints.take(problems)


def _sound(found: Iterable[Row], complaints: Complaints) -> Iterator[tuple[Place, Example]]:
    for place, row in found:
        try:
            one = row()
        except RefusedError as error:
            complaints.error(error.place or place, error.summary, error.detail)
        else:
            yield place, one


def extension(path: str) -> str:
    """Lower-case, with its dot; "" without one."""
    return "." + path.rpartition(".")[2].lower() if "." in path.rpartition("/")[2] else ""


FORMATS: Mapping[str, Callable[[str, str], Iterator[Row]]] = {
    ".jsonl": lambda path, text: jsonl_rows(path, text.split("\n")),
    ".json": json_rows,
    ".csv": lambda path, text: csv_rows(path, io.StringIO(text, newline="")),
}
"""How the text of a small file is read."""
