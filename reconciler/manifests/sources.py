"""Files: which ones are meant, whether they may be read, and their text.

Rule: a pull request chooses these paths, so nothing here blocks (a FIFO), fills the memory, or leaves
the work tree for a data set.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from reconciler import files
from reconciler.errors import Diagnostic, ManifestError, UsageError
from reconciler.manifests import lookalikes
from reconciler.manifests.problems import Place, Problems

NUL = ("a NUL character: the file is not text", "Save it as UTF-8.")
_WIDE = ("the file is UTF-16 or UTF-32", "Save it as UTF-8.")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MANIFESTS = (".yaml", ".yml")
_UNUSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Source:
    """A manifest file to read.

    Attributes:
        path: as it can be opened from the working directory.
        alone: it was given itself, so nothing in it would be a surprise.
    """

    path: str
    alone: bool


def discover(paths: Sequence[str]) -> tuple[list[Source], bool]:
    """The manifest files that the paths mean, each once, and whether every path was a folder.

    Raises:
        UsageError: a path does not exist, or cannot be looked at.
        ManifestError: a link in a folder leads elsewhere.
    """
    found: dict[str, Source] = {}
    whole = True
    for path in paths:
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 -- Path("") would be the working directory
        except (OSError, ValueError) as error:
            raise _no_path(path, error) from error
        if stat.S_ISDIR(mode):
            roots = {os.path.realpath(path), work_tree(path) or os.path.realpath(".")}
            for file in _walk(path):
                real = os.path.realpath(file)
                if not any(os.path.commonpath([root, real]) == root for root in roots):
                    raise _led_out(file)
                found.setdefault(real, Source(file, alone=False))
        else:
            whole = False
            found.setdefault(os.path.realpath(path), Source(path, alone=True))
    return list(found.values()), whole


def _no_path(path: str, error: OSError | ValueError) -> UsageError:
    if isinstance(error, FileNotFoundError):
        return UsageError(
            f"{path}: there is no such file or folder",
            "Give the folder that holds the manifests, or run: reconciler init (it writes a first one).",
        )
    return UsageError(f"{path}: cannot be read: {_reason(error)}", "Give a folder or a file of manifests.")


def _led_out(file: str) -> ManifestError:
    """A pull request can bring a link: what is wrong with the file that it leads to would be told here."""
    summary = "the link leads out of the folder that was given, and of its git work tree"
    return ManifestError([Diagnostic(summary, "Move the manifest there, or give its own path.", file)])


def _walk(folder: str) -> Iterator[str]:
    """Every *.yaml and *.yml below the folder, sorted; nothing hidden, and no folder twice."""
    seen: set[str] = set()
    pending = [folder]
    while pending:
        current = pending.pop()
        real = os.path.realpath(current)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            raise UsageError(
                f"{current}: cannot be read: {_reason(error)}",
                "Make it readable: a folder that is left out would look like models to delete.",
            ) from error
        folders = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry.path)
            elif entry.name.lower().endswith(_MANIFESTS):
                yield entry.path
        pending.extend(reversed(folders))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a circle of links: told when it is read, if it looks like a manifest


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
            problems.error(Place(path, 1, 1), *_WIDE)
            return
        file.seek(len(_BYTE_ORDER_MARK) if start.startswith(_BYTE_ORDER_MARK) else 0)
        text = TextIOWrapper(file, encoding="utf-8", newline=newline)
        number = 0
        try:
            while line := text.readline(longest + 1):
                number += 1
                rest = line
                while not rest.endswith(ends) and (rest := text.readline(longest)):
                    pass
                if "\0" in line:
                    problems.error(Place(path, number, line.index("\0") + 1), *NUL)
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
        marked = len(_BYTE_ORDER_MARK) if number == 1 and line.startswith(_BYTE_ORDER_MARK) else 0
        try:
            line[marked:].decode()
        except UnicodeDecodeError as error:
            place = Place(
                path, number, len(line[marked : marked + error.start].decode("utf-8", "replace")) + 1
            )
            _note_byte(place, line[marked + error.start], offset + marked + error.start, problems)
            return
        offset += len(line)


def _note_byte(place: Place, byte: int, offset: int, problems: Problems) -> None:
    problems.error(place, f"the file is not UTF-8: byte 0x{byte:02x} at offset {offset}", "Save it as UTF-8.")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        if error.errno == errno.ELOOP:
            return "its symbolic links go round in a circle"
        return error.strerror or str(error)
    return str(error)


def cannot_be_read(
    error: OSError | ValueError, *, relative_to: str = "the file that names it"
) -> tuple[str, str]:
    """Why a file cannot be read, and what to do."""
    match error.errno if isinstance(error, OSError) else None:
        case errno.ENOENT | errno.ENOTDIR:
            return "there is no such file", f"Check the path: it is relative to {relative_to}."
        case errno.EACCES | errno.EPERM:
            advice = "Make it readable for the user that runs this command."
        case errno.EFBIG:
            advice = "Split it into several files."
        case _:
            advice = "Name a regular file."
    return f"cannot be read: {_reason(error)}", advice


def read_text(path: str, problems: Problems, *, limit: int) -> str | None:
    """A file's text: UTF-8 without its byte order mark; None after noting why not."""
    try:
        content = files.read(path, most=limit)
    except (OSError, ValueError) as error:
        problems.error(Place(path), *cannot_be_read(error, relative_to="the working directory"))
        return None
    return decode(content, path, problems)


def decode(content: bytes, path: str, problems: Problems) -> str | None:
    """UTF-8 bytes as text, line ends untouched; None after noting why not."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.error(Place(path, 1, 1), *_WIDE)
        return None
    # not utf-8-sig: its errors count from behind the mark
    marked = len(_BYTE_ORDER_MARK) if content.startswith(_BYTE_ORDER_MARK) else 0
    content = content[marked:]
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        _note_byte(Place(path, line, column), content[error.start], error.start + marked, problems)
        return None


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
        problems.error(place_at(path, text, nul), *NUL)
        return None
    return text


def refuse_control_characters(text: str, path: str, problems: Problems) -> bool:
    """Note the first character that no text file should hold; True if there was one."""
    match = _UNUSABLE.search(text)
    if match is None:
        return False
    hint = "The file looks binary or UTF-16; save it as UTF-8." if match[0] == "\0" else "Remove it."
    problems.error(
        place_at(path, text, match.start()), f"the control character U+{ord(match[0]):04X} is not text", hint
    )
    return True


def place_at(path: str, text: str, offset: int) -> Place:
    """The place of a character by its offset; counts lines, so it is for errors only."""
    return Place(path, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def work_tree(folder: str) -> str | None:
    """The git work tree that a folder is in, symbolic links resolved; None without one."""
    real = Path(folder).resolve()
    for candidate in (real, *real.parents):
        if (candidate / ".git").exists():
            return str(candidate)
    return None
