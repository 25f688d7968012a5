"""One code measures training data, wherever its bytes come from, and its digests never change."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.datasets.chat import CHATS, PREFERENCE, SUPERVISED
from reconciler.datasets.examples import read_examples
from reconciler.datasets.measure import FORMS, measure
from reconciler.errors import ManifestError
from reconciler.model.data import PLAIN, DataSet, Layout
from reconciler.problems import Problems
from tests.datasets.documents import GOLDEN, measure_all

PAIRS = [
    {"text_input": "1", "output": "2"},
    {"text_input": ' 3,"x" ', "output": "4\nfive\t"},
    {"text_input": "六", "output": "七😀"},
]
TURNS = [{"role": "user", "parts": [{"text": "1"}]}, {"role": "model", "parts": [{"text": "2"}]}]
INSTRUCTION = {"parts": [{"text": "é"}]}
SCORED = [{"score": 1, "completion": TURNS[1]}, {"score": 0.5, "completion": TURNS[1]}]


class Slow(io.RawIOBase):
    """Bytes that come in small pieces, as from a network, and only forwards."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        """Return True, because the stream is for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        """Read at most 100 bytes."""
        chunk = self._content.read(min(len(buffer), 100))
        buffer[: len(chunk)] = chunk
        return len(chunk)


@pytest.mark.parametrize(
    ("form", "rows", "digest", "examples", "characters"),
    [
        ("", PAIRS, "2e4259ee56572d7a54f0128d0f8ea86fcdfca6c20b38692772b6e861b25a7e81", 3, 19),
        (SUPERVISED, PAIRS, "2e4259ee56572d7a54f0128d0f8ea86fcdfca6c20b38692772b6e861b25a7e81", 3, 19),
        (
            SUPERVISED,
            [{"contents": TURNS}, {"system_instruction": INSTRUCTION, "contents": TURNS}],
            "668ee72bd3722ab66cb556c81f1afc52c0e6d983b5ecbf81d6828b1bf8d96c96",
            2,
            5,
        ),
        (
            PREFERENCE,
            [{"contents": TURNS[:1], "completions": SCORED}],
            "d0296cef4150515c0bea46522c61431eaeb5d9e2c635017f7cb7f151d68c9178",
            1,
            3,
        ),
    ],
)
def test_a_digest_is_for_ever(
    form: str, rows: Sequence[object], digest: str, examples: int, characters: int
) -> None:
    """The same rows have the digest that earlier versions recorded, in JSON and in JSONL."""
    for name, content in (
        ("d.jsonl", "\n".join(map(json.dumps, rows))),
        ("d.json", json.dumps(rows, indent=2)),
        ("d.jsonl", "\ufeff" + "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)),
    ):
        problems = Problems()
        found = measure(io.BufferedReader(Slow(content.encode())), name, FORMS[form], problems)
        assert not problems
        assert found is not None
        assert (found.digest, found.examples, found.characters) == (digest, examples, characters)


ASKED = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
RULES = Layout("Q", "A", "S", ";")
PAIR_DIGEST = "2b9ce6ce6b6a00148db530e60321ba7c0db0f2abb862f7acdc5087bca973059c"
RULES_DIGEST = "efcc330f09d137a8ab5f2030f8568bd5158a642072ebbca67ab219a28396e773"


@pytest.mark.parametrize(
    ("name", "content", "layout", "digest"),
    [
        ("d.csv", "n;Q;A;S\n0;1;2;\n", RULES, PAIR_DIGEST),
        ("d.jsonl", '{"A": "2", "Q": "1", "S": null, "n": 0}\n', RULES, PAIR_DIGEST),
        (
            "d.jsonl",
            json.dumps({"messages": ASKED}),
            PLAIN,
            PAIR_DIGEST,
        ),
        ("d.csv", "S;A;Q\né;2;1\n", RULES, RULES_DIGEST),
        (
            "d.jsonl",
            json.dumps({"messages": [{"role": "system", "content": "é"}, *ASKED]}),
            PLAIN,
            RULES_DIGEST,
        ),
    ],
)
def test_a_digest_of_converted_data_is_for_ever(name: str, content: str, layout: Layout, digest: str) -> None:
    """Converted data has the digest of what is sent. With another digest it would train again."""
    problems = Problems()
    found = measure(
        io.BufferedReader(Slow(content.encode())), name, FORMS[SUPERVISED], problems, layout=layout
    )
    assert not problems
    assert found is not None
    assert (found.digest, found.examples) == (digest, 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "d.jsonl",
            b'{"text_input": "1", "output": "2"}\n\n{"output": "\xc3\xa9 \xe9"}\n',
            ["d:3:15: the file is not UTF-8: byte 0xe9 at offset 51"],
        ),
        (
            "d.jsonl",
            b'\xef\xbb\xbf{"output": "1"}\n{"output": "\xe9"}\n',
            ["d:1: text_input is missing", "d:2:13: the file is not UTF-8: byte 0xe9 at offset 31"],
        ),
        (
            "d.csv",
            b"input,output\n1,2\n\xff,4\n",
            [
                "d:1: 'input' is not a column of training data",
                "d:3:1: the file is not UTF-8: byte 0xff at offset 17",
            ],
        ),
        ("d.csv", b"text_input,output\n1,2\n3,\0\n", ["d:3:3: a NUL character: the file is not text"]),
    ],
)
def test_what_is_no_text_is_told_beside_what_is_no_example(
    name: str, content: bytes, said: list[str]
) -> None:
    """A stream that cannot be read twice gives every problem, each with its place."""
    problems = Problems()
    assert measure(io.BufferedReader(Slow(content)), name, FORMS[""], problems) is None
    with pytest.raises(ManifestError) as caught:
        problems.raise_if_any()
    found = [str(one).partition("\n")[0].replace(name, "d", 1) for one in caught.value.diagnostics]
    assert found == said


@pytest.mark.parametrize("name", ["d.jsonl", "d.csv"])
def test_memory_does_not_grow_with_a_file(workspace: Path, name: str) -> None:
    """A file of 20 MB is measured and read again in less than a tenth of that memory."""
    path, text = workspace / "manifests" / name, "z" * 20_000
    with path.open("w") as file:
        file.write("text_input,output\n" if name.endswith("csv") else "")
        for number in range(1000):
            pair = {"text_input": str(number), "output": text}
            file.write((f"{number},{text}" if name.endswith("csv") else json.dumps(pair)) + "\n")
    tracemalloc.start()
    try:
        with path.open("rb") as stream:
            measured = measure(stream, str(path), CHATS[SUPERVISED], Problems())
        assert measured is not None
        found = DataSet(measured.digest, 1000, 0, file=str(path), form=SUPERVISED)
        assert measured.examples == sum(1 for _ in read_examples(found)) == 1000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_what_is_measured_never_changes() -> None:
    """Good and odd documents in each form have the digests, counts and messages that they had before."""
    assert measure_all().splitlines() == GOLDEN.read_text().splitlines()
