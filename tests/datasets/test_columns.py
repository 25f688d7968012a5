"""Data files with columns of their own: read as the manifest says, other columns ignored."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.datasets.chat import CHATS, SUPERVISED, write_chat_line
from reconciler.datasets.data_sets import DataSets
from reconciler.datasets.examples import read_examples
from reconciler.datasets.measure import FORMS, measure
from reconciler.errors import ManifestError
from reconciler.model.data import PLAIN, DataSet, Example, Layout
from reconciler.problems import Place, Problems
from tests.datasets.conftest import Load, Refused, data
from tests.fakes import digest_examples

NAMES = Layout("Question", "Answer")
WITH_RULES = Layout("Question", "Answer", "Rules")


def _measure(name: str, content: str, layout: Layout, form: str = SUPERVISED) -> str:
    """The digest of data that must be sound."""
    problems = Problems()
    stream = io.BufferedReader(io.BytesIO(content.encode()))
    found = measure(stream, name, FORMS[form], problems, layout=layout)
    problems.raise_if_any()
    assert found is not None
    return found.digest


def _refuse(name: str, content: str, layout: Layout) -> list[str]:
    """Return the problems of data that is not sound."""
    with pytest.raises(ManifestError) as caught:
        _measure(name, content, layout)
    return [f"{one.line}: {one.summary}\n{one.detail}" for one in caught.value.diagnostics]


def _write_csv(rows: Sequence[Sequence[str]], delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


WRITERS: dict[str, Callable[[Sequence[Example]], tuple[str, str, Layout]]] = {
    "csv": lambda examples: (
        "d.csv",
        _write_csv([("text_input", "output"), *((one.text_input, one.output) for one in examples)]),
        PLAIN,
    ),
    "csv with an index and semicolons": lambda examples: (
        "d.csv",
        _write_csv(
            [
                ("", "Answer", "Question", "score"),
                *((str(at), one.output, one.text_input, "0.5") for at, one in enumerate(examples)),
            ],
            ";",
        ),
        replace(NAMES, delimiter=";"),
    ),
    "csv with tabs and an empty column of rules": lambda examples: (
        "d.csv",
        "\ufeff"
        + _write_csv(
            [("Question", "Rules", "Answer"), *((one.text_input, "", one.output) for one in examples)], "\t"
        ),
        replace(WITH_RULES, delimiter="\t"),
    ),
    "jsonl": lambda examples: (
        "d.jsonl",
        "".join(json.dumps({"text_input": one.text_input, "output": one.output}) + "\n" for one in examples),
        PLAIN,
    ),
    "jsonl with columns": lambda examples: (
        "d.jsonl",
        "".join(
            json.dumps({"Answer": one.output, "Question": one.text_input, "Rules": None, "n": 1}) + "\n"
            for one in examples
        ),
        WITH_RULES,
    ),
    "json with columns": lambda examples: (
        "d.json",
        json.dumps([{"Question": one.text_input, "Answer": one.output, "more": [1]} for one in examples]),
        NAMES,
    ),
    "messages": lambda examples: (
        "d.jsonl",
        "".join(
            json.dumps(
                {
                    "messages": [
                        {"role": "user", "content": one.text_input},
                        {"role": "assistant", "content": [{"type": "text", "text": one.output}]},
                    ]
                },
                ensure_ascii=False,
            )
            + "\n"
            for one in examples
        ),
        PLAIN,
    ),
    "contents": lambda examples: (
        "d.jsonl",
        "".join(write_chat_line(one).decode() + "\n" for one in examples),
        PLAIN,
    ),
}
"""The forms of a data file: examples to its name, its content, and what the manifest says of it."""

# Any text that each of the forms can hold. CSV reads CRLF as LF and refuses NUL.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1)
examples = st.lists(st.builds(Example, text, text), min_size=1, max_size=5)


@given(examples)
def test_every_form_of_the_same_examples_has_one_digest(written: list[Example]) -> None:
    """Columns, delimiters, OpenAI's messages and Gemini's contents are the same data as inline pairs."""
    digests = {form: _measure(*write(written)) for form, write in WRITERS.items()}
    inline = DataSets(Problems()).read_inline(written, lambda _: Place("m.yaml"))
    assert inline is not None
    assert (
        digests == dict.fromkeys(WRITERS, digest_examples(written)) == dict.fromkeys(WRITERS, inline.digest)
    )


@given(examples, text)
def test_an_instruction_has_one_digest_too(written: list[Example], rules: str) -> None:
    """A column of instructions, a system message and systemInstruction are the same examples."""
    rows = [(one.text_input, one.output, rules) for one in written]
    columns = _write_csv([("Question", "Answer", "Rules"), *rows])
    messages = "".join(
        json.dumps(
            {
                "messages": [
                    {"role": "system", "content": rules},
                    {"role": "user", "content": asked},
                    {"role": "assistant", "content": answer},
                ]
            }
        )
        + "\n"
        for asked, answer, rules in rows
    )
    contents = "".join(
        json.dumps(
            {
                "systemInstruction": {"parts": [{"text": rules}]},
                "contents": [
                    {"role": "user", "parts": [{"text": asked}]},
                    {"role": "model", "parts": [{"text": answer}]},
                ],
            }
        )
        + "\n"
        for asked, answer, rules in rows
    )
    digest = _measure("d.csv", columns, WITH_RULES)
    assert digest == _measure("d.jsonl", messages, PLAIN) == _measure("d.jsonl", contents, PLAIN)


CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "datasets" / "columns.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["summary"])
def test_what_does_not_fit_is_named(case: dict[str, Any]) -> None:
    """If a header or a line does not fit the manifest, the error says what the manifest should say."""
    layout = Layout(**case.get("columns", {}), delimiter=case.get("delimiter", ","))
    first, *_ = _refuse(case["file"], case["content"], layout)
    assert first == f"{case['line']}: {case['summary']}\n{case['detail']}"


def test_a_column_of_rules_may_not_stand_with_an_empty_answer() -> None:
    """An instruction does not hide that there is nothing to learn."""
    assert _refuse("d.csv", "Question,Answer,Rules\n,2,x\n1,,x\n", WITH_RULES)[1].startswith(
        "3: output is empty"
    )


def test_many_wrong_lines_are_folded() -> None:
    """Of a thousand lines without a named column two are shown. The others are counted."""
    found = _refuse("d.jsonl", '{"Question": "1"}\n' * 1000, NAMES)
    assert [one.partition("\n")[0] for one in found] == [
        "1: the key 'Answer' is missing",
        "2: the key 'Answer' is missing",
        "3: and 998 more lines: the key 'Answer' is missing",
    ]


HEAD = """apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: bot}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task:
    training_data: {file: d.csv, columns: {text_input: Frage, output: "Ant:wort"}, delimiter: ";"}
