"""Measures a large file of lines in stripes, and lets other processes measure some where cores are free.

Rule: another process only saves time. It says of a stripe what this process would have found in it, or that
this process must read it. If a process cannot be started or dies, its stripes are read here.

Each process has the next stripes at hand while it measures one. This process measures stripes too while it
waits, so all of them end together. A process writes the lines of a stripe into memory that it shares with
this one, because a pipe takes as long as measuring. Each place in memory is used again and again, because
the system takes long to give a process new memory.

The processes are forked without `multiprocessing`, because importing it takes as long as measuring a stripe
does, several times.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from mmap import mmap
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol, TypeAlias

import msgspec

from reconciler.bounds import MB
from reconciler.datasets.rows import Batch, Typed
from reconciler.datasets.survey import Tally, Total
from reconciler.datasets.text import Stream, read_blocks
from reconciler.datasets.typed_rows import TypedReader

LEAST = 32 * MB
"""Bytes. A smaller file is read sooner than other processes would pay."""
SIZE = MB
"""Bytes of a stripe. Only a few of them are held, whatever the size of the file."""
MOST = 3
"""Other processes for one file."""

_CHUNK = 8 * 1024
_GIVEN = 3
"""Stripes that a member has at hand at most, with those that were not yet taken from it. Two let it wait."""
_AREA = 2 * SIZE
"""Bytes of memory for the lines of a stripe, which may be longer than in the file."""
_AHEAD = 16
"""Stripes that are given or measured at most before an earlier one is known."""
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a run to stop."""


class Span(NamedTuple):
    """Where a stripe begins and ends in the file."""

    begin: int
    end: int


class Stripe(NamedTuple):
    """Whole lines that were measured together.

    Attributes:
        size: bytes in the file.
        batch: their examples, one on each line. The numbers of the lines begin with 1.
    """

    size: int
    batch: Batch


class Answer(Protocol):
    """What is in a stripe."""

    def is_known(self) -> bool:
        """Return whether it can be taken at once."""

    def take(self) -> Stripe | None:
        """Wait for it. None if the stripe must be read by lines. The next one may overwrite its lines."""


class Team(Protocol):
    """Measures stripes while this process measures others."""

    def has_room(self) -> bool:
        """Return whether a member can be given a stripe."""

    def give(self, span: Span) -> Answer:
        """Give a stripe to a member."""


class _Known(NamedTuple):
    """What this process has found, and where it has written the lines."""

    stripe: Stripe | None
    memory: memoryview

    def is_known(self) -> bool:
        return True

    def take(self) -> Stripe | None:
        return self.stripe


LOADS = "/proc/loadavg"
"""Where Linux tells how many processes want a core."""


def count_helpers(size: int) -> int:
    """Count the processes that may help with a file of so many bytes: as many as there are free cores."""
    # a process with threads cannot be forked safely, and only Linux tells the cores that it may use
    if size < LEAST or sys.platform != "linux" or threading.active_count() > 1:
        return 0
    try:
        cores, others = len(os.sched_getaffinity(0)), _count_others()
    except (OSError, ValueError, IndexError):  # a sandbox may hide them
        return 0
    return max(0, min(round(cores - others), cores - 1, MOST))


def _count_others() -> float:
    """Count the other processes that want a core: in the last minute, or at this moment if those are fewer.

    The minute remembers a build that has just ended. The moment may miss a build that waits for its disk.

    Raises:
        OSError, ValueError, IndexError: the system does not tell.
    """
    minute, _, _, running, *_ = Path(LOADS).read_text(encoding="ascii").split()
    return min(float(minute), int(running.partition("/")[0]) - 1)  # this process is running too


Blocks: TypeAlias = "Iterator[bytes | Stream | Stripe]"
Measure: TypeAlias = Callable[[Span, memoryview], Stripe | None]
"""Measures a stripe, and writes its lines into memory.

None if they do not fit into it, or if the stripe must be read by lines.
"""


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
    measure = make_measure(stream.fileno(), typed, longest=longest)
    with _open_helpers(measure, helpers) as team:
        yield read_in_stripes(stream, measure, team, size=size, longest=longest, wants_lines=wants_lines)


