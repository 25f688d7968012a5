"""What a survey of training data says."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.datasets import survey as surveys
from reconciler.datasets.data_sets import DataSets
from reconciler.datasets.survey import (
    Found,
    Lengths,
    Pair,
    Survey,
    Surveyor,
    Total,
    find_shared,
    tally_texts,
    warn_of,
)
from reconciler.model.data import Example
from reconciler.problems import Place, Problems, fold
from tests.datasets.conftest import Load, load_manifests, workspace

__all__ = ["load_manifests", "workspace"]


def survey(*pairs: tuple[str, str]) -> Survey:
    """Survey pairs that stand on the lines from 1 on."""
    surveyor = Surveyor()
    for line, (asked, output) in enumerate(pairs, 1):
        surveyor.add(line, Example(asked, output), is_long=False)
    return surveyor.close()


def survey_chats(*chats: object) -> Survey:
    """Survey lines of chat JSONL."""
    surveyor = Surveyor()
    for line, chat in enumerate(chats, 1):
        surveyor.add(line, Example("", "", json.dumps(chat)), is_long=False)
    return surveyor.close()


def turn(role: str, *texts: str) -> dict[str, object]:
    """A turn of a chat."""
    return {"role": role, "parts": [{"text": text} for text in texts]}


def test_lengths_are_those_of_all_texts() -> None:
    """Median and 95th percentile are lengths that occur, by the nearest rank."""
    found = survey(*[("x" * length, "") for length in range(1, 101)])
    assert found.inputs == Lengths(1, 50, 95, 100, 5050)
    assert found.outputs == Lengths(0, 0, 0, 0, 0)
    assert (found.examples, found.characters, found.tokens) == (100, 5050, 1263)
    assert survey().inputs == Lengths()


@pytest.mark.parametrize(
    "outputs", [["yes"] * 4, ["yes", "no"] * 2, ["yes", *["x" * 61] * 3], ["y" * 61] * 4]
)
@pytest.mark.parametrize("most", [3, 10])
def test_examples_are_added_in_tallies_of_any_size(
    outputs: list[str], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, in batches, or in one of several batches: lengths, hashes, lines and labels are equal."""
    monkeypatch.setattr(surveys, "MOST_COMPARED", most)
    single, parts, whole = Surveyor(), Surveyor(), Surveyor()
    everything = Total()
    for first in (1, 3):
        asked = [f"q{first}", f"q{first}0"]
        answers = outputs[first - 1 : first + 1]
        for line, pair in enumerate(zip(asked, answers, strict=True), first):
            single.add(line, Example(*pair), is_long=False)
        tally = tally_texts(asked, list(map(len, asked)), answers, list(map(len, answers)))
        parts.add_all([first, first + 1], tally)
        everything.add(tally)
    whole.add_all(range(1, 5), everything)
    one, *others = single.close(), parts.close(), whole.close()
    for several in others:
        assert one == several
        assert (one.lines.numbers, one.lines.inputs) == (several.lines.numbers, several.lines.inputs)
        assert one.lines.outputs == several.lines.outputs


def test_repetitions_and_contradictions_are_told_apart() -> None:
    """One input with two outputs is a contradiction. It is counted once for each input."""
    found = survey(("a", "1"), ("b", "2"), ("a", "1"), ("a", "3"), ("a", "3"), ("a", "4"), ("b", "2"))
    assert found.duplicates == Found(3, (Pair(1, 3), Pair(4, 5), Pair(2, 7)))
    assert found.contradictions == Found(1, (Pair(1, 4),))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12")), max_size=30), st.integers(1, 4))
def test_comparing_in_parts_changes_nothing(pairs: list[tuple[str, str]], at_once: int) -> None:
    """However few hashes are in memory at a time, the counts are those of the plain definition."""
    before = surveys._AT_ONCE
    surveys._AT_ONCE = at_once
    try:
        found = survey(*pairs)
    finally:
        surveys._AT_ONCE = before
    assert found.duplicates.count == len(pairs) - len(set(pairs))
    outputs = Counter(asked for asked, _ in set(pairs))
    assert found.contradictions.count == sum(count > 1 for count in outputs.values())
    for pair in found.duplicates.pairs:
        assert pair.first < pair.second
        assert pairs[pair.first - 1] == pairs[pair.second - 1]
    for pair in found.contradictions.pairs:
        assert pairs[pair.first - 1][0] == pairs[pair.second - 1][0]
        assert pairs[pair.first - 1][1] != pairs[pair.second - 1][1]


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("12")), max_size=12),
    st.integers(1, 5),
    st.integers(1, 12),
)
def test_looking_for_new_inputs_early_changes_nothing(
    pairs: list[tuple[str, str]], new: int, at_once: int
) -> None:
    """However often it is looked whether all inputs differ, and until when, the same is found."""
    surveyor = Surveyor()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surveys, "_NEW", new)
        patch.setattr(surveys, "_AT_ONCE", at_once)
        for line, pair in enumerate(pairs, 1):
            asked, output = [pair[0]], [pair[1]]
            surveyor.add_all([line], tally_texts(asked, [1], output, [1]))
        found = surveyor.close()
    assert found == survey(*pairs)


