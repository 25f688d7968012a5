"""A row of a data file: an example, or the reason why it is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.model import Example
from reconciler.problems import Place, Refusal, describe

Row: TypeAlias = tuple[Place, Example | Refusal]
"""Where a row stands, and what it is."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What sound training data amounts to; not the data itself, of which there may be much.

    Attributes:
        examples: how many.
        digest: SHA-256 in hex over the canonical examples.
        characters: of all texts.
        size: bytes of the examples as they are sent.
        multimodal: how many examples have more than text.
    """

    examples: int
    digest: str
    characters: int
    size: int
    multimodal: int


@dataclass(frozen=True, slots=True)
class Form:
    """How the rows of a data set are written, and what its service takes.

    Attributes:
        read: makes an example of a JSON value.
        check: why nothing can be learnt from an example; None if something can.
        advise: why an example is probably not what was meant; None if it may be.
        check_all: why the service does not take the whole of a data set, which may be for validation.
        most: bytes of a data file.
        most_json: bytes of a .json file, which is one value and so is read whole.
        frame: how many bytes more than in the digest a pair has when it is sent.
        takes_chat: whether a row may be a chat in Vertex AI's form.
    """

    read: Callable[[object], Example | Refusal]
    check: Callable[[Example], Refusal | None]
    advise: Callable[[Example], Refusal | None]
    check_all: Callable[[Measured, bool], Iterable[Refusal]]
    most: int
    most_json: int
    frame: int = 0
    takes_chat: bool = False


class Blanks:
    """Empty lines: nothing at the end of a file, but wrong between two examples."""

    def __init__(self, path: str) -> None:
        self._path, self._first, self._last = path, 0, 0

    def note(self, number: int) -> None:
        """Remember an empty line."""
        self._first, self._last = self._first or number, number

    def take(self, what: str) -> Iterator[Row]:
        """Those so far, each as a row that is refused; `what` says what a line holds."""
        first, self._first = self._first, 0
        for number in range(first, self._last + 1) if first else ():
            yield Place(self._path, number), Refusal("the line is empty", f"Remove it: {what}.")


def describe_json(value: object) -> str:
    """What a value is, in JSON's words."""
    return "null" if value is None else "an object" if isinstance(value, dict) else describe(value)


def is_text(text: str) -> bool:
    r"""Whether every character is one: JSON's \ud800 alone is half of one, which no service could be sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


HALF_A_CHARACTER = Refusal("half of a surrogate pair is not a character", "Write both halves, or neither.")
NO_OUTPUT = Refusal("output is empty", "Write the answer to learn, or remove the example.")
