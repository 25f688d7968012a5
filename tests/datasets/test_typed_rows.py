"""Lines that are read in batches are measured as if they had been read one by one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.datasets import formats, text, typed_rows
from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.datasets.complaints import Complaints
from reconciler.datasets.formats import read_batches, read_rows
from reconciler.datasets.measure import FORMS
from reconciler.datasets.measured_rows import measure_rows
from reconciler.datasets.rows import Batch, Row
from reconciler.model.data import PLAIN, Layout
from reconciler.problems import Problems
from tests.datasets.documents import (
    GOOD,
    NAMED,
    describe,
    make_lines,
    make_table,
    open_stream,
    write_chat,
    write_messages,
    write_pair,
)
from tests.limits import examples

Read = Callable[..., Iterator[Row | Batch]]
LAYOUTS = (PLAIN, NAMED, Layout("a", "b"), Layout("text_input", "output", "a", ";"))
SPLICED = (b"", b"\n", b'"', b"\\", b"{", b"}", b"\xff", b"\0", b"\r", b" ", b",", b"\xef\xbb\xbf")


def measure_by(read: Read, content: bytes, name: str, form: str, layout: Layout) -> tuple[object, ...]:
    """Measure by one of the two ways: what was found, every message, and what is compared."""
    problems = Problems()
    complaints = Complaints(name, problems)
    rows = read(open_stream(content), name, FORMS[form], problems, layout)
    found = measure_rows(rows, FORMS[form], complaints)
    complaints.close()
    lines = found.survey.lines
    return describe(found, problems), lines.numbers, lines.inputs, lines.outputs


@contextmanager
def sizes(source: random.Random) -> Iterator[None]:
    """Choose sizes of blocks, so that a short document has many."""
    most = source.choice([200, 262_144])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_BLOCK", source.choice([1, 7, 64, 300, 65536]))
        patch.setattr(typed_rows, "_FEWEST", source.choice([2, 3, 16]))
        patch.setattr(typed_rows, "MOST", most)
        patch.setattr(formats, "MOST", most)
        patch.setattr(formats, "_LONGEST", source.choice([300, 2**23]))
        yield


@settings(max_examples=examples(400))
@given(seed=st.integers(0, 2**32), odd=st.sampled_from([0.0, 0.01, 0.1, 0.5]), cuts=st.integers(0, 3))
def test_both_ways_measure_the_same(seed: int, odd: float, cuts: int) -> None:
    """Digest, counts, hashes and messages with their places are equal for good, odd and broken documents."""
    source = random.Random(seed)
    is_table = source.random() < 0.3
    content = (make_table if is_table else make_lines)(source, odd=odd)
    for _ in range(cuts if content else 0):
        at = source.randrange(len(content) or 1)
        content = content[:at] + source.choice(SPLICED) + content[at + 1 :]
    name, form = "d.csv" if is_table else "d.jsonl", source.choice(["", SUPERVISED, SUPERVISED, PREFERENCE])
    way = (content, name, form, source.choice(LAYOUTS))
    with sizes(source):
        assert measure_by(read_batches, *way) == measure_by(read_rows, *way)


def instruct(rest: str) -> bytes:
    """Write a chat whose instruction has something else beside its parts."""
    return write_chat("a", 'so "', system="s").replace(
        b'{"parts": [{"text": "s"', f'{{{rest}, "parts": [{{"text": "s"'.encode()
    )


def count_batched(content: bytes, name: str, form: str) -> int:
    """Count the examples that were read in batches."""
    found = read_batches(open_stream(content), name, FORMS[form], Problems())
    return sum(len(one.numbers) for one in found if isinstance(one, Batch))


@pytest.mark.parametrize(
    ("name", "form", "line"),
    [
        ("d.jsonl", "", write_pair("a", "b")),
        ("d.jsonl", "", write_pair("a", "é\\", key="textInput")),
        ("d.jsonl", "", write_messages("a", "b")),
        ("d.jsonl", SUPERVISED, write_pair("a", 'b"')),
        ("d.jsonl", SUPERVISED, write_chat("a", "b")),
        ("d.jsonl", SUPERVISED, write_chat("a", "b", "c", "d", system="s")),
        ("d.jsonl", SUPERVISED, write_chat("a", "b", system="s", key="system_instruction")),
        ("d.jsonl", SUPERVISED, instruct('"role": "system"')),
        ("d.jsonl", SUPERVISED, write_messages("a", "b", system="s")),
        ("d.jsonl", SUPERVISED, write_messages("a", "b", "c", "d")),
        ("d.csv", "", b'"a\na",b'),
        ("d.csv", SUPERVISED, b"a,b"),
    ],
)
def test_good_lines_are_read_in_batches(name: str, form: str, line: bytes) -> None:
    """Every form of texts takes the quick way: all lines of a good file, and all but a few near a bad one."""
    head = b"text_input,output\n" if name.endswith("csv") else b""
    good = head + 5000 * (line + b"\n")
    assert count_batched(good, name, form) == 5000
    if not head:
        assert 4980 <= count_batched(good + b'{"text_input": 1}\n' + good, name, form) - 5000 < 5000


@pytest.mark.parametrize(
    "line",
    [
        b'{"text_input": "a", "output": "b", "output": "b"}',
        b'{"text_input": "a\\\\", "output": "b", "text_input": "\\\\"}',
        write_chat("a", "b").replace(b'"text": "a"', b'"text": "a", "text": "a"'),
        b'{"text_input": "a", "output": "b"}{"text_input": "a", "output": "b"}',
        b'{"text_input": "a",\n"output": "b"}',
        b'{"text_input": "\\ud800", "output": "b"}',
        b'{"text_input": "a", "output": "b"}\x0c',
        b"null",
        b'null\n{"text_input": "a", "output": "b"}, {"text_input": "a", "output": "b"}',
    ],
)
def test_what_msgspec_takes_and_we_refuse_is_not_batched(line: bytes) -> None:
    """A key that occurs twice, several objects on a line and the like are left to the reader of lines."""
    assert count_batched(line + b"\n", "d.jsonl", SUPERVISED) == 0


@pytest.mark.parametrize("line", GOOD)
def test_each_good_line_alone_is_measured_the_same(line: bytes) -> None:
    """A batch of one line gives what the line gives, in each form."""
    for form in FORMS:
        way = (line, "d.jsonl", form, PLAIN)
        assert measure_by(read_batches, *way) == measure_by(read_rows, *way)


@pytest.mark.parametrize(
    "rest",
    [
        '"role": "system"',
        '"role": ""',
        '"role": null',
        '"role": 1',
        '"role": "a", "role": "b"',
        '"name": "a"',
        r'"role": "\""',
        r'"role": "\ud800"',
    ],
)
def test_an_instruction_may_have_any_role(rest: str) -> None:
    """Google's guide writes the role "system". A role that is no text is left to the reader of lines."""
    way = (3 * (instruct(rest) + b"\n"), "d.jsonl", SUPERVISED, PLAIN)
    assert measure_by(read_batches, *way) == measure_by(read_rows, *way)


