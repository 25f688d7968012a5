"""The text of data files, whole or a line at a time; a file of another kind is named for what it is."""

from __future__ import annotations

from collections.abc import Iterator
from io import TextIOWrapper
from typing import BinaryIO

from reconciler import files
from reconciler.datasets import lookalikes
from reconciler.problems import Place, Problems
from reconciler.textfiles import BYTE_ORDER_MARK, WIDE, decode, note_byte, place_at

_NUL = ("a NUL character: the file is not text", "Save it as UTF-8.")


def read_lines(path: str, problems: Problems, *, limit: int, longest: int, newline: str) -> Iterator[str]:
    """A file's lines with their ends, read as they are asked for; none after noting what is no text.

    Args:
        path: of a regular file.
        problems: where to note that it is not UTF-8, or holds a NUL character.
        limit: bytes of the file.
        longest: characters of a line; of a longer one so many and one more come, and the rest is skipped.
        newline: what ends a line, as for `open`.

    Raises:
        OSError: as `files.read`.
    """
    ends = "\n" if newline == "\n" else ("\n", "\r")
    with files.opened(path, most=limit) as file:
        start = file.read(lookalikes.LONGEST_SIGNATURE)
        named = lookalikes.name_bytes(start)
        if named is not None:
            problems.error(Place(path), *named)
            return
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            problems.error(Place(path, 1, 1), *WIDE)
            return
        file.seek(len(BYTE_ORDER_MARK) if start.startswith(BYTE_ORDER_MARK) else 0)
        text = TextIOWrapper(file, encoding="utf-8", newline=newline)
        number = 0
        try:
            while line := text.readline(longest + 1):
                number += 1
                rest = line
                while not rest.endswith(ends) and (rest := text.readline(longest)):
                    pass
                if "\0" in line:
                    problems.error(Place(path, number, line.index("\0") + 1), *_NUL)
                    return
                yield line
        except UnicodeDecodeError:
            file.seek(0)
            _note_undecodable(file, path, problems)
        finally:
            text.detach()


def _note_undecodable(file: BinaryIO, path: str, problems: Problems) -> None:
    """The place of the first byte that is no UTF-8, which a decoder of pieces cannot tell."""
    offset = 0
    for number, line in enumerate(file, 1):
        marked = len(BYTE_ORDER_MARK) if number == 1 and line.startswith(BYTE_ORDER_MARK) else 0
        try:
            line[marked:].decode()
        except UnicodeDecodeError as error:
            place = Place(
                path, number, len(line[marked : marked + error.start].decode("utf-8", "replace")) + 1
            )
            note_byte(place, line[marked + error.start], offset + marked + error.start, problems)
            return
        offset += len(line)


def read_data(path: str, problems: Problems, *, limit: int) -> str | None:
    """The text of a whole data file; None after noting what is no text. Raises OSError as `files.read`."""
    content = files.read(path, most=limit)
    named = lookalikes.name_bytes(content[: lookalikes.LONGEST_SIGNATURE])
    if named is not None:
        problems.error(Place(path), *named)
        return None
    text = decode(content, path, problems)
    nul = -1 if text is None else text.find("\0")
    if text is not None and nul >= 0:
        problems.error(place_at(path, text, nul), *_NUL)
        return None
    return text
