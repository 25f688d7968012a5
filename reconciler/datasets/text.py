"""Decodes the bytes of a data file, whole or line by line.

Rule: read a stream once, forwards. So a file and an object in a bucket are read by the same code.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from io import BufferedReader, BytesIO, RawIOBase, StringIO, TextIOWrapper
from itertools import chain
from typing import Any, Protocol, TypeAlias

from reconciler.datasets.lookalikes import LONGEST_SIGNATURE, name_bytes
from reconciler.problems import Place, Problems
from reconciler.textfiles import BYTE_ORDER_MARK, decode, find_place, refuse_byte, refuse_wide

Stream: TypeAlias = "BufferedReader[Any]"
"""Bytes from their beginning: of a file, or of anything that `io.BufferedReader` can wrap."""

_BLOCK = 64 * 1024
"""Bytes. Larger blocks are not quicker."""
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
    offset = skip_mark(stream, path, problems)
    if offset is not None:
        yield from TextLines(path, problems, longest=longest, newline=newline, offset=offset).read(stream)


def skip_mark(stream: Stream, path: str, problems: Problems) -> int | None:
    """Skip the byte order mark, and return its length; None after noting that the file is not text."""
    start = stream.peek(LONGEST_SIGNATURE)
    if _refuse_kind(start, path, problems) or refuse_wide(start, path, problems):
        return None
    return len(stream.read(len(BYTE_ORDER_MARK))) if start.startswith(BYTE_ORDER_MARK) else 0


class TextLines:
    """Decodes the lines of a file, which may come in several streams, one after the other.

    Args:
        offset: bytes before the first line.
        path, problems, longest, newline: as for `read_lines`.

    Attributes:
        number: of the last line.
        is_broken: a line is not text, which is noted. Nothing after it is to be read.
    """

    def __init__(self, path: str, problems: Problems, *, longest: int, newline: str, offset: int = 0) -> None:
        self.number, self.is_broken = 0, False
        self._path, self._problems, self._longest, self._newline = path, problems, longest, newline
        self._offset = offset

    def read(self, stream: Stream | BytesIO) -> Iterator[str]:
        """Yield the lines of a stream with their ends. Stop at one that is not text, after noting it."""
        ends = "\n" if self._newline == "\n" else ("\n", "\r")
        text = TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline=self._newline)
        column = 1
        try:
            while line := text.readline(self._longest + 1):
                self.number, column, piece = self.number + 1, 1, line
                while piece:
                    self._offset += len(piece) if piece.isascii() else len(piece.encode())
                    if piece.endswith(ends):
                        break
                    column += len(piece)
                    piece = text.readline(self._longest)
                if "\0" in line:
                    self.is_broken = True
                    self._problems.error(Place(self._path, self.number, line.index("\0") + 1), *_NUL)
                    return
                yield line
        except UnicodeEncodeError as error:
            self.is_broken = True
            byte = ord(error.object[error.start]) - _ESCAPED
            before = len(error.object[: error.start].encode())
            place = Place(self._path, self.number, column + error.start)
            refuse_byte(place, byte, self._offset + before, self._problems)
        finally:
            text.detach()

    def pass_over(self, lines: int, size: int) -> None:
        """Count lines of so many bytes that are known to be text."""
        self.number += lines
        self._offset += size

    def decode(self, block: bytes) -> list[str] | None:
        """Decode whole lines at once; None if `read` must read them, because some are not text."""
        try:
            text = block.decode()
        except UnicodeDecodeError:
            return None
        if "\0" in text:
            return None
        lines = [*StringIO(text, newline=self._newline)]
        self.pass_over(len(lines), len(block))
        return lines


class Readable(Protocol):
    """Bytes that are read once, forwards."""

    def read(self, size: int, /) -> bytes:
        """Read at most so many bytes. None are left if there are none."""


def read_blocks(stream: Readable, *, longest: int) -> Iterator[bytes | Stream]:
    """Yield whole lines in blocks, and the rest as a stream if a line has more than `longest` bytes."""
    kept = b""
    while part := stream.read(_BLOCK):
        end = part.rfind(b"\n") + 1
        if end:
            yield kept + memoryview(part)[:end]
            kept = part[end:]
            continue
        kept += part
        if len(kept) > longest:
            yield open_parts(chain((kept,), iter(partial(stream.read, _BLOCK), b"")))
            return
    if kept:
        yield kept


def _refuse_kind(start: bytes, path: str, problems: Problems) -> bool:
    """Note a file that is not text by its first bytes; True if so."""
    named = name_bytes(start[:LONGEST_SIGNATURE])
    if named is not None:
        problems.error(Place(path), *named)
    return named is not None
