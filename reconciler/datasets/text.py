"""Decodes the bytes of a data file, whole or line by line.

Rule: read a stream once, forwards. So a file and an object in a bucket are read by the same code.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader, RawIOBase, TextIOWrapper
from typing import Any, TypeAlias

from reconciler.datasets.lookalikes import LONGEST_SIGNATURE, name_bytes
from reconciler.problems import Place, Problems
from reconciler.textfiles import BYTE_ORDER_MARK, decode, find_place, refuse_byte, refuse_wide

Stream: TypeAlias = "BufferedReader[Any]"
"""Bytes from their beginning: of a file, or of anything that `io.BufferedReader` can wrap."""

_NUL = ("a NUL character: the file is not text", "Save it as UTF-8.")
_ESCAPED = 0xDC00
"""Python's surrogateescape adds this to a byte that is not UTF-8, which gives half a surrogate pair."""


class _Parts(RawIOBase):
    """Parts of a content as one stream."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._part = parts, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._part:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._part = part
        piece, self._part = self._part[: len(buffer)], self._part[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def open_parts(parts: Iterator[bytes]) -> Stream:
    """Open a stream of parts that are taken as they are needed."""
    return BufferedReader(_Parts(parts), 1024 * 1024)


def read_whole(stream: Stream, path: str, problems: Problems, *, most: int) -> str | None:
    """Read at most `most` bytes as text; None after noting why they are not text."""
    content = stream.read(most)
    if _refuse_kind(content, path, problems):
        return None
    text = decode(content, path, problems)
    nul = -1 if text is None else text.find("\0")
    if text is not None and nul >= 0:
        problems.error(find_place(path, text, nul), *_NUL)
        return None
    return text


def read_lines(stream: Stream, path: str, problems: Problems, *, longest: int, newline: str) -> Iterator[str]:
    """Yield lines with their line ends. Stop at the first one that is not text, after noting it.

    Args:
        stream: at the beginning of the file.
        path: of the file, for places.
        problems: notes bytes that are not text.
        longest: characters of a line; a longer line is cut to one character more than that.
        newline: what ends a line, as for `open`.
    """
    start = stream.peek(LONGEST_SIGNATURE)
    if _refuse_kind(start, path, problems) or refuse_wide(start, path, problems):
        return
    offset = len(stream.read(len(BYTE_ORDER_MARK))) if start.startswith(BYTE_ORDER_MARK) else 0
    ends = "\n" if newline == "\n" else ("\n", "\r")
    text = TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline=newline)
    number, column = 0, 1
    try:
        while line := text.readline(longest + 1):
            number, column, piece = number + 1, 1, line
            while piece:
                offset += len(piece) if piece.isascii() else len(piece.encode())
                if piece.endswith(ends):
                    break
                column += len(piece)
                piece = text.readline(longest)
            if "\0" in line:
                problems.error(Place(path, number, line.index("\0") + 1), *_NUL)
                return
            yield line
    except UnicodeEncodeError as error:
        byte = ord(error.object[error.start]) - _ESCAPED
        before = len(error.object[: error.start].encode())
        refuse_byte(Place(path, number, column + error.start), byte, offset + before, problems)
    finally:
        text.detach()


def _refuse_kind(start: bytes, path: str, problems: Problems) -> bool:
    """Note a file that is not text by its first bytes; True if so."""
    named = name_bytes(start[:LONGEST_SIGNATURE])
    if named is not None:
        problems.error(Place(path), *named)
    return named is not None
