"""A data file to examples, each with its place: the extension decides the format."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.manifests import sources
from reconciler.manifests.csv_rows import csv_rows
from reconciler.manifests.data_rows import RefusedError, Row
from reconciler.manifests.json_rows import LINE_LIMIT, json_rows, jsonl_rows
from reconciler.manifests.problems import Place, Problems
from reconciler.model import Example

PROBLEM_LIMIT = 1000
"""After so many problems in one file the rest is only counted."""

Rows = list[tuple[Place, Example]]


class Complaints:
    """Notes what is wrong in one data file, and counts what is too much to be shown."""

    def __init__(self, path: str, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self._errors = self._warnings = 0

    def error(self, place: Place, summary: str, detail: str) -> None:
        """Note an error."""
        self._errors += 1
        if self._errors <= PROBLEM_LIMIT:
            self._problems.error(place, summary, detail)

    def warning(self, place: Place, summary: str, detail: str) -> None:
        """Note a warning."""
        self._warnings += 1
        if self._warnings <= PROBLEM_LIMIT:
            self._problems.warning(place, summary, detail)

    def take(self, other: Problems) -> None:
        """Note what was found while reading."""
        self._errors += len(other)
        self._problems.take(other)

    def close(self) -> None:
        """Say how much was not shown."""
        for count, note in ((self._errors, self._problems.error), (self._warnings, self._problems.warning)):
            if count > PROBLEM_LIMIT:
                text = f"{count - PROBLEM_LIMIT:,} more problems in this file"
                note(Place(self._path), text, "Mend those that are shown.")


def parse(path: str, text: str, problems: Problems) -> Rows:
    """The examples of a file in its order, each with its place; the extension decides the format."""
    complaints = Complaints(path, problems)
    rows = list(_sound(FORMATS[extension(path)](path, text), complaints))
    complaints.close()
    return rows


def stream(
    path: str, complaints: Complaints, *, read: Callable[[object], Example], limit: int, whole: int
) -> Iterator[tuple[Place, Example]]:
    """The same of a file that may be large: as it is read, in constant memory.

    Args:
        path: of the file.
        complaints: where to note what is no example.
        read: makes an example of an object of JSONL, which may be more than a pair.
        limit: bytes of the file.
        whole: bytes of a .json file, which is one value and so read whole.

    Raises:
        OSError: it cannot be read, or is too large; with `strerror`.
    """
    name = extension(path)
    problems = Problems()
    if name == ".json":
        text = sources.read_data(path, problems, limit=whole)
        found = iter(()) if text is None else json_rows(path, text)
    else:
        newline = "\n" if name == ".jsonl" else ""
        lines = sources.read_lines(path, problems, limit=limit, longest=LINE_LIMIT, newline=newline)
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
