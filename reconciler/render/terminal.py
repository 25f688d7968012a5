"""What a terminal may be shown: escaped control characters, widths in cells, colours, wrapping.

Rule: text that others wrote (manifests, services, file names) is never printed as it came. An escape sequence
in a display name must not colour, move or reorder what the reader approves.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

UNLIMITED = 0
"""A width that neither cuts nor wraps: for tests, logs and grep."""

_JOINERS = frozenset("\u200c\u200d")  # legitimate inside Persian, Indic scripts and emoji
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_WORD_LIMIT = 120
"""Cells up to which a word (an id, a URL, a path, a command) is kept whole, to be copied."""

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
    """Escape a long text for a terminal, and keep its line ends and tabs."""
    return "".join(one if one in "\n\t" else _escape_character(one) for one in text.replace("\r\n", "\n"))


def quote(text: str) -> str:
    """Put the text in double quotes, so that its ends show and a newline is no backslash and n."""
    return '"' + escape(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def count_cells(text: str) -> int:
    """Count the cells that a terminal needs: two for wide characters and emoji, none for combining ones.

    An emoji sequence joined to one picture counts as its parts: too wide rather than too narrow.
    """
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if character == "\ufe0f":  # makes the character before it an emoji, which is wider by one
        return 1
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 0 if unicodedata.category(character) in {"Mn", "Me", "Cf"} else 1


def cut(text: str, width: int) -> str:
    """Cut the text to `width` cells, with an ellipsis in place of what is cut."""
    if width == UNLIMITED or count_cells(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    return _take_cells(text, width - 1) + "…"


def _take_cells(text: str, room: int) -> str:
    return text[: sum(1 for used in accumulate(map(_cells_of, text)) if used <= room)]


def pad(text: str, width: int) -> str:
    """Fill the text with spaces to `width` cells."""
    return text + " " * (width - count_cells(text))


def wrap(text: str, width: int, *, indent: str = "", hanging: str | None = None) -> Iterator[str]:
    """Break the text at spaces into lines of at most `width` cells.

    A word longer than a line stays whole so that it can be copied, unless it is no ASCII (a sentence
    in a script without spaces) or absurdly long.

    Args:
        text: one paragraph.
        width: cells a line, UNLIMITED for one line.
        indent: before the first line.
        hanging: before the other lines; as `indent` when None.
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


def _split_words(text: str, room: int) -> Iterator[str]:
    for word in text.split(" "):
        if not word:
            continue
        rest = word
        while count_cells(rest) > room and (not rest.isascii() or len(rest) > _WORD_LIMIT):
            head = _take_cells(rest, room)
            yield head
            rest = rest[len(head) :]
        yield rest


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text, or leaves it as it is when colours are off."""

    colour: bool

    def __call__(self, text: str, *styles: str) -> str:
        """The text in these styles (bold dim red green yellow cyan)."""
        if not self.colour or not styles or not text:
            return text
        return f"\x1b[{';'.join(_SGR[style] for style in styles)}m{text}\x1b[0m"