def read_in_stripes(
    stream: Stream, measure: Measure, team: Team, *, size: int, longest: int, wants_lines: Callable[[], bool]
) -> Blocks:
    """Yield what `text.read_blocks` yields, and the stripes that were measured.

    Args:
        stream: a file, at its first line.
        measure: measures a stripe in this process.
        team: measures some of the stripes.
        size: bytes of the file.
        longest: see `text.read_blocks`.
        wants_lines: tells that all is to be read by lines from now on.
    """
    descriptor, begin = stream.fileno(), stream.tell()
    for span, answer in _deal(_cut(descriptor, begin, size, longest), measure, team):
        if wants_lines():
            break
        stripe = answer.take()
        if stripe is not None and stripe.size == span.end - begin:
            yield stripe
        else:
            yield from read_blocks(_Part(descriptor, span), longest=longest)
        begin = span.end
    stream.seek(begin)
    yield from read_blocks(stream, longest=longest)


def _deal(parts: Iterator[Span], measure: Measure, team: Team) -> Iterator[tuple[Span, Answer]]:
    """Yield each stripe in order. Measure later ones here as long as the next one is not known."""
    ahead: deque[tuple[Span, Answer]] = deque()
    free: list[memoryview] = []
    while True:
        while team.has_room() and len(ahead) < _AHEAD and (span := next(parts, None)):
            ahead.append((span, team.give(span)))
        must_wait = not ahead or not ahead[0][1].is_known()
        if must_wait and len(ahead) < _AHEAD and (span := next(parts, None)):
            memory = free.pop() if free else memoryview(mmap(-1, _AREA))
            ahead.append((span, _Known(measure(span, memory), memory)))
        elif ahead:
            span, answer = ahead.popleft()
            yield span, answer
            if isinstance(answer, _Known):
                free.append(answer.memory)
        else:
            return


def make_measure(descriptor: int, typed: Typed, *, longest: int) -> Measure:
    """Make what measures the stripes of a file."""
    reader = TypedReader(typed)

    def measure(span: Span, memory: memoryview) -> Stripe | None:
        size, pairs, examples, total = 0, 0, 0, Total()
        for block in read_blocks(_Part(descriptor, span), longest=longest):
            if not isinstance(block, bytes):
                return None
            for _, batch in reader.read(block, examples + 1):
                if batch is None or size + sum(map(len, batch.lines)) > len(memory):
                    return None
                for lines in batch.lines:
                    memory[size : size + len(lines)] = lines
                    size += len(lines)
                pairs += batch.pairs
                examples += len(batch.numbers)
                total.add(batch.tally)
        batch = Batch(range(1, examples + 1), [memory[:size]], pairs, total)
        return Stripe(span.end - span.begin, batch)

    return measure


def _cut(descriptor: int, begin: int, size: int, longest: int) -> Iterator[Span]:
    """Yield each stripe. Ends before a line of more than about `longest` bytes."""
    while begin < size:
        end = _find_line(descriptor, begin + SIZE, size, longest)
        if end is None:
            return
        yield Span(begin, end)
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

    def __init__(self, descriptor: int, span: Span) -> None:
        self._descriptor, (self._at, self._end) = descriptor, span

    def read(self, size: int) -> bytes:
        """Read at most so many bytes."""
        found = os.pread(self._descriptor, min(size, self._end - self._at), self._at)
        self._at += len(found)
        return found


class _Written(msgspec.Struct, array_like=True):
    """What another process says of a stripe. `size`: bytes of its lines. See `Batch` and `Tally`."""

    size: int
    examples: int
    pairs: int
    inputs: bytes
    lengths: dict[int, int]
    outputs: bytes
    output_lengths: dict[int, int]
    labels: dict[str, int] | None


_ASKED = struct.Struct("=QQQ")
"""What another process is asked: where a stripe begins and ends, and from where in memory on to write."""
_SIZE = struct.Struct("=I")
"""Bytes of an answer, which follows."""
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Written | None)


