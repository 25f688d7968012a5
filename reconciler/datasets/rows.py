"""A row of a data file: an example, or the reason why the row is not an example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from msgspec import Struct

from reconciler.datasets.survey import Survey, Tally
from reconciler.model.data import Example
from reconciler.problems import Place, Refusal, describe

Row: TypeAlias = tuple[Place, Example | Refusal]
"""The place of a row, and its example or refusal."""


class Batch(Struct, frozen=True):
    """Sound examples of texts that were read together.

    Attributes:
        numbers: of their lines.
        lines: as `identity.encode_example` writes them, each with a line end; all together in some parts.
        pairs: how many of them are pairs.
        tally: what a survey takes from them.
    """

    numbers: Sequence[int]
    lines: Sequence[bytes | memoryview]
    pairs: int
    tally: Tally


class Typed(Struct, frozen=True):
    """Which lines of a form may be read in batches.

    Attributes:
        takes_pairs: pairs, under our names or as messages.
        takes_chat: chats of several turns.
        takes_no_input: a text_input may be empty.
        longest: the most characters of an input and of an output; None if there is no limit.
    """

    takes_pairs: bool = True
    takes_chat: bool = False
    takes_no_input: bool = False
    longest: tuple[int, int] | None = None


class Measured(Struct, frozen=True):
    """Counts and the digest of valid training data, without the data itself, which may be large.

    Attributes:
        examples: how many.
        digest: SHA-256 in hex over the canonical examples.
        characters: of all texts.
        size: bytes of the examples as they are sent.
        multimodal: how many examples have more than text.
        survey: what was found in the examples.
    """

    examples: int
    digest: str
    characters: int
    size: int
    multimodal: int
    survey: Survey


class Form(Struct, frozen=True):
    """The form of a data set's rows, and the limits of its service.

    Attributes:
        read: reads a JSON value as an example.
        check: returns why nothing can be learnt from an example; None if something can.
        advise: returns why an example is probably a mistake; None if it may be meant.
        check_all: returns why the service rejects a whole data set; the flag says that it is for validation.
        most: bytes of a data file.
        most_json: bytes of a .json file, which is one value and so is read whole.
        frame: how many bytes longer a pair is in the request than in the digest.
        takes_chat: whether a row may be a chat of several turns.
        typed: which lines may be read in batches; None if `read` alone tells.
    """

    read: Callable[[object], Example | Refusal]
    check: Callable[[Example], Refusal | None]
    advise: Callable[[Example], Refusal | None]
    check_all: Callable[[Measured, bool], Iterable[Refusal]]
    most: int
    most_json: int
    frame: int = 0
    takes_chat: bool = False
    typed: Typed | None = None


class Blanks:
    """Collects empty lines. They are allowed at the end of a file, but not between two examples."""

    def __init__(self, path: str) -> None:
        self._path, self._first, self._last = path, 0, 0

    def note(self, number: int) -> None:
        """Remember an empty line."""
        self._first, self._last = self._first or number, number

    @property
    def is_noted(self) -> bool:
        """Whether there is an empty line that was not yet taken."""
        return self._first > 0

    def take(self, what: str) -> Iterator[Row]:
        """Yield the empty lines so far as refused rows; `what` says what a line must hold."""
        first, self._first = self._first, 0
        for number in range(first, self._last + 1) if first else ():
            yield Place(self._path, number), Refusal("the line is empty", f"Remove it: {what}.")


def describe_json(value: object) -> str:
    """Describe a value in JSON's terms."""
    return "null" if value is None else "an object" if isinstance(value, dict) else describe(value)


LONGEST_NAME = 61
"""A message keeps this many characters of a name from a file. The last one shows that the name is longer."""


def quote_name(name: str) -> str:
    """Quote a name from a file for a message. A long name is cut."""
    return repr(name if len(name) < LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…")


def cut_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the first hundred names, each as long as a message shows it.

    Advice about them is the same for every row, so it is cached under them: finding what is near takes longer
    than all else that is done with a row.
    """
    return tuple(name[:LONGEST_NAME] for name in islice(names, 100))


def is_text(text: str) -> bool:
    r"""Return whether every character is whole. JSON's \ud800 alone is half of one, and cannot be sent."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


HALF_A_CHARACTER = Refusal("half of a surrogate pair is not a character", "Write both halves, or neither.")
NO_OUTPUT = Refusal("output is empty", "Write the answer to learn, or remove the example.")
NO_INPUT = Refusal("text_input is empty", "Write the prompt, or remove the example.")
