"""A large file that several processes read together is measured as if one had read it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.datasets import formats, stripes
from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.datasets.formats import read_batches, read_rows
from reconciler.datasets.rows import Typed
from reconciler.datasets.stripes import (
    Answer,
    Blocks,
    Measure,
    Span,
    Stripe,
    count_helpers,
    make_measure,
    read_in_stripes,
)
from reconciler.datasets.text import Stream
from reconciler.model.data import PLAIN
from tests.datasets.documents import make_lines, write_chat, write_pair
from tests.datasets.test_typed_rows import SPLICED, measure_by
from tests.limits import examples

LINES = b"".join(write_pair(f"q{number}", f"a{number % 7}") + b"\n" for number in range(500))
FAULTY = LINES + b'{"text_input": 1}\n\n' + LINES + b"\xff\n" + LINES


class Members:
    """A team in this process. After `left` stripes its members are gone. They may be `off` by some bytes."""

    def __init__(self, measure: Measure, room: int, left: int, off: int) -> None:
        self.measure, self.room, self.left, self.off = measure, room, left, off
        self.given = self.asked = self.helped = 0

    def has_room(self) -> bool:
        """Whether a member takes another stripe."""
        return self.given < self.room and self.left > 0

    def give(self, span: Span) -> Answer:
        """Give a stripe, which is measured when it is taken."""
        self.given += 1
        return Given(self, span)


class Given(NamedTuple):
    """What a member says of a stripe."""

    team: Members
    span: Span

    def is_known(self) -> bool:
        """It takes as long as measuring two stripes elsewhere."""
        self.team.asked += 1
        return self.team.asked % 3 == 0

    def take(self) -> Stripe | None:
        """Measure it, unless the members are gone."""
        team = self.team
        team.given -= 1
        team.left -= 1
        found = team.measure(self.span, memoryview(bytearray(2**20))) if team.left >= 0 else None
        team.helped += found is not None
        return found and found._replace(size=found.size - team.off)


def measure_with_team(
    content: bytes, path: Path, form: str, *, room: int = 1, left: int = 2**31, off: int = 0
) -> tuple[object, int]:
    """Measure a file with a team. Returns what was found, and how many stripes the team measured."""
    path.write_bytes(content)
    teams = []

    @contextmanager
    def open_team(
        stream: Stream, typed: Typed, *, longest: int, wants_lines: Callable[[], bool]
    ) -> Iterator[Blocks]:
        measure = make_measure(stream.fileno(), typed, longest=longest)
        teams.append(Members(measure, room, left, off))
        yield read_in_stripes(
            stream, measure, teams[0], size=len(content), longest=longest, wants_lines=wants_lines
        )

    def read(_: object, *rest: object) -> Iterator[object]:
        with path.open("rb") as stream:
            yield from read_batches(stream, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "open_blocks", open_team)
        found = measure_by(read, content, "d.jsonl", form, PLAIN)  # type: ignore[arg-type]
    return found, teams[0].helped if teams else 0


@contextmanager
def sizes(size: int, longest: int = 2**23) -> Iterator[None]:
    """Choose how many bytes a stripe has, and from where on a line is long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stripes, "SIZE", size)
        patch.setattr(stripes, "_CHUNK", 50)
        patch.setattr(formats, "_LONGEST", longest)
        yield


