"""Training data: every form of the same examples is the same data, byte for byte."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.datasets.examples import read_examples
from reconciler.datasets.formats import read_rows
from reconciler.datasets.pairs import PAIRS
from reconciler.errors import Severity
from reconciler.manifests.documents import read_documents
from reconciler.model.data import Example
from reconciler.problems import Problems, Refusal
from tests.datasets.conftest import (
    CHARACTERS,
    EXAMPLES,
    Load,
    write_jsonl,
    write_objects,
)
from tests.fakes import digest_examples

HEAD = """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: numbers}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task:
    training_data:
"""


def _yaml_text(text: str) -> str:
    plain = "".join(
        letter if " " <= letter <= "~" and letter not in '"\\' else f"\\U{ord(letter):08x}" for letter in text
    )
    return f'"{plain}"'


def _inline(examples: tuple[Example, ...]) -> str:
    rows = (
        f"{{text_input: {_yaml_text(one.text_input)}, output: {_yaml_text(one.output)}}}" for one in examples
    )
    return f"{HEAD}      examples: {{examples: [{', '.join(rows)}]}}\n"


def _csv(examples: tuple[Example, ...]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["text_input", "output"])
    writer.writerows((one.text_input, one.output) for one in examples)
    return text.getvalue()


FORMS = {
    "data.jsonl": write_jsonl(EXAMPLES),
    "ascii.jsonl": write_jsonl(EXAMPLES, ascii_only=True),
    "camel.jsonl": "\n".join(json.dumps(row) for row in write_objects(EXAMPLES, "textInput")),
    "reversed.jsonl": "".join(
        json.dumps(dict(reversed(row.items()))) + "\n" for row in write_objects(EXAMPLES)
    ),
    "blank-end.jsonl": write_jsonl(EXAMPLES) + "\n  \n\n",
    "crlf.jsonl": write_jsonl(EXAMPLES).replace("\n", "\r\n"),
    "mark.jsonl": "\ufeff" + write_jsonl(EXAMPLES),
    "UPPER.JSONL": write_jsonl(EXAMPLES),
    "list.json": json.dumps(write_objects(EXAMPLES), indent=2),
    "wrapped.json": json.dumps({"examples": write_objects(EXAMPLES)}),
    "tutorial.json": json.dumps({"examples": {"examples": write_objects(EXAMPLES, "textInput")}}),
    "mark.json": "\ufeff" + json.dumps(write_objects(EXAMPLES)),
    "data.csv": _csv(EXAMPLES),
    "lf.csv": _csv(EXAMPLES).replace("\r\n", "\n"),
    "crlf-inside.csv": _csv(EXAMPLES).replace("4\nfive", "4\r\nfive"),
    "mark.Csv": "\ufeff" + _csv(EXAMPLES),
    "camel.csv": _csv(EXAMPLES).replace("text_input", "textInput"),
    "turned.csv": "output,text_input\r\n"
    + "".join(_csv((Example(one.output, one.text_input),)).split("\r\n", 1)[1] for one in EXAMPLES),
    "blank-end.csv": _csv(EXAMPLES) + "\r\n\r\n",
    "no-end.csv": _csv(EXAMPLES).removesuffix("\r\n"),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_are_equal(name: str, workspace: Path, load_manifests: Load) -> None:
    """A file of any format and an inline list of the same examples have one digest and one content."""
    (workspace / "manifests" / name).write_text(FORMS[name], encoding="utf-8", newline="")
    (workspace / "manifests" / "a.yaml").write_text(f"{HEAD}      file: {name}\n")
    (data,) = load_manifests().desired[0].data
    assert data.digest == digest_examples(EXAMPLES)
    assert (data.examples, data.characters, data.inline) == (4, CHARACTERS, ())
    assert read_examples(data) == EXAMPLES
    (workspace / "manifests" / "a.yaml").write_text(_inline(EXAMPLES))
    (inline,) = load_manifests().desired[0].data
    assert (inline.digest, inline.examples, inline.characters) == (data.digest, 4, CHARACTERS)
    assert (inline.file, inline.shown, inline.inline) == (None, "inline", EXAMPLES)
    assert read_examples(inline) == EXAMPLES


text = st.text(st.characters(exclude_categories=["Cs"]))
written = st.lists(st.builds(Example, text, text), min_size=1, max_size=5).map(tuple)


def _read(name: str, content: str) -> tuple[Example | Refusal, ...]:
    problems = Problems()
    stream = io.BufferedReader(io.BytesIO(content.encode()))
    found = tuple(one for _, one in read_rows(stream, name, PAIRS, problems))
    assert not problems
    return found


@given(written)
def test_nothing_is_lost_in_json(examples: tuple[Example, ...]) -> None:
    """JSON and JSONL give any text back as it was written."""
    for name, content in (
        ("x.jsonl", write_jsonl(examples)),
        ("x.jsonl", write_jsonl(examples, ascii_only=True)),
        ("x.json", json.dumps(write_objects(examples))),
        ("x.json", json.dumps({"examples": {"examples": write_objects(examples, "textInput")}}, indent=1)),
    ):
        assert _read(name, content) == examples


@given(written.filter(lambda examples: "\0" not in _csv(examples)))
def test_nothing_is_lost_in_csv(examples: tuple[Example, ...]) -> None:
    """CSV gives any text back, except that it reads CRLF as LF and refuses NUL."""
    assert _read("x.csv", _csv(examples)) == tuple(
        Example(one.text_input.replace("\r\n", "\n"), one.output.replace("\r\n", "\n")) for one in examples
    )


@given(written)
def test_nothing_is_lost_in_yaml(examples: tuple[Example, ...]) -> None:
    """An escaped YAML scalar gives any text back, and "${" in it stays."""
    problems = Problems()
    (document,) = read_documents("x.yaml", _inline(examples), problems)
    document.fill({})
    assert not problems
    assert document.at("spec.tuning_task.training_data.examples.examples").value == write_objects(examples)


@given(written, written)
def test_digests_tell_data_apart(one: tuple[Example, ...], other: tuple[Example, ...]) -> None:
    """Two data sets have the same digest only if they are the same examples in the same order."""
    assert (digest_examples(one) == digest_examples(other)) == (one == other)


def test_few_examples_are_a_warning(workspace: Path, load_manifests: Load) -> None:
    """A model with fewer than 20 examples gets a warning at its data."""
    (workspace / "manifests" / "a.yaml").write_text(f"{HEAD}      file: data/numbers.jsonl\n")
    assert load_manifests().warnings == ()
    rows = (workspace / "manifests" / "data" / "numbers.jsonl").read_text().splitlines(keepends=True)
    (workspace / "manifests" / "data" / "numbers.jsonl").write_text("".join(rows[:19]))
    (warning,) = load_manifests().warnings
    assert (warning.summary, warning.line, warning.address) == (
        "19 examples of training data",
        7,
        "TunedModel/numbers",
    )
    assert warning.severity is Severity.WARNING


def test_a_path_through_links(workspace: Path, load_manifests: Load) -> None:
    """`link/../x` is the file that the system finds, and not the one that the letters suggest."""
    (workspace / ".git").mkdir()
    (workspace / "other" / "deep").mkdir(parents=True)
    (workspace / "other" / "numbers.jsonl").write_text(write_jsonl(EXAMPLES))
    (workspace / "manifests" / "link").symlink_to(workspace / "other" / "deep")
    (workspace / "manifests" / "a.yaml").write_text(f"{HEAD}      file: link/../numbers.jsonl\n")
    (data,) = load_manifests().desired[0].data
    assert data.digest == digest_examples(EXAMPLES)
    assert data.file == "manifests/link/../numbers.jsonl"
    assert read_examples(data) == EXAMPLES


def test_inside_the_work_tree_above_the_manifests(
    workspace: Path, load_manifests: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data may be anywhere in the git work tree, wherever the command runs. `.git` may be a file."""
    (workspace / ".git").write_text("gitdir: elsewhere\n")
    (workspace / "data").mkdir()
    (workspace / "data" / "numbers.jsonl").write_text(write_jsonl(EXAMPLES))
    (workspace / "manifests" / "a.yaml").write_text(f"{HEAD}      file: ../data/numbers.jsonl\n")
    assert load_manifests().desired[0].data[0].file == "data/numbers.jsonl"
    monkeypatch.chdir(workspace / "manifests" / "data")
    (data,) = load_manifests("..").desired[0].data
    assert data.file == "../../data/numbers.jsonl"
    assert read_examples(data) == EXAMPLES


def test_each_file_is_read_once(workspace: Path, load_manifests: Load) -> None:
    """Many models that share a data file measure it once, whatever path they name."""
    models = [
        HEAD.replace("numbers", f"m{number}") + f"      file: {'./' * number}data/numbers.jsonl\n"
        for number in range(5)
    ]
    (workspace / "manifests" / "a.yaml").write_text("---\n".join(models))
    assert len({one.data[0].digest for one in load_manifests().desired}) == 1
