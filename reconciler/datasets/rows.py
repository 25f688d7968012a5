"""One row of a data file: an example, or why it is none.

Rule: strings only, exactly as written; nothing is trimmed, normalised, guessed or left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping

from reconciler.datasets import lookalikes
from reconciler.model import Example
from reconciler.problems import Place, described, nearest

SPELLINGS = {"text_input": "text_input", "textInput": "text_input", "output": "output"}
"""How a column may be written, and what it is."""
COLUMNS = ("text_input", "output")

Row = tuple[Place, Callable[[], Example]]
"""Where it stands, and what gives its example or raises RefusedError."""


class RefusedError(Exception):
    """Why a row is no example, and what to do; with its place where that is better known than the row's."""

    def __init__(self, summary: str, detail: str, place: Place | None = None) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.place = place


_TEXT = "Write a text in double quotes."


def raiser(summary: str, detail: str) -> Callable[[], Example]:
    """What stands in a row's place where it is known to be none."""

    def row() -> Example:
        raise RefusedError(summary, detail)

    return row


class Blanks:
    """Empty lines: nothing at the end of a file, wrong between two examples."""

    def __init__(self, path: str) -> None:
        self._path, self._first, self._last = path, 0, 0

    def note(self, number: int) -> None:
        """One more."""
        self._first, self._last = self._first or number, number

    def between(self, what: str) -> Iterator[Row]:
        """Those so far, each as a row that is refused."""
        first, self._first = self._first, 0
        for number in range(first, self._last + 1) if first else ():
            yield Place(self._path, number), raiser("the line is empty", f"Remove it: {what}.")


def described_json(value: object) -> str:
    """In JSON's words."""
    return "null" if value is None else "an object" if isinstance(value, dict) else described(value)


_PAIRS_ONLY = "There are text_input and output only."
_OR_CHAT = "A line has text_input and output, or contents."


def example(row: object, *, chat: bool = False) -> Example:
    """A JSON object as an example; raises RefusedError.

    Args:
        row: any JSON value.
        chat: whether its kind takes Vertex AI's chat form too, for the words of a refusal.
    """
    if not isinstance(row, Mapping):
        raise RefusedError(
            f"an example must be an object, not {described_json(row)}",
            'Write {"text_input": "…", "output": "…"}.',
        )
    found: dict[str, str] = {}
    for key, value in row.items():
        name = SPELLINGS.get(key)
        if name is None:
            named = lookalikes.name_row(row.keys(), chat=chat)
            raise RefusedError(*named) if named else unknown_column(key, _OR_CHAT if chat else _PAIRS_ONLY)
        if name in found:
            raise RefusedError(f"{name} is there twice, in both spellings", "Remove one of them.")
        if not isinstance(value, str):
            is_plain = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
            quoted = json.dumps(value, allow_nan=False) if is_plain else ""
            advice = f'Put it in quotes: "{quoted}".' if 0 < len(quoted) < 40 else _TEXT
            raise RefusedError(f"{key} must be text, not {described_json(value)}", advice)
        found[name] = value
    for name in COLUMNS:
        if name not in found:
            raise RefusedError(f"{name} is missing", "Each example has text_input and output.")
    return Example(found["text_input"], found["output"])


def unknown_column(name: str, takes: str = _PAIRS_ONLY) -> RefusedError:
    """Why a row with this column is none, and which column may be meant."""
    summary = f"{name!r} is not a column of training data" if name else "there is a column without a name"
    if lookalikes.is_index(name):
        return RefusedError(summary, f"{lookalikes.INDEX_ADVICE} {takes}")
    meant, near = lookalikes.column_for(name), nearest(name, COLUMNS)
    advice = f"Rename it to {meant}. " if meant else f"Did you mean {near}? " if near else ""
    return RefusedError(summary, f"{advice}{takes}")
