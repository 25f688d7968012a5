"""Standard input, output and error, whatever they were opened to.

Rule: what cannot be printed stops no work that was begun, and is never taken for printed.
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
"""How a file or a device says that it takes nothing more."""


class OutputLostError(ReconcilerError):
    """Standard output does not take what was to be printed; a reader who has gone is no error."""


def prepare() -> None:
    """Open what the caller closed (`>&-`), so that no file of ours gets its number; let no character fail."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = ("stdin", "stdout", "stderr").index(name)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write(stream: TextIO, text: str = "", *, flush: bool = False) -> None:
    """Write. A reader who has gone (`| head`) stops the printing, never the work.

    Raises:
        OutputLostError: standard output cannot take it: a full disk. Nothing more is written to it.
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
            raise lost(error) from error


def lost(error: OSError) -> OutputLostError:
    """The error for a standard output that takes nothing more."""
    summary = f"standard output cannot be written to: {error.strerror}"
    return OutputLostError(summary, "Make room, or send it elsewhere")


def silence(stream: TextIO) -> None:
    """Nothing more may be sent to it, not at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def at_best() -> Iterator[None]:
    """Print as far as it goes: what is being done matters more. Standard error tells that it does not."""
    try:
        yield
    except OutputLostError as error:
        write(sys.stderr, f"{error.summary}; the work goes on\n", flush=True)
