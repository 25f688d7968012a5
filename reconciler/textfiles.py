"""Reads text that others wrote: UTF-8, or a problem with its place; finds the git work tree of a folder."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from reconciler import files
from reconciler.problems import UTF8_ADVICE, Place, Problems, Refusal

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PRINTABLE = bytes([*b"\n", *range(0x20, 0x7F)])
_UNUSABLE = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]"


def is_printable(text: str) -> bool:
    """Return whether a text holds only printable characters and line feeds.

    Then no pattern of unusual characters matches, and searching for each would take several times as long.
    """
    if text.isascii():  # isprintable takes several times as long
        return not text.encode().translate(None, _PRINTABLE)
    return text.replace("\n", " ").isprintable()


def read_text(path: str, problems: Problems, *, limit: int) -> str | None:
    """Read a file as UTF-8, without its byte order mark; None after noting why not."""
    try:
        content = files.read(path, most=limit)
    except (OSError, ValueError) as error:
        problems.error(Place(path), *explain_unreadable(error, relative_to="the working directory"))
        return None
    return decode(content, path, problems)


def decode(content: bytes, path: str, problems: Problems) -> str | None:
    """Decode UTF-8 bytes, line ends untouched; None after noting why not."""
    if refuse_wide(content, path, problems):
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
        refuse_byte(Place(path, line, column), content[error.start], error.start + marked, problems)
        return None


def refuse_wide(start: bytes, path: str, problems: Problems) -> bool:
    """Note that a file has a byte order mark of UTF-16 or UTF-32; True if it has one."""
    if not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    problems.error(Place(path, 1, 1), "the file is UTF-16 or UTF-32", UTF8_ADVICE)
    return True


def refuse_byte(place: Place, byte: int, offset: int, problems: Problems) -> None:
    """Note the first byte that is not UTF-8."""
    problems.error(place, f"the file is not UTF-8: byte 0x{byte:02x} at offset {offset}", "Save it as UTF-8.")


def refuse_control_characters(text: str, path: str, problems: Problems) -> bool:
    """Note the first character that no text file should hold; True if there was one."""
    match = re.search(_UNUSABLE, text)
    if match is None:
        return False
    hint = "The file looks binary or UTF-16; save it as UTF-8." if match[0] == "\0" else "Remove it."
    problems.error(
        find_place(path, text, match.start()),
        f"the control character U+{ord(match[0]):04X} is not text",
        hint,
    )
    return True


def find_place(path: str, text: str, offset: int) -> Place:
    """Find the place of a character by its offset. It counts lines, so use it for errors only."""
    return Place(path, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def explain_unreadable(
    error: OSError | ValueError, *, relative_to: str = "the file that names it"
) -> Refusal:
    """Say why a file cannot be read, and what to do."""
    match error.errno if isinstance(error, OSError) else None:
        case errno.ENOENT | errno.ENOTDIR:
            advice = f"Check the path: it is relative to {relative_to}."
            return Refusal("there is no such file", advice)
        case errno.EACCES | errno.EPERM:
            advice = "Make it readable for the user that runs this command."
        case errno.EFBIG:
            advice = "Split it into several files."
        case _:
            advice = "Name a regular file."
    return Refusal(f"cannot be read: {explain_os_error(error)}", advice)


def explain_os_error(error: OSError | ValueError) -> str:
    """Say why a file cannot be read, in a few words."""
    if isinstance(error, OSError):
        if error.errno == errno.ELOOP:
            return "its symbolic links go round in a circle"
        return error.strerror or str(error)
    return str(error)


def find_work_tree(folder: str) -> str | None:
    """Find the git work tree that a folder is in, after following links; None if there is none."""
    real = Path(folder).resolve()
    for candidate in (real, *real.parents):
        if (candidate / ".git").exists():
            return str(candidate)
    return None
