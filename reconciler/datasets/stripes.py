"""Reads a large file of lines in stripes, and lets other processes measure some of them where cores are free.

Rule: another process only saves time. It says of a stripe what this process would have found in it, or that
this process must read it. If a process cannot be started or dies, its stripes are read here.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Protocol, TypeAlias

from reconciler.bounds import MB
from reconciler.datasets.rows import Stripe, Typed
from reconciler.datasets.survey import Surveyor
from reconciler.datasets.text import Readable, Stream, read_blocks
from reconciler.datasets.typed_rows import TypedReader

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LEAST = 32 * MB
"""Bytes. A smaller file is read sooner than other processes would pay."""
SIZE = 4 * MB
"""Bytes of a stripe. Only so much is held for each process, whatever the size of the file."""
MOST = 3
"""Other processes for one file."""

_CHUNK = 64 * 1024

Taken: TypeAlias = tuple[int, int, Stripe | None]
"""Where a stripe begins and ends, and what is in it; None if it must be read elsewhere."""


class Team(Protocol):
    """Measures stripes, each member in the order of the file."""

    def take(self, number: int) -> Taken | None:
        """Return what a member says of a stripe; None if it is this process's own, or the member is gone."""


def count_helpers(size: int) -> int:
    """Count the processes that may help with a file of so many bytes: as many as there are free cores."""
    # a process with threads cannot be forked safely, and only Linux tells the cores that it may use
    if size < LEAST or sys.platform != "linux" or threading.active_count() > 1:
        return 0
    try:
        cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    except OSError:  # a sandbox may hide them
        return 0
    return max(0, min(round(cores - load), cores - 1, MOST))


Blocks: TypeAlias = "Iterator[bytes | Stream | Stripe]"


@contextmanager
def open_blocks(
    stream: Stream, typed: Typed, *, longest: int, wants_lines: Callable[[], bool]
) -> Iterator[Blocks]:
    """Open what `text.read_blocks` yields. Other processes help where they can. See `read_in_stripes`."""
    size = 0
    with suppress(OSError):  # only a file has a descriptor
        size = os.fstat(stream.fileno()).st_size
    helpers = count_helpers(size)
    if not helpers:
        yield read_blocks(stream, longest=longest)
        return
    with _open_helpers(stream, typed, helpers, size=size, longest=longest) as team:
        yield read_in_stripes(stream, team, size=size, longest=longest, wants_lines=wants_lines)


def read_in_stripes(
    stream: Stream, team: Team, *, size: int, longest: int, wants_lines: Callable[[], bool]
) -> Blocks:
    """Yield what `text.read_blocks` yields, and stripes that a team has measured.

    Args:
        stream: a file, at its first line.
        team: measures some of the stripes.
        size: bytes of the file.
        longest: see `text.read_blocks`.
        wants_lines: tells that no stripe is to be taken from the team any more.
    """
    descriptor, begin = stream.fileno(), stream.tell()
    for number, end in _cut(descriptor, begin, size, longest):
        taken = None if wants_lines() else team.take(number)
        if taken is not None and taken[:2] == (begin, end) and taken[2] is not None:
            yield taken[2]
        else:
            yield from read_blocks(_Part(descriptor, begin, end), longest=longest)
        begin = end
    stream.seek(begin)
    yield from read_blocks(stream, longest=longest)


def measure_stripes(
    descriptor: int, begin: int, typed: Typed, chosen: range, *, size: int, longest: int
) -> Iterator[Taken]:
    """Measure the stripes of these numbers. See `read_in_stripes`."""
    reader = TypedReader(typed)
    for number, end in _cut(descriptor, begin, size, longest):
        if number in chosen:
            yield begin, end, _measure(reader, descriptor, begin, end, longest)
        begin = end


def _cut(descriptor: int, begin: int, size: int, longest: int) -> Iterator[tuple[int, int]]:
    """Yield the number and the end of each stripe. Ends before a line of more than about `longest` bytes."""
    for number in count():
        end = _find_line(descriptor, begin + SIZE, size, longest)
        if begin >= size or end is None:
            return
        yield number, end
        begin = end


def _find_line(descriptor: int, position: int, size: int, longest: int) -> int | None:
    """Find where the first line begins at or after a position. None if that is too far away."""
    at = position - 1
    while at < size:
        chunk = os.pread(descriptor, _CHUNK, at)
        found = chunk.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(chunk)
        if not chunk or at - position > longest:
            return None
    return size


class _Part:
    """A part of a file, which leaves the file's own position as it is."""

    def __init__(self, descriptor: int, begin: int, end: int) -> None:
        self._descriptor, self._at, self._end = descriptor, begin, end

    def read(self, size: int) -> bytes:
        """Read at most so many bytes."""
        found = os.pread(self._descriptor, min(size, self._end - self._at), self._at)
        self._at += len(found)
        return found


def _measure(reader: TypedReader, descriptor: int, begin: int, end: int, longest: int) -> Stripe | None:
    surveyor, lines, pairs, examples = Surveyor(), list[bytes](), 0, 0
    part: Readable = _Part(descriptor, begin, end)
    for block in read_blocks(part, longest=longest):
        if not isinstance(block, bytes):
            return None
        for _, batch in reader.read(block, examples + 1):
            if batch is None:
                return None
            lines.append(batch.lines)
            pairs += batch.pairs
            examples += len(batch.numbers)
            surveyor.add_all(batch.numbers, batch.asked, batch.lengths, batch.outputs, batch.output_lengths)
    return Stripe(end - begin, b"".join(lines), pairs, surveyor.gather())


class _Helpers:
    """Other processes, each with every n-th stripe."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = dict(enumerate(pipes, 1))
        self._every = len(pipes) + 1

    def take(self, number: int) -> Taken | None:
        pipe = self._pipes.get(number % self._every)
        if pipe is None:
            return None
        try:
            taken: Taken = pipe.recv()
        except (EOFError, OSError):
            del self._pipes[number % self._every]
            return None
        return taken


@contextmanager
def _open_helpers(stream: Stream, typed: Typed, helpers: int, *, size: int, longest: int) -> Iterator[Team]:
    """Start processes that help with a file, and end them afterwards."""
    import multiprocessing

    fork = multiprocessing.get_context("fork")
    pipes: list[Connection] = []
    processes = []
    try:
        with suppress(OSError):  # the system may refuse more processes, or more open files
            for first in range(1, helpers + 1):
                ours, theirs = fork.Pipe(duplex=False)
                pipes.append(ours)
                chosen = range(first, size + 1, helpers + 1)
                stripes = measure_stripes(
                    stream.fileno(), stream.tell(), typed, chosen, size=size, longest=longest
                )
                with theirs:
                    process = fork.Process(target=_help, args=(theirs, [*pipes], stripes), daemon=True)
                    process.start()
                processes.append(process)
        yield _Helpers(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.kill()
            process.join()


def _help(pipe: Connection, others: Sequence[Connection], stripes: Iterator[Taken]) -> None:
    """Send what is in the stripes, until that is done or nobody reads it any more."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:
        other.close()
    with suppress(OSError):
        for taken in stripes:
            pipe.send(taken)
