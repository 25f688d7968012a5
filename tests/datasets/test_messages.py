"""OpenAI's chat form is read as what it says, or refused with the message and the reason."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.datasets.chat import SUPERVISED, write_chat_line
from reconciler.datasets.examples import read_examples
from reconciler.datasets.measure import FORMS, measure
from reconciler.datasets.messages import read_messages
from reconciler.model.data import Example
from reconciler.problems import Problems, Refusal
from tests.datasets.conftest import Load, Refused, data, declare

USER = {"role": "user", "content": "1"}
ASSISTANT = {"role": "assistant", "content": "2"}
SYSTEM = {"role": "system", "content": "count"}


def _text(role: str, *texts: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text} for text in texts]}


def _sent(load: Load) -> list[Any]:
    """The lines that would be uploaded."""
    return [json.loads(write_chat_line(example)) for example in read_examples(data(load))]


@pytest.mark.parametrize(
    ("messages", "converted"),
    [
        ([USER, ASSISTANT], {"contents": [_text("user", "1"), _text("model", "2")]}),
        (
            [SYSTEM, USER, ASSISTANT],
            {
                "systemInstruction": {"parts": [{"text": "count"}]},
                "contents": [_text("user", "1"), _text("model", "2")],
            },
        ),
        (
            [{"role": "developer", "content": "count"}, SYSTEM, USER, ASSISTANT, USER, ASSISTANT],
            {
                "systemInstruction": {"parts": [{"text": "count"}, {"text": "count"}]},
                "contents": [_text("user", "1"), _text("model", "2")] * 2,
            },
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": one} for one in "ab"]}, ASSISTANT],
            {"contents": [_text("user", "a", "b"), _text("model", "2")]},
        ),
        (
            [USER, USER, {**ASSISTANT, "weight": 1, "tool_calls": None, "refusal": None, "annotations": []}],
            {"contents": [_text("user", "1"), _text("user", "1"), _text("model", "2")]},
        ),
    ],
    ids=["pair", "system", "conversation", "parts", "nulls"],
)
def test_messages_are_sent_in_geminis_form(
    messages: list[object], converted: object, workspace: Path, load_manifests: Load
) -> None:
    """System messages become the instruction, and assistant becomes model. The texts do not change."""
    declare(workspace, json.dumps({"messages": messages, "tools": [], "parallel_tool_calls": True}))
    assert _sent(load_manifests) == [converted]


@pytest.mark.parametrize("name", ["d.jsonl", "d.json"])
def test_a_conversation_has_the_digest_of_its_contents(
    name: str, workspace: Path, load_manifests: Load
) -> None:
    """A line in OpenAI's form and the same in Gemini's are the same example, in .jsonl and in .json."""
    ours = {
        "systemInstruction": {"parts": [{"text": "count"}]},
        "contents": [_text("user", "1"), _text("model", "2"), _text("user", "1"), _text("model", "2")],
    }
    digests = set()
    for row in ({"messages": [SYSTEM, USER, ASSISTANT, USER, ASSISTANT]}, ours):
        declare(workspace, json.dumps([row] if name == "d.json" else row), name=name)
        digests.add(data(load_manifests).digest)
    assert len(digests) == 1


CALL = {"id": "c", "type": "function", "function": {"name": "stock", "arguments": "{}"}}


CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "datasets" / "messages.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["said"])
def test_what_gemini_cannot_say_is_refused(case: dict[str, str]) -> None:
    """A line is converted whole or not at all. The refusal names the message, and says what to do."""
    found = read_messages(json.loads(case["line"]))
    assert isinstance(found, Refusal)
    assert found.summary == case["said"]
    assert found.detail


text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
texts = st.lists(text, min_size=1, max_size=3)
turns = st.tuples(texts, texts)


@given(st.lists(text, max_size=2), st.lists(turns, min_size=1, max_size=3))
def test_every_conversation_has_one_digest(
    rules: list[str], asked: list[tuple[list[str], list[str]]]
) -> None:
    """A conversation in OpenAI's form is the same data in Gemini's. Its content may be a text or parts."""
    messages: list[object] = [{"role": "system", "content": rule} for rule in rules]
    contents = []
    for pair in asked:
        for role, parts in zip(("user", "assistant"), pair, strict=True):
            listed = [{"type": "text", "text": part} for part in parts]
            messages.append({"role": role, "content": parts[0] if len(parts) == 1 else listed})
            contents.append(_text("model" if role == "assistant" else role, *parts))
    ours: dict[str, object] = {"contents": contents}
    if rules:
        ours["systemInstruction"] = {"parts": [{"text": rule} for rule in rules]}
    digests = set()
    for row in ({"messages": messages}, ours):
        stream = io.BufferedReader(io.BytesIO(json.dumps(row).encode()))
        measured = measure(stream, "d.jsonl", FORMS[SUPERVISED], problems := Problems())
        assert measured is not None, list(problems.warnings)
        digests.add(measured.digest)
    assert len(digests) == 1


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
roles = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"]) | anything
parts = st.fixed_dictionaries({}, optional={"type": st.just("text") | anything, "text": anything}) | anything
keys = ("tool_calls", "function_call", "name", "weight", "refusal", "annotations", "audio", "other")
message = st.fixed_dictionaries(
    {},
    optional={
        "role": roles,
        "content": st.lists(parts, max_size=2) | anything,
        **dict.fromkeys(keys, anything),
    },
)


@given(
    st.lists(message | anything, max_size=3) | anything,
    st.dictionaries(st.sampled_from(["tools", "x"]), anything),
)
def test_every_line_is_read_or_refused(messages: object, beside: dict[str, object]) -> None:
    """Any JSON ends in turns that Gemini accepts, or in a refusal with advice."""
    found = read_messages({**beside, "messages": messages})
    if isinstance(found, Refusal):
        assert found.summary
        assert found.detail
    else:
        assert {turn["role"] for turn in found["contents"]} == {"user", "model"}
        assert all(part["text"] for turn in found["contents"] for part in turn["parts"])


def test_a_refused_line_names_its_place_and_like_ones_are_folded(workspace: Path, refused: Refused) -> None:
    """Of a thousand lines with tool calls two are shown with their places. The others are counted."""
    good = {"messages": [USER, ASSISTANT]}
    calls = {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}]}
    declare(workspace, "".join(json.dumps(row) + "\n" for row in [good, *[calls] * 1000]))
    found = refused()
    assert [(one.file, one.line) for one in found] == [("manifests/d.jsonl", line) for line in (2, 3, 4)]
    what = "message 2: it calls tools, and calls are not converted"
    assert [one.summary for one in found] == [what, what, f"and 998 more lines: {what}"]


def test_a_long_name_is_cut(workspace: Path, refused: Refused) -> None:
    """A key of 100,000 characters does not fill the terminal, or the memory of each line."""
    declare(workspace, json.dumps({"messages": [USER, ASSISTANT], "x" * 100_000: 1}))
    (problem,) = refused()
    assert len(problem.summary) < 150


MODEL = """apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: bot}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task: {training_data: {file: d.jsonl}}
"""


def test_a_tuned_model_takes_single_turns(workspace: Path, load_manifests: Load) -> None:
    """A question and its answer are the same data as a pair."""
    (workspace / "manifests" / "d.jsonl").write_text(json.dumps({"messages": [USER, ASSISTANT]}))
    (workspace / "manifests" / "model.yaml").write_text(MODEL)
    assert read_examples(data(load_manifests)) == (Example("1", "2"),)


@pytest.mark.parametrize(
    ("messages", "has"),
    [
        ([SYSTEM, USER, ASSISTANT], "a system message"),
        ([USER, ASSISTANT, USER, ASSISTANT], "4 turns"),
        (
            [{"role": "user", "content": [{"type": "text", "text": one} for one in "ab"]}, ASSISTANT],
            "several texts a turn",
        ),
    ],
)
def test_a_tuned_model_takes_no_conversation(
    messages: list[object], has: str, workspace: Path, refused: Refused
) -> None:
    """A longer conversation is refused, and the advice names the kind that accepts it."""
    (workspace / "manifests" / "d.jsonl").write_text(json.dumps({"messages": messages}))
    (workspace / "manifests" / "model.yaml").write_text(MODEL)
    (problem,) = refused()
    assert problem.summary == f"messages has {has}, and a TunedModel takes one question and its answer"
    assert "declare kind: TuningJob" in problem.detail
