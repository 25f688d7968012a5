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

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.datasets import formats, stripes
from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.datasets.formats import read_batches, read_rows
from reconciler.datasets.rows import Typed
from reconciler.datasets.stripes import Blocks, Taken, count_helpers, measure_stripes, read_in_stripes
from reconciler.datasets.text import Stream
from reconciler.model import PLAIN
from tests.datasets.documents import make_lines, write_chat, write_pair
from tests.datasets.test_typed_rows import SPLICED, measure_by
from tests.limits import examples

LINES = b"".join(write_pair(f"q{number}", f"a{number % 7}") + b"\n" for number in range(500))
FAULTY = LINES + b'{"text_input": 1}\n\n' + LINES + b"\xff\n" + LINES


class Members:
    """A team in this process. After `left` stripes its members are gone. It may be `off` by some bytes."""

    def __init__(self, taken: dict[int, Iterator[Taken]], left: int, off: int) -> None:
        self.taken, self.left, self.off = taken, left, off
        self.helped = 0

    def take(self, number: int) -> Taken | None:
        """Return the next stripe of a member."""
        member = self.taken.get(number % (len(self.taken) + 1))
        self.left -= 1
        if member is None or self.left < 0:
            return None
        begin, end, found = next(member)
        self.helped += found is not None
        return begin, end - self.off, found


def measure_with_team(
    content: bytes, path: Path, form: str, *, members: int = 1, left: int = 2**31, off: int = 0
) -> tuple[object, int]:
    """Measure a file with a team. Returns what was found, and how many stripes the team measured."""
    path.write_bytes(content)
    teams = []

    @contextmanager
    def open_team(
        stream: Stream, typed: Typed, *, longest: int, wants_lines: Callable[[], bool]
    ) -> Iterator[Blocks]:
        begin, size = stream.tell(), len(content)
        taken = {
            first: measure_stripes(
                stream.fileno(),
                begin,
                typed,
                range(first, size + 1, members + 1),
                size=size,
                longest=longest,
            )
            for first in range(1, members + 1)
        }
        teams.append(Members(taken, left, off))
        yield read_in_stripes(stream, teams[0], size=size, longest=longest, wants_lines=wants_lines)

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
        found, _ = measure_with_team(content, path, form, members=source.choice([1, 2]))
        assert found == measure_by(read_rows, content, "d.jsonl", form, PLAIN)


@pytest.mark.parametrize("content", [LINES, b"\xef\xbb\xbf" + LINES, LINES[:-1], FAULTY])
@pytest.mark.parametrize("way", [{"members": 1}, {"members": 2, "left": 5}, {"members": 1, "off": 1}])
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
        found, helped = measure_with_team(content, tmp_path / "d", SUPERVISED, members=2)
    assert found == measure_by(read_rows, content, "d.jsonl", SUPERVISED, PLAIN)
    assert helped > 10


PROCESSES = """
import contextlib, json, multiprocessing, os, sys
from reconciler.datasets import stripes
from reconciler.datasets.formats import read_batches
from reconciler.datasets.measure import FORMS, survey
from reconciler.datasets.rows import Stripe
from reconciler.problems import Problems

stripes.LEAST, stripes.SIZE = 0, 2000
os.getloadavg, os.sched_getaffinity = lambda: (0.0, 0.0, 0.0), lambda _: set(range(3))
form = FORMS["supervised_tuning_spec"]

def measure():
    problems = Problems()
    with open(sys.argv[1], "rb") as stream:
        found = survey(stream, "d.jsonl", form, problems)
    assert multiprocessing.active_children() == []
    return [found.digest, found.examples, found.size, repr(found.survey), len(problems)]

def count_stripes():
    with open(sys.argv[1], "rb") as stream:
        return sum(isinstance(one, Stripe) for one in read_batches(stream, "d.jsonl", form, Problems()))

helped = [measure(), count_stripes() > 10]
with open(sys.argv[1], "rb") as stream:  # who stops in the middle leaves no process behind
    rows = read_batches(stream, "d.jsonl", form, Problems())
    next(rows)
    rows.close()
assert multiprocessing.active_children() == []

send = stripes._help
def leave(pipe, others, found):
    send(pipe, others, [next(found), next(found)])
    os._exit(1)
stripes._help = leave
left = [measure(), 0 < count_stripes() < 5]

def refuse(_):
    raise BlockingIOError("no process left")
start = multiprocessing.context.ForkProcess.start
multiprocessing.context.ForkProcess.start = refuse
refused = [measure(), count_stripes() == 0]
multiprocessing.context.ForkProcess.start = start
multiprocessing.context.BaseContext.Pipe = lambda *_, **__: refuse(None)
without = [measure(), count_stripes() == 0]
stripes.LEAST = 2**40
print(json.dumps([helped, left, refused, without, [measure(), count_stripes() == 0]]))
"""


def test_other_processes_help_where_they_can(tmp_path: Path) -> None:
    """With two processes, with such that die, and without any, the same is found, and none is left behind."""
    path = tmp_path / "d.jsonl"
    path.write_bytes(LINES + b'{"text_input": 1}\n' + LINES)
    command = [sys.executable, "-c", PROCESSES, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    first, *others = json.loads(done.stdout)
    assert first[0][1] == 1000
    assert first[1] is True
    assert others == [first] * 4


@pytest.mark.parametrize(
    ("cores", "load", "helpers"),
    [(2, 0.4, 1), (2, 1.4, 1), (2, 1.6, 0), (2, 9.0, 0), (1, 0.0, 0), (64, 2.0, 3)],
)
def test_there_are_as_many_helpers_as_free_cores(
    cores: int, load: float, helpers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine, for a small file, or beside other threads there are none."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    assert count_helpers(stripes.LEAST) == helpers
    assert count_helpers(stripes.LEAST - 1) == 0
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert count_helpers(stripes.LEAST) == 0
    monkeypatch.setattr(threading, "active_count", lambda: 1)

    def hide() -> tuple[float, float, float]:
        raise OSError("hidden")

    monkeypatch.setattr(os, "getloadavg", hide)
    assert count_helpers(stripes.LEAST) == 0
    monkeypatch.setattr(sys, "platform", "darwin")
    assert count_helpers(stripes.LEAST) == 0
