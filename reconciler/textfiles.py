"""Text of files that others wrote: UTF-8, or a problem with its place.

Also finds the git work tree that a folder is in.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

from reconciler import files
from reconciler.problems import Place, Problems

WIDE = ("the file is UTF-16 or UTF-32", "Save it as UTF-8.")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UNUSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


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
        problems.error(Place(path, 1, 1), *WIDE)
        return None
    # not utf-8-sig: its errors count from behind the mark
    marked = len(BYTE_ORDER_MARK) if content.startswith(BYTE_ORDER_MARK) else 0
    content = content[marked:]
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        note_byte(Place(path, line, column), content[error.start], error.start + marked, problems)
        return None


def note_byte(place: Place, byte: int, offset: int, problems: Problems) -> None:
    """Note the first byte that is not UTF-8."""
    problems.error(place, f"the file is not UTF-8: byte 0x{byte:02x} at offset {offset}", "Save it as UTF-8.")


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
    return f"cannot be read: {reason(error)}", advice


def reason(error: OSError | ValueError) -> str:
    """Why a file cannot be read, in a few words."""
    if isinstance(error, OSError):
        if error.errno == errno.ELOOP:
            return "its symbolic links go round in a circle"
        return error.strerror or str(error)
    return str(error)


def work_tree(folder: str) -> str | None:
    """The git work tree that a folder is in, symbolic links resolved; None without one."""
    real = Path(folder).resolve()
    for candidate in (real, *real.parents):
        if (candidate / ".git").exists():
            return str(candidate)
    return None