---
apiVersion: reconciler/v1
kind: TuningJob
metadata: {name: bot}
spec:
  base_model: gemini-3.1-flash-lite
  supervised_tuning_spec:
    training_dataset_uri: {file: d.csv, columns: {textInput: Frage, output: "Ant:wort"}, delimiter: ";"}
    validation_dataset_uri: {file: d.csv, columns: {output: Frage, text_input: "Ant:wort"}, delimiter: ";"}
"""


def test_a_manifest_says_what_is_read(workspace: Path, load_manifests: Load) -> None:
    """Both kinds read the named columns, and read them again when the data is sent."""
    (workspace / "manifests" / "d.csv").write_text("Frage;egal;Ant:wort\n1;x;2\n3;;4\n")
    (workspace / "manifests" / "bot.yaml").write_text(HEAD)
    model, job = load_manifests().desired
    right, turned = (Example("1", "2"), Example("3", "4")), (Example("2", "1"), Example("4", "3"))
    assert [tuple(read_examples(one)) for one in (*job.data, *model.data)] == [right, turned, right]
    assert job.data[0].digest == model.data[0].digest == digest_examples(right)
    assert job.data[0].shown == "d.csv"


def test_a_spelling_of_columns_is_no_change(workspace: Path, load_manifests: Load) -> None:
    """The same columns in another order, or renamed in file and manifest, are the same data."""
    (workspace / "manifests" / "d.csv").write_text("Frage;egal;Ant:wort\n1;x;2\n3;;4\n")
    (workspace / "manifests" / "bot.yaml").write_text(HEAD.partition("---")[0])
    before = data(load_manifests)
    (workspace / "manifests" / "d.csv").write_text("A,Q\n2,1\n4,3\n")
    (workspace / "manifests" / "bot.yaml").write_text(
        HEAD.partition("---")[0]
        .replace('{text_input: Frage, output: "Ant:wort"}', "{output: A, text_input: Q}")
        .replace(', delimiter: ";"', "")
    )
    assert data(load_manifests).digest == before.digest


def test_two_models_may_read_one_file_differently(workspace: Path, refused: Refused) -> None:
    """What one manifest reads of a file says nothing about what another one reads."""
    (workspace / "manifests" / "d.csv").write_text("Frage;egal;Ant:wort\n1;x;2\n")
    (workspace / "manifests" / "bot.yaml").write_text(
        HEAD + "---\n" + HEAD.partition("---")[0].replace("bot", "other").replace("Frage", "Fragen")
    )
    (problem,) = refused()
    assert problem.summary == "the column 'Fragen' is missing"


@pytest.mark.parametrize("form", ["d.csv", "d.jsonl", "messages.jsonl"])
def test_memory_does_not_grow_with_a_converted_file(tmp_path: Path, form: str) -> None:
    """A file of 20 MB is converted, measured and read again in less than a tenth of that memory."""
    path, long = tmp_path / form, "z" * 20_000
    with path.open("w") as file:
        file.write("n;Answer;Question\n" if form == "d.csv" else "")
        for number in range(1000):
            asked = {"role": "user", "content": str(number)}
            messages = {"messages": [asked, {"role": "assistant", "content": long}]}
            line = {"Question": str(number), "Answer": long, "n": number}
            file.write(
                f"x;{long};{number}\n"
                if form == "d.csv"
                else json.dumps(messages if form.startswith("messages") else line) + "\n"
            )
    layout = {"d.csv": replace(NAMES, delimiter=";"), "d.jsonl": NAMES}.get(form, PLAIN)
    tracemalloc.start()
    try:
        with path.open("rb") as stream:
            measured = measure(stream, str(path), CHATS[SUPERVISED], Problems(), layout=layout)
        assert measured is not None
        found = DataSet(measured.digest, 1000, 0, file=str(path), form=SUPERVISED, layout=layout)
        assert measured.examples == sum(1 for _ in read_examples(found)) == 1000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_problems() -> None:
    """Ten thousand wrong lines need as much memory as three of each kind."""
    problems = Problems()
    content = b"".join(b'{"Question": %d, "k%d": 1}\n{"Answer": ""}\n' % (n, n) for n in range(5_000))
    stream = io.BufferedReader(io.BytesIO(content))
    tracemalloc.start()
    try:
        assert measure(stream, "d.jsonl", CHATS[SUPERVISED], problems, layout=NAMES) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert len(problems) == 6
