"""What is sent is what was measured, or nothing is sent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reconciler.datasets.examples import read_examples
from reconciler.errors import ReconcilerError, StalePlanError
from reconciler.model.data import DataSet, Example
from tests.datasets.conftest import (
    CHARACTERS,
    EXAMPLES,
    Load,
    data,
    declare,
    write_jsonl,
    write_objects,
)
from tests.fakes import digest_examples

GOOD = b'{"text_input": "1", "output": "2"}\n'


def _stored(workspace: Path, content: str) -> DataSet:
    (workspace / "numbers.jsonl").write_text(content)
    return DataSet(digest_examples(EXAMPLES), 4, CHARACTERS, file="numbers.jsonl", shown="numbers.jsonl")


def test_changed_data_stops_before_its_last_example(workspace: Path, load_manifests: Load) -> None:
    """If the data differs when it is read again, its digest says so before its end."""
    declare(workspace, (GOOD * 3).decode())
    found = data(load_manifests)
    examples = read_examples(found)
    assert len(list(examples)) == len(list(examples)) == 3
    for changed in (
        GOOD * 4,
        GOOD * 2,
        GOOD * 2 + b"{",
        b"\xff",
        GOOD * 2 + b'{"text_input": "1", "output": "3"}',
    ):
        (workspace / "manifests/d.jsonl").write_bytes(changed)
        taken: list[Example] = []
        with pytest.raises(StalePlanError, match="changed since the plan was made"):
            taken.extend(examples)
        assert len(taken) < max(1, changed.count(b"text_input"))
    (workspace / "manifests/d.jsonl").unlink()
    with pytest.raises(StalePlanError, match="there is no such file"):
        list(examples)


@pytest.mark.parametrize(
    "content",
    [
        "",
        write_jsonl(EXAMPLES[:3]),
        write_jsonl(EXAMPLES[::-1]),
        write_jsonl(EXAMPLES).replace("five", "five "),
        "nonsense\n",
        '{"text_input": "\\ud800", "output": "x"}\n',
        "\x00",
    ],
)
def test_changed_since_the_plan(content: str, workspace: Path) -> None:
    """A file that has changed since it was measured is refused by name."""
    with pytest.raises(StalePlanError, match=r"^numbers\.jsonl changed since the plan was made"):
        read_examples(_stored(workspace, content))


def test_gone_since_the_plan(workspace: Path) -> None:
    """A file that is gone or became a pipe is refused. Nothing waits for it."""
    data = _stored(workspace, "")
    (workspace / "numbers.jsonl").unlink()
    with pytest.raises(ReconcilerError, match=r"numbers\.jsonl.*there is no such file"):
        read_examples(data)
    os.mkfifo(workspace / "numbers.jsonl")
    with pytest.raises(ReconcilerError, match="not a regular file"):
        read_examples(data)


def test_inline_data_is_proved_too() -> None:
    """Inline examples with another digest are refused."""
    with pytest.raises(StalePlanError, match="inline training data"):
        read_examples(DataSet(digest_examples(EXAMPLES), 1, 2, inline=EXAMPLES[:1]))


def test_reformatting_is_no_change(workspace: Path) -> None:
    """The digest is that of the examples, so another spelling of them changes nothing."""
    camel = "\n".join(json.dumps(row) for row in write_objects(EXAMPLES, "textInput"))
    assert read_examples(_stored(workspace, camel)) == EXAMPLES