class _Member:
    """Another process, and the memory that it writes lines to."""

    def __init__(self, process: int, asking: int, answers: int, memory: memoryview) -> None:
        self._process, self._asking, self._answers, self._memory = process, asking, answers, memory
        self._poll = select.poll()
        self._poll.register(answers, select.POLLIN)
        self._given = self._taken = 0
        self.is_gone = False

    @property
    def at_hand(self) -> int:
        """How many stripes were given to it and not yet taken."""
        return self._given - self._taken

    def give(self, span: Span) -> Answer:
        at = self._given % _GIVEN * _AREA
        self._given += 1
        with self._leaving():
            os.write(self._asking, _ASKED.pack(*span, at))
        return _Given(self, span, at)

    def is_known(self) -> bool:
        """Return whether the next stripe can be taken at once."""
        return self.is_gone or bool(self._poll.poll(0))

    def take(self, span: Span, at: int) -> Stripe | None:
        self._taken += 1
        with self._leaving():
            (size,) = _SIZE.unpack(_receive(self._answers, _SIZE.size))
            written = _DECODER.decode(_receive(self._answers, size))
            if written is not None:
                lines, numbers = self._memory[at : at + written.size], range(1, written.examples + 1)
                tally = Tally(
                    written.inputs, written.lengths, written.outputs, written.output_lengths, written.labels
                )
                return Stripe(span.end - span.begin, Batch(numbers, [lines], written.pairs, tally))
        return None

    @contextmanager
    def _leaving(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            self.is_gone = True

    def end(self) -> None:
        """End the process, wherever it is."""
        _close(self._asking, self._answers)
        with suppress(OSError):  # who started this process may have told the system to forget its children
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)


class _Given(NamedTuple):
    """What a member will have found."""

    member: _Member
    span: Span
    at: int

    def is_known(self) -> bool:
        return self.member.is_known()

    def take(self) -> Stripe | None:
        return self.member.take(self.span, self.at)


class _Helpers:
    """The team of other processes."""

    def __init__(self, members: Sequence[_Member]) -> None:
        self._members = members

    def has_room(self) -> bool:
        return any(not member.is_gone and member.at_hand < _GIVEN for member in self._members)

    def give(self, span: Span) -> Answer:
        there = [member for member in self._members if not member.is_gone]
        return min(there, key=lambda member: member.at_hand).give(span)


@contextmanager
def _open_helpers(measure: Measure, helpers: int) -> Iterator[Team]:
    """Start processes that help with a file, and end them afterwards."""
    members: list[_Member] = []
    try:
        with suppress(OSError):  # the system may refuse more processes, open files or memory
            for _ in range(helpers):
                members.append(_start(measure))  # noqa: PERF401 - those before one that is refused are ended too
        yield _Helpers(members)
    finally:
        for member in members:
            member.end()


def _start(measure: Measure) -> _Member:
    """Start a process that measures what it is asked for, until this process is gone.

    Raises:
        OSError: the system refuses it.
    """
    memory = memoryview(mmap(-1, _GIVEN * _AREA))
    opened: list[int] = []
    # a signal waits: right after the fork, it would let the new process go on as this one does
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        opened += os.pipe()
        opened += os.pipe()
        process = os.fork()
        asked, asking, answers, answering = opened
        if not process:
            _close(asking, answers)
            _help(asked, answering, memory, measure)
    except OSError:
        _close(*opened)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    _close(asked, answering)
    return _Member(process, asking, answers, memory)


def _help(asked: int, answering: int, memory: memoryview, measure: Measure) -> NoReturn:
    """Measure each stripe that is asked for, until nobody can ask any more."""
    try:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        while True:
            begin, end, at = _ASKED.unpack(_receive(asked, _ASKED.size))
            stripe = measure(Span(begin, end), memory[at : at + _AREA])
            answer = _ENCODER.encode(None if stripe is None else _describe(stripe))
            _send(answering, _SIZE.pack(len(answer)) + answer)
    finally:
        os._exit(0)  # what is wrong here is not told, because the parent reads the stripe again


def _describe(stripe: Stripe) -> tuple[object, ...]:
    """Describe a stripe in the order of `_Written`."""
    batch, tally = stripe.batch, stripe.batch.tally
    found = (tally.inputs, tally.lengths, tally.outputs, tally.output_lengths, tally.labels)
    return (sum(map(len, batch.lines)), len(batch.numbers), batch.pairs, *found)


def _send(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _receive(descriptor: int, size: int) -> bytes:
    """Receive exactly so many bytes.

    Raises:
        EOFError: nobody sends any more.
    """
    found = b""
    while len(found) < size:
        part = os.read(descriptor, size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
