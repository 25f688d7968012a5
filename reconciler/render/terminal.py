"""Prepares text for a terminal: escapes control characters, counts cells, colours and wraps.

Rule: text that others wrote (manifests, services, file names) is never printed unchanged. An escape sequence
in a display name must not colour, move or reorder what the reader approves.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import accumulate

from msgspec import Struct

UNLIMITED = 0
"""A width without limit: nothing is cut or wrapped. For tests, logs and grep."""

_JOINERS = frozenset("\u200c\u200d")  # Persian, Indic scripts and emoji need them
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
WORD_LIMIT = 120
"""A word (an id, a URL, a path, a command) of at most this many cells is kept whole, to be copied."""

_LEAST_NAME = 20
"""The least number of cells for a column of names. A terminal without that room gets no table."""

_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def escape(text: str) -> str:
    r"""Write control, format and bidirectional characters as escapes (\n, \x1b, \u202e)."""
    if text.isprintable():
        return text
    return "".join(map(_escape_character, text))


def _escape_character(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode()


def escape_lines(text: str) -> str:
    """Escape a long text for a terminal. Keeps its line ends and tabs."""
    characters = text.replace("\r\n", "\n")
    return "".join(char if char in "\n\t" else _escape_character(char) for char in characters)


def quote(text: str) -> str:
    """Put the text in double quotes, so that its ends show and a newline is no backslash and n."""
    return '"' + escape(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def count_cells(text: str) -> int:
    """Count the cells that a terminal needs: two for wide characters and emoji, none for combining ones.

    If a terminal joins several emoji into one picture, each counts. So the result is never too small.
    """
    if text.isascii():
        return len(text)
    return sum(map(_count_character_cells, text))


def _count_character_cells(character: str) -> int:
    if character == "\ufe0f":  # turns the character before it into an emoji, which is one cell wider
        return 1
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 0 if unicodedata.category(character) in {"Mn", "Me", "Cf"} else 1


def cut(text: str, width: int) -> str:
    """Cut the text to `width` cells. An ellipsis marks the cut."""
    if width == UNLIMITED or count_cells(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    return _take_cells(text, width - 1) + "…"


def _take_cells(text: str, room: int) -> str:
    return text[: sum(1 for used in accumulate(map(_count_character_cells, text)) if used <= room)]


def pad(text: str, width: int) -> str:
    """Fill the text with spaces to `width` cells."""
    return text + " " * (width - count_cells(text))


def wrap(text: str, width: int, *, indent: str = "", hanging: str | None = None) -> Iterator[str]:
    """Break the text at spaces into lines of at most `width` cells.

    A word that is longer than a line stays whole so that it can be copied. It is broken if it is not ASCII (a
    sentence in a script without spaces) or longer than any id or URL.

    Args:
        text: one paragraph.
        width: cells of a line. UNLIMITED returns one line.
        indent: what precedes the first line.
        hanging: what precedes the other lines. None means `indent`.
    """
    hanging = indent if hanging is None else hanging
    if width == UNLIMITED:
        yield indent + text
        return
    line, empty = indent, True
    for word in _split_words(text, max(width - count_cells(hanging), 8)):
        if not empty and count_cells(line) + 1 + count_cells(word) > width:
            yield line
            line, empty = hanging, True
        line, empty = (line + word if empty else f"{line} {word}"), False
    yield line


def wrap_items(items: Iterable[str], width: int, *, mark: str = ",", indent: str = "") -> Iterator[str]:
    """Join items into lines of at most `width` cells. A line is broken inside an item only if it is too long.

    Args:
        items: short texts.
        width: cells of a line. UNLIMITED returns one line.
        mark: what stands between two items, before a space.
        indent: what precedes each line.
    """
    *first, last = items
    line = ""
    for item in (*(item + mark for item in first), last):
        longer = f"{line} {item}" if line else item
        if line and width != UNLIMITED and count_cells(indent + longer) > width:
            yield from wrap(line, width, indent=indent)
            longer = item
        line = longer
    yield from wrap(line, width, indent=indent)


def _split_words(text: str, room: int) -> Iterator[str]:
    for word in text.split(" "):
        if not word:
            continue
        rest = word
        while count_cells(rest) > room and (not rest.isascii() or len(rest) > WORD_LIMIT):
            head = _take_cells(rest, room)
            yield head
            rest = rest[len(head) :]
        yield rest


def fit_name_column(names: Iterable[str], taken: int, width: int) -> int:
    """Choose the cells for a column of names, beside columns and spaces that take `taken` cells.

    It is as wide as the longest name, or as the terminal has room for. 0 if there is no room for a table.
    """
    longest = max(map(count_cells, names), default=0)
    room = longest if width == UNLIMITED else min(longest, width - taken)
    return room if room >= min(longest, _LEAST_NAME) else 0


def put_beside(name: str, figures: str, room: int) -> Iterator[str]:
    """Put figures beside a name that has `room` cells. A longer name is never cut: it gets its own line."""
    if count_cells(name) > room:
        yield f"  {name}"
        name = ""
    yield f"  {pad(name, room)}{figures}".rstrip()


def put_side_by_side(name: str, text: str, width: int, *, column: int = 0, indent: str = "") -> Iterator[str]:
    """Put a name, padded to `column` cells, and a text in one line, or in two if they do not fit in one."""
    line = f"{indent}{pad(name, column)}  {text}"
    if width == UNLIMITED or count_cells(line) <= width:
        yield line
        return
    yield indent + name
    yield from wrap(text, width, indent=indent + " " * 4)


class Paint(Struct, frozen=True):
    """Colours text, or leaves it as it is when colours are off."""

    colour: bool

    def __call__(self, text: str, *styles: str) -> str:
        """Put the text in these styles: bold, dim, red, green, yellow, cyan."""
        if not self.colour or not styles or not text:
            return text
        return f"\x1b[{';'.join(_SGR[style] for style in styles)}m{text}\x1b[0m"
