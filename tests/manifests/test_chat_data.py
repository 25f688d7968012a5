"""Data of tuning jobs: pairs and chat lines, equal where they say the same, refused where they are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import Diagnostic
from reconciler.manifests import Loaded, read_examples
from reconciler.model import DataSet

Load = Callable[..., Loaded]
Refused = Callable[..., list[Diagnostic]]
TURNS = [
    {"role": "user", "parts": [{"text": "1"}]},
    {"role": "model", "parts": [{"text": "2"}]},
]
INSTRUCTION = {"role": "system", "parts": [{"text": "count"}]}


def declare(
    workspace: Path, content: str, *, name: str = "d.jsonl", spec: str = "supervised_tuning_spec"
) -> None:
    """A manifest with this data."""
    (workspace / "manifests" / name).write_text(content, encoding="utf-8")
    (workspace / "manifests" / "job.yaml").write_text(
        f"""apiVersion: reconciler/v1
kind: TuningJob
metadata: {{name: bot}}
spec:
  base_model: gemini-2.5-flash
  {spec}: {{training_dataset_uri: {name}}}
"""
    )


def data(load: Load) -> DataSet:
    """The one data set."""
    (desired,) = load().desired
    return desired.data[0]


def test_a_pair_is_the_same_however_it_is_written(workspace: Path, load_manifests: Load) -> None:
    """JSONL pairs, CSV and chat lines of the same examples have one digest, that of a TunedModel's data."""
    forms = {
        "a.jsonl": json.dumps({"text_input": "1", "output": "2"}),
        "b.jsonl": json.dumps({"contents": TURNS}),
        "c.csv": "text_input,output\n1,2\n",
        "e.json": json.dumps([{"textInput": "1", "output": "2"}]),
    }
    digests = set()
    for name, content in forms.items():
        declare(workspace, content, name=name)
        digests.add(data(load_manifests).digest)
    assert len(digests) == 1


def test_a_line_that_says_more_is_kept_whole(workspace: Path, load_manifests: Load) -> None:
    """An instruction or a third turn makes another digest, and is read again as it was measured."""
    plain = {"contents": TURNS}
    lines = [plain, {"systemInstruction": INSTRUCTION, **plain}, {"contents": [*TURNS, *TURNS]}]
    digests = set()
    for line in lines:
        declare(workspace, json.dumps(line))
        found = data(load_manifests)
        digests.add(found.digest)
        (example,) = read_examples(found)
        assert (json.loads(example.line or "{}") == line) == (line is not plain)
    assert len(digests) == 3


def test_spelling_and_order_of_keys_mean_nothing(workspace: Path, load_manifests: Load) -> None:
    """system_instruction is systemInstruction, wherever it stands in the line."""
    declare(workspace, json.dumps({"systemInstruction": INSTRUCTION, "contents": TURNS}))
    first = data(load_manifests).digest
    declare(workspace, json.dumps({"contents": TURNS, "system_instruction": INSTRUCTION}))
    assert data(load_manifests).digest == first


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"contents": []}, "not a list of turns"),
        ({"contents": TURNS[:1]}, "not the model's"),
        ({"contents": [{"role": "user"}, TURNS[1]]}, "has no parts"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}, TURNS[1]]}, "role 'assistant'"),
        ({"contents": [TURNS[0], {"role": "model", "parts": [{"text": 2}]}]}, "is no text"),
        ({"contents": TURNS, "messages": []}, "'messages' is not a key"),
        ({"contents": TURNS, "completions": []}, "belong to preference tuning"),
        ({"text_input": "", "output": "2"}, "text_input is empty"),
        ({"text_input": "1", "output": ""}, "output is empty"),
        ({"messages": [{"role": "user", "content": "1"}]}, "'messages' is not a column"),
    ],
    ids=str,
)
def test_a_wrong_line_is_refused_at_its_place(
    workspace: Path, refused: Refused, line: object, said: str
) -> None:
    """Each wrong line is one problem, at that line of the data file."""
    good = json.dumps({"contents": TURNS})
    declare(workspace, f"{good}\n{json.dumps(line)}\n{good}\n")
    (problem,) = refused()
    assert said in problem.summary
    assert (problem.file, problem.line) == ("manifests/d.jsonl", 2)
    assert problem.detail


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"text_input": "1", "output": "2"}, "contents and completions"),
        ({"contents": TURNS[:1]}, "not a list of two"),
        ({"contents": TURNS[:1], "completions": [{"score": 1}, {"score": 0}]}, "no score or no completion"),
    ],
    ids=str,
)
def test_preferences_need_two_answers(workspace: Path, refused: Refused, line: object, said: str) -> None:
    """A line for preference tuning without two scored completions is refused."""
    declare(workspace, json.dumps(line), spec="preference_optimization_spec")
    (problem,) = refused()
    assert said in problem.summary


def test_preferences_are_read(workspace: Path, load_manifests: Load) -> None:
    """Two scored completions are an example."""
    completions = [{"score": score, "completion": TURNS[1]} for score in (1, 0)]
    declare(
        workspace,
        json.dumps({"contents": TURNS[:1], "completions": completions}),
        spec="preference_optimization_spec",
    )
    assert data(load_manifests).examples == 1
