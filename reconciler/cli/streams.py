"""Writes to standard output and error, whatever they are connected to.

Rule: output that cannot be printed does not stop work that was begun, and is never treated as printed.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from reconciler.errors import ReconcilerError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors of a file or a device that is full or broken."""


class OutputLostError(ReconcilerError):
    """Standard output cannot be written to. A reader who has gone (`| head`) is not an error."""


def prepare() -> None:
    """Open the streams that the caller closed (`>&-`), so that no file of ours gets their numbers.

    Also makes every character printable, whatever the encoding.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write(stream: TextIO, text: str = "", *, flush: bool = False) -> None:
    """Write. When the reader has gone (`| head`), print nothing more and continue the work.

    Raises:
        OutputLostError: standard output cannot be written to (a full disk). Nothing more is written to it.
    """
    try:
        stream.write(text)
        if flush:
            stream.flush()
    except BrokenPipeError:
        silence(stream)
    except OSError as error:
        silence(stream)
        if stream is sys.stdout:
            raise build_error(error) from error


def build_error(error: OSError) -> OutputLostError:
    """Make the error of a standard output that cannot be written to."""
    summary = f"standard output cannot be written to: {error.strerror}"
    return OutputLostError(summary, "Make room, or redirect it to another place")


def silence(stream: TextIO) -> None:
    """Discard all that is written to it from now on, at exit too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def tolerate_lost_output() -> Iterator[None]:
    """Ignore a full stdout while work is under way; report it on stderr."""
    try:
        yield
    except OutputLostError as error:
        write(sys.stderr, f"{error.summary}; the work goes on\n", flush=True)