@settings(max_examples=examples(200))
@given(seed=st.integers(0, 2**32), odd=st.sampled_from([0.0, 0.01, 0.1]), cuts=st.integers(0, 2))
def test_a_team_measures_the_same(
    seed: int, odd: float, cuts: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Digest, counts, hashes and messages with their places are equal, wherever the faults are."""
    source = random.Random(seed)
    content = make_lines(source, odd=odd)
    for _ in range(cuts if content else 0):
        at = source.randrange(len(content) or 1)
        content = content[:at] + source.choice(SPLICED) + content[at + 1 :]
    form = source.choice(["", SUPERVISED, PREFERENCE])
    path = tmp_path_factory.getbasetemp() / "team.jsonl"
    with sizes(source.choice([1, 100, 1000]), source.choice([300, 2**23])):
        found, _ = measure_with_team(content, path, form, room=source.choice([1, 2, 20]))
        assert found == measure_by(read_rows, content, "d.jsonl", form, PLAIN)


@pytest.mark.parametrize("content", [LINES, b"\xef\xbb\xbf" + LINES, LINES[:-1], FAULTY])
@pytest.mark.parametrize("way", [{"room": 1}, {"room": 2, "left": 5}, {"room": 9, "off": 1}])
def test_a_team_may_leave_or_be_wrong(content: bytes, way: dict[str, int], tmp_path: Path) -> None:
    """What it does not say, or says of other lines, is read here."""
    with sizes(2000):
        found, helped = measure_with_team(content, tmp_path / "d", SUPERVISED, **way)
        assert found == measure_by(read_rows, content, "d.jsonl", SUPERVISED, PLAIN)
        assert 0 < helped <= way.get("left", helped)


def test_a_file_that_is_refused_at_once_is_not_taken_from_a_team(tmp_path: Path) -> None:
    """Its lines are read here, to find bytes that are no text."""
    content = b"[\n" + LINES + b"\0\n"
    with sizes(2000):
        found, helped = measure_with_team(content, tmp_path / "d", SUPERVISED)
    assert found == measure_by(read_rows, content, "d.jsonl", SUPERVISED, PLAIN)
    assert helped == 0


def test_chats_and_labels_are_gathered_too(tmp_path: Path) -> None:
    """What a stripe has beside the digest is added: lengths, hashes, labels, and how many are pairs."""
    lines = [write_chat("a", "b", str(number), "c") for number in range(300)] + [write_chat("a", "b")] * 300
    content = b"".join(line + b"\n" for line in lines)
    with sizes(1000):
        found, helped = measure_with_team(content, tmp_path / "d", SUPERVISED, room=2)
    assert found == measure_by(read_rows, content, "d.jsonl", SUPERVISED, PLAIN)
    assert helped > 10


PROCESSES = """
import json, os, signal, sys
from reconciler.datasets import stripes
from reconciler.datasets.formats import read_batches
from reconciler.datasets.measure import FORMS, survey
from reconciler.problems import Problems

stripes.LEAST, stripes.SIZE = 0, 2000
stripes._count_others, os.sched_getaffinity = lambda: 0.0, lambda _: set(range(3))
form = FORMS["supervised_tuning_spec"]

def has_children():
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True

def measure():
    problems = Problems()
    with open(sys.argv[1], "rb") as stream:
        found = survey(stream, "d.jsonl", form, problems)
    assert not has_children()
    return [found.digest, found.examples, found.size, repr(found.survey), len(problems)]

taken = []
take = stripes._Member.take
def note(*args):
    taken.append(take(*args))
    return taken[-1]
stripes._Member.take = note

def count_taken():
    taken.clear()
    measure()
    return len([stripe for stripe in taken if stripe is not None])

helped = [measure(), count_taken() > 3]
with open(sys.argv[1], "rb") as stream:  # who stops in the middle leaves no process behind
    rows = read_batches(stream, "d.jsonl", form, Problems())
    next(rows)
    rows.close()
assert not has_children()

def interrupt():
    process = fork()
    if not process:
        os.kill(os.getpid(), signal.SIGINT)
    return process
fork, os.fork = os.fork, interrupt
interrupted = [measure(), count_taken() > 3]
os.fork = fork

help = stripes._help
def leave(asked, answering, memory, measure):
    left = [1, 2]
    help(asked, answering, memory, lambda *what: measure(*what) if left and left.pop() else os._exit(1))
stripes._help = leave
left = [measure(), 0 < count_taken() < 5]
stripes._help, stripes._AREA = help, 10  # no lines are so short
long = [measure(), count_taken() == 0]

def refuse():
    raise BlockingIOError("none is left")
os.fork = refuse
refused = [measure(), count_taken() == 0]
os.fork, os.pipe = fork, refuse
without = [measure(), count_taken() == 0]
stripes.LEAST = 2**40
print(json.dumps([helped, interrupted, left, long, refused, without, [measure(), count_taken() == 0]]))
"""


def test_other_processes_help_where_they_can(tmp_path: Path) -> None:
    """With two processes, with such that die, and without any, the same is found, and none is left behind.

    Ctrl-C is for this process alone, as soon as another one is there.
    """
    path = tmp_path / "d.jsonl"
    path.write_bytes(LINES + b'{"text_input": 1}\n' + LINES)
    command = [sys.executable, "-c", PROCESSES, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    first, *others = json.loads(done.stdout)
    assert first[0][1] == 1000
    assert first[1] is True
    assert others == [first] * 6


@pytest.mark.parametrize(
    ("cores", "loads", "helpers"),
    [
        (2, "0.40 0.00 0.00 9/80 123", 1),
        (2, "1.40 0.00 0.00 9/80 123", 1),
        (2, "1.60 0.00 0.00 9/80 123", 0),
        (2, "9.00 9.00 9.00 4/80 123", 0),
        (2, "9.00 9.00 9.00 3/80 123", 0),
        (2, "9.00 9.00 9.00 2/80 123", 1),
        (2, "9.00 9.00 9.00 1/80 123", 1),
        (1, "0.00 0.00 0.00 1/80 123", 0),
        (64, "2.00 0.00 0.00 1/80 123", 3),
        (4, "nan", 0),
        (4, "a b c d e", 0),
    ],
)
def test_there_are_as_many_helpers_as_free_cores(
    cores: int, loads: str, helpers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core is free if nothing else runs at this moment, or in the last minute.

    For a small file, beside other threads, or where the system does not tell, there are none.
    """
    told = tmp_path / "loadavg"
    told.write_text(f"{loads}\n", encoding="ascii")
    monkeypatch.setattr(stripes, "LOADS", str(told))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    assert count_helpers(stripes.LEAST) == helpers
    assert count_helpers(stripes.LEAST - 1) == 0
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert count_helpers(stripes.LEAST) == 0
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    told.unlink()
    assert count_helpers(stripes.LEAST) == 0
    told.write_text("0.00 0.00 0.00 1/80 123\n", encoding="ascii")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert count_helpers(stripes.LEAST) == 0