def test_only_the_first_pairs_are_kept() -> None:
    """Of ten thousand repetitions the first hundred are kept, and all are counted."""
    found = survey(*[("a", "1")] * 10_001).duplicates
    assert (found.count, len(found.pairs)) == (10_000, 100)
    assert found.pairs[-1] == Pair(1, 101)


def test_examples_beyond_the_limit_are_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound. Examples beyond it are counted, and not compared."""
    monkeypatch.setattr(surveys, "MOST_COMPARED", 2)
    found = survey(("a", "1"), ("b", "1"), ("a", "2"))
    assert (found.examples, found.compared, found.contradictions.count) == (3, 2, 0)


def test_few_short_outputs_are_labels() -> None:
    """Labels are shown with their counts. Many, long or single outputs are no labels."""
    assert survey(("a", "no"), ("b", "yes"), ("c", "yes"), ("d", "yes")).labels == (("yes", 3), ("no", 1))
    assert survey(("a", "no"), ("b", "yes"), ("c", "so")).labels == ()
    assert survey(*[(str(number), str(number % 21)) for number in range(100)]).labels == ()
    assert survey(*[("a", "x" * 61)] * 9).labels == ()


def test_the_output_of_a_chat_is_its_last_turn() -> None:
    """Everything before the last turn is the input, and so is the instruction."""
    chat = {"contents": [turn("user", "ab", "c"), turn("model", "defg")]}
    told = {**chat, "systemInstruction": turn("system", "hi")}
    other = {**told, "contents": [turn("user", "ab", "c"), turn("model", "x")]}
    found = survey_chats(chat, told, other)
    assert found.inputs == Lengths(3, 5, 5, 5, 13)
    assert found.outputs == Lengths(1, 4, 4, 4, 9)
    assert found.contradictions == Found(1, (Pair(2, 3),))


def test_a_part_without_text_counts_too() -> None:
    """Two chats that differ only in an image are not the same."""
    files = [{"fileData": {"fileUri": f"gs://b/{name}"}} for name in "ab"]
    chats = [{"contents": [{"role": "user", "parts": [file]}, turn("model", "a cat")]} for file in files]
    found = survey_chats(*chats, chats[0])
    assert found.duplicates == Found(1, (Pair(1, 3),))
    assert found.inputs.most == 0


def test_two_preferences_for_one_prompt_are_no_contradiction() -> None:
    """A prompt may have several pairs of answers. The same pair twice is a repetition."""
    answers = [turn("model", "yes"), turn("model", "no"), turn("model", "maybe")]
    rows = [
        {"contents": [turn("user", "so?")], "completions": [{"score": 1, "completion": one} for one in two]}
        for two in (answers[:2], answers[1:], answers[:2])
    ]
    found = survey_chats(*rows)
    assert (found.duplicates, found.contradictions) == (Found(1, (Pair(1, 3),)), Found())
    assert found.outputs == Lengths(5, 5, 7, 7, 17)


def test_shared_examples_have_both_lines() -> None:
    """Each held-out example that is also trained counts once."""
    training = survey(("x", "0"), ("a", "1"), ("a", "1"), ("b", "2"))
    held = survey(("b", "2"), ("a", "2"), ("a", "1"))
    assert find_shared(training.lines, held.lines) == Found(2, (Pair(4, 1), Pair(2, 3)))
    assert find_shared(training.lines, survey().lines) == Found()


def test_a_few_repetitions_are_no_warning() -> None:
    """Up to one in twenty may repeat another on purpose."""
    assert list(warn_of(survey(*[(str(n), "") for n in range(19)], ("0", "")))) == []
    ((line, refusal),) = warn_of(survey(*[(str(n), "") for n in range(18)], ("0", "")))
    assert (line, refusal.summary) == (
        19,
        "1 of 19 examples repeats an earlier one: line 19 is the same as line 1",
    )


def test_ten_lines_of_contradictions_are_one_warning() -> None:
    """The warning names the first three."""
    pairs = [(str(n % 5), str(n)) for n in range(10)]
    ((line, refusal),) = warn_of(survey(*pairs))
    assert (line, refusal.summary) == (
        6,
        "5 inputs have more than one output: lines 1 and 6; lines 2 and 7; lines 3 and 8; …",
    )


# -- as a manifest names the data ------------------------------------------------------------------


def declare(workspace: Path, training: str, validation: str, name: str = "t.jsonl") -> None:
    """A job with training and validation data."""
    (workspace / "manifests" / name).write_text(training)
    (workspace / "manifests/v.jsonl").write_text(validation)
    (workspace / "manifests/job.yaml").write_text(
        f"""apiVersion: reconciler/v1
