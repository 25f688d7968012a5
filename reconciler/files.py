"""Reads files of a bounded size without blocking, and writes to files, pipes and devices.

Rule: check before opening. A path may come from a pull request, and lead to a FIFO without a writer, to a
device whose opening has effects, or to a sparse file of a terabyte.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from reconciler.bounds import MB


def read(path: str | Path, *, most: int) -> bytes:
    """Read a regular file without blocking.

    Raises:
        OSError: it is not a regular file, has more than `most` bytes, is missing or unreadable.
            `strerror` says which.
    """
    with open_regular(path, most=most) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, _say_too_large(most), str(path))
    return content


@contextmanager
def open_regular(path: str | Path, *, most: int) -> Iterator[BufferedReader]:
    """Open a regular file of at most `most` bytes for reading. Raises OSError as `read` does."""
    # stat first, because opening some devices has effects; O_NONBLOCK and fstat, because it may be swapped
    require_regular(Path(path).stat(), path, most=most)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags | getattr(os, "O_NOCTTY", 0))
    with open(descriptor, "rb") as file:  # noqa: PTH123 -- a descriptor has no Path
        require_regular(os.fstat(descriptor), path, most=most)
        yield file


_READER_SECONDS = 2.0
"""The time to wait for a reader of a pipe."""


def write_in_place(path: str | Path, content: bytes) -> None:
    """Write to whatever is at a path: a file, a pipe or a device. Creates a file if there is nothing.

    Raises:
        OSError: it cannot be written, or it is a pipe without a reader: see `strerror`.
    """
    descriptor = _open_to_write(path)
    os.set_blocking(descriptor, True)
    with open(descriptor, "wb") as file:  # noqa: PTH123 -- a descriptor has no Path
        file.write(content)


def create(path: Path, content: bytes) -> None:
    """Create a file as a whole: nobody sees a part of it, and an existing file stays as it is.

    Raises:
        FileExistsError: there is something at the path.
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # as _DRAFT says
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it never replaces a file
    finally:
        draft.unlink(missing_ok=True)


_DRAFT = r"\..+\.(\d{1,10})\.tmp"
"""The name of a draft that `create` writes, with the id of its process."""


def remove_abandoned_drafts(folder: Path, suffix: str) -> None:
    """Remove what `create` left in a folder when its process was killed. Drafts of living processes stay.

    Args:
        folder: need not exist.
        suffix: of the files that were to be created: ".yaml".
    """
    with suppress(OSError):  # it is only tidying
        for path in folder.glob(f".*{suffix}.*.tmp"):
            draft = re.fullmatch(_DRAFT, path.name)
            is_ours = draft is not None and path.is_file() and not path.is_symlink()
            if draft is not None and is_ours and not _is_alive(int(draft[1])):
                path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    """Whether a process of this id runs. It may belong to somebody else."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _open_to_write(path: str | Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NONBLOCK", 0)
    until = time.monotonic() + _READER_SECONDS
    while True:
        try:
            return os.open(path, flags | getattr(os, "O_NOCTTY", 0), 0o666)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > until:
                raise OSError(errno.ENXIO, "this pipe has no reader", str(path)) from error
            time.sleep(0.05)


def require_regular(found: os.stat_result, path: str | Path, *, most: int) -> None:
    """Raise OSError unless it is a regular file of at most `most` bytes."""
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file (a pipe, a socket or a device)", str(path))
    if found.st_size > most:
        raise OSError(errno.EFBIG, _say_too_large(most), str(path))


def _say_too_large(most: int) -> str:
    return f"it is larger than {most // MB} MB"