def compress(line: bytes) -> bytes:
    """Write a line without spaces."""
    return json.dumps(json.loads(line), separators=(",", ":")).encode()


USUAL = (
    write_pair("a", "b"),
    write_pair("a", "b", key="textInput"),
    b'{"output": "b", "text_input": "a"}',
    write_chat("a", "b"),
    write_messages("a", "b"),
)
ODD = (
    b'{"text_input": "a", "output": "x", "output": "b"}',
    b'{"text_input": "x", "output": "b", "text_input": "a"}',
    b'{"output":"x","textInput":"x","output":"b","textInput":"a"}',
    write_chat("a", "b").replace(b'"text": "b"', b'"text": "x", "text": "b"'),
    write_chat("a", "b").replace(b'{"role": "model"', b'{"role": "model", "role": "model"'),
    write_messages("a", "b").replace(b'"content": "a"', b'"content": "x", "content": "a"'),
)


@pytest.mark.parametrize("line", [*USUAL, write_chat("a", "b", "c", "d", system="s"), *map(compress, USUAL)])
@pytest.mark.parametrize("put", [b"\n", b",", b",\n", b"\r\n", b"\n\n"])
def test_a_break_or_a_comma_anywhere_is_found(line: bytes, put: bytes) -> None:
    """An object on several lines is refused, even beside so many on one line that their numbers are equal.

    It is refused, too, if the break or the comma stands in the place of another character.
    """
    for at in range(len(line) + 1):
        for broken in (line[:at] + put + line[at:], line[:at] + put + line[at + 1 :]):
            for content in (broken, broken + b"\n" + line + b"," + line, line + b"," + line + b"\n" + broken):
                way = (content + b"\n", "d.jsonl", SUPERVISED, PLAIN)
                assert measure_by(read_batches, *way) == measure_by(read_rows, *way)