kind: TuningJob
metadata: {{name: bot}}
spec:
  base_model: gemini-3.1-flash-lite
  supervised_tuning_spec:
    training_dataset_uri: {name}
    validation_dataset_uri: v.jsonl
"""
    )


def write(*pairs: tuple[object, object]) -> str:
    """Write pairs as JSONL."""
    rows = [json.dumps({"text_input": str(asked), "output": str(output)}) for asked, output in pairs]
    return "".join(row + "\n" for row in rows)


def say(load: Load) -> list[str]:
    """The warnings, without their advice."""
    return [str(warning).partition("\n")[0] for warning in fold(load().warnings)]


def test_serious_findings_are_warnings(workspace: Path, load_manifests: Load) -> None:
    """Contradictions, repetitions, shared examples and too many bytes are told with file and line."""
    numbers = [(number, number + 1) for number in range(1, 25)]
    held = write((5, 6), *[(number, 0) for number in range(30, 39)])
    declare(workspace, write(*numbers, (1, 3), (2, 3), (3, 4)), held)
    assert say(load_manifests) == [
        "manifests/job.yaml:8:5: the validation data has 36 % of the bytes of the training data",
        "manifests/t.jsonl:25: an input has more than one output: lines 1 and 25",
        "manifests/t.jsonl:26: 2 of 27 examples repeat an earlier one: line 26 is the same as line 2",
        (
            "manifests/v.jsonl:1: 1 of 10 examples is also in the training data: "
            "line 1 is the same as line 5 of t.jsonl"
        ),
    ]
    (found,) = {warning.address for warning in load_manifests().warnings if warning.address}
    assert found == "TuningJob/bot"


def test_sound_data_has_no_warning(workspace: Path, load_manifests: Load) -> None:
    """A quarter of the bytes is allowed."""
    declare(
        workspace, write(*[(n, "x") for n in range(100, 120)]), write(*[(n, "x") for n in range(200, 205)])
    )
    assert say(load_manifests) == []


def test_an_item_of_a_list_is_named_by_its_number(workspace: Path, load_manifests: Load) -> None:
    """The items of a .json file may all stand on one line."""
    rows = [{"text_input": str(n % 20), "output": str(n)} for n in range(21)]
    declare(workspace, json.dumps(rows), write((30, 1)), "t.json")
    assert say(load_manifests) == [
        "manifests/t.json: an input has more than one output: examples 1 and 21",
    ]


def test_inline_data_is_surveyed_too(workspace: Path, load_manifests: Load) -> None:
    """A contradiction in a manifest is reported with its place there."""
    rows = "".join(f"          - {{text_input: '{n % 20}', output: '{n}'}}\n" for n in range(21))
    (workspace / "manifests/one.yaml").write_text(
        f"""apiVersion: reconciler/v1
kind: TunedModel
metadata: {{name: one}}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task:
    training_data:
      examples:
        examples:
{rows}"""
    )
    assert say(load_manifests) == [
        "manifests/one.yaml:30:13: an input has more than one output: examples 1 and 21",
    ]


def test_hashes_of_many_data_sets_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it, the data that was not used for the longest time is no more compared with other data."""
    monkeypatch.setattr("reconciler.datasets.survey.MOST_COMPARED", 10)
    monkeypatch.chdir(tmp_path)
    problems = Problems()
    for name in ("t.jsonl", "v.jsonl", "w.jsonl"):
        Path(name).write_text(write(*[(number, 1) for number in range(4)]))
    sets = DataSets(problems)
    node = SimpleNamespace(file="m.yaml", place=Place("m.yaml", 1, 1))
    form = "supervised_tuning_spec"
    held = [sets.read_file(name, node, form=form) for name in ("v.jsonl", "w.jsonl", "t.jsonl")]
    for data in held[:2]:
        assert data is not None
        assert held[2] is not None
        sets.warn_of_held_back(held[2], data, address="TuningJob/a")
    assert [(found.file, found.summary[:20]) for found in problems.warnings] == [
        ("w.jsonl", "4 of 4 examples are ")
    ]


def test_random_data_is_found_sound() -> None:
    """A hundred thousand different examples have no repetition."""
    random.seed(7)
    texts = [str(random.random()) for _ in range(100_000)]
    found = survey(*[(text, text) for text in texts])
    assert (found.duplicates, found.contradictions) == (Found(), Found())