TEXTS = (
    *("a", "", ":", "é:", "\u2028", "\x00", "\\", '"', "}", "{", "😀" * 40, "a" * 400),
    *('": "', '", "output": "', '"}\n{"text_input": "', '"},{"', '"output": "a", "output": "b"', "\n"),
)
SPACES = (*[b" "] * 12, *[b""] * 4, b"  ", b"\t", b"\n", b"\r\n", b",", b"\x0c", b"\0")
ENDS = (
    *[b"\n"] * 16,
    b"\r\n",
    b" \n",
    b"\n\n",
    b"\n \n",
    b",",
    b",\n",
    b"\n,",
    b" ",
    b"",
    b"\r",
    b"\xef\xbb\xbf",
)


def write_loosely(source: random.Random, texts: list[str], *, odd: float) -> bytes:
    """Write a pair with texts of these. Spaces, escapes and keys may be odd, and a key may be there twice."""
    keys = source.choice([["text_input", "output"]] * 3 + [["output", "textInput"]])
    if source.random() < odd:
        keys = source.choices(
            ["text_input", "textInput", "output", "text\\u005finput", "id"], k=source.randint(1, 4)
        )
    parts = [b"{"]
    for number, key in enumerate(keys):
        text = json.dumps(source.choice(texts), ensure_ascii=source.random() < 0.3).encode()
        if source.random() < odd:
            text = source.choice(
                [text, rb'"\u003a\u0022"', rb'"\ud800"', b'"\xff"', b'"a\nb"', b'"\\/"', b"1", b"null"]
            )
        first = [b",", b" "] if number else []
        parts += [*first, b'"' + key.encode() + b'"', b":", b" ", text]
    if source.random() < odd:
        parts = [source.choice(SPACES) if part == b" " else part for part in parts]
    return b"".join([*parts, b"}"])


@settings(max_examples=examples(400))
@given(seed=st.integers(0, 2**32), odd=st.sampled_from([0.0, 0.01, 0.1, 0.5]))
def test_loosely_written_pairs_are_measured_the_same(seed: int, odd: float) -> None:
    """Whatever stands between the texts, within them and between the lines."""
    source = random.Random(seed)
    texts = source.sample(TEXTS, source.randint(1, 4))
    content = source.choice([b"", b"", b"\xef\xbb\xbf"])
    for _ in range(source.choice([1, 3, 30, 300])):
        end = source.choice(ENDS) if source.random() < odd else b"\n"
        content += write_loosely(source, texts, odd=odd) + end
    content = content[: source.choice([len(content), -1])]
    way = (content, "d.jsonl", source.choice(["", SUPERVISED]), PLAIN)
    with sizes(source):
        assert measure_by(read_batches, *way) == measure_by(read_rows, *way)


@pytest.mark.parametrize("line", [*USUAL, *map(compress, USUAL)])
def test_usual_lines_are_known_by_their_colons(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their quotes are not counted, which takes longer than reading. Texts may have colons and escapes."""
    monkeypatch.setattr(typed_rows, "_count_quotes", lambda _: -1)
    content = 1000 * (line + b"\n")
    texts = (b'"a"', b'"a: b"', b'":"', b'"\\"\xc3\xa9\\\\"', b'"\\u00e4:\\n"')
    for whole in (content[:-1], *(content.replace(b'"a"', other) for other in texts)):
        assert count_batched(whole, "d.jsonl", SUPERVISED) == 1000


@pytest.mark.parametrize("escape", [b"\\u003a", b"\\u003A", b"\\\\\\u003a", b"\\n" * 200 + b"\\u003a"])
def test_an_escaped_colon_leaves_its_block_to_the_quotes(
    escape: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The escape is found among few backslashes and among many."""
    monkeypatch.setattr(typed_rows, "_count_quotes", lambda _: -1)
    for written, count in ((escape, 0), (escape.replace(b"003", b"004"), 100)):
        line = write_pair("a", ":").replace(b'"a"', b'"' + written + b'"')
        assert count_batched(100 * (line + b"\n"), "d.jsonl", SUPERVISED) == count


@pytest.mark.parametrize("odd", ODD)
def test_a_key_twice_is_found_by_its_colon(odd: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither colons in the texts nor escaped ones hide it."""
    monkeypatch.setattr(typed_rows, "_count_quotes", lambda _: -1)
    for dropped in (b'"x"', b'"x:"', b'"\\u003a"', b'"\\u003A:"'):
        for kept in (b'"a"', b'"a:"', b'"\\u003a"', b'"\\u003A\\u003a"'):
            line = odd.replace(b'"x"', dropped).replace(b'"a"', kept)
            assert count_batched(line + b"\n", "d.jsonl", SUPERVISED) == 0
