"""Data of tuning jobs: pairs and chat lines, equal where they say the same, refused where they are wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from reconciler.datasets.chat import CHATS, SUPERVISED
from reconciler.datasets.examples import read_examples
from reconciler.datasets.measure import measure
from reconciler.errors import ManifestError
from reconciler.model.data import Example
from reconciler.problems import Problems
from tests.datasets.conftest import (
    Load,
    Refused,
    data,
    declare,
)

TURNS = [
    {"role": "user", "parts": [{"text": "1"}]},
    {"role": "model", "parts": [{"text": "2"}]},
]
ASSISTANT = {"role": "assistant", "content": "2"}
INSTRUCTION = {"role": "system", "parts": [{"text": "count"}]}


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
    """An instruction or a third turn makes another digest. It is sent as it was measured."""
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
    """system_instruction and systemInstruction mean the same, anywhere in the line."""
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
        ({"contents": [TURNS[0], {"role": "model", "parts": [{"text": 2}]}]}, "is not text"),
        ({"contents": TURNS, "messages": []}, "'messages' is not a key"),
        ({"contents": TURNS, "completions": []}, "belong to preference tuning"),
        ({"text_input": "", "output": "2"}, "text_input is empty"),
        ({"text_input": "1", "output": ""}, "output is empty"),
        ({"contents": [TURNS[0], {"role": "assistant", "parts": [{"text": "x"}]}]}, "role 'assistant'"),
        ({"contents": [{"role": None, "parts": [{"text": "x"}]}, TURNS[1]]}, "the role is null, not a text"),
        (
            {"contents": [{"role": ["user"], "parts": [{"text": "x"}]}, TURNS[1]]},
            "the role is a list, not a text",
        ),
        (
            {"contents": [TURNS[0], {"parts": [{"text": "x"}]}]},
            "the last turn of contents is not the model's",
        ),
        ({"systemInstruction": INSTRUCTION, "text_input": "1"}, "contents is missing"),
        ({"chosen": "1", "rejected": "2", "prompt": "3"}, "pairs of preference tuning"),
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
        ({"contents": TURNS[:1]}, "must be a list of two"),
        ({"messages": []}, "'messages' holds one answer, and preference tuning takes two"),
        ({"contents": TURNS[:1], "completions": [{"score": 1}, {"score": 0}]}, "no score or no completion"),
    ],
    ids=str,
)
def test_preferences_need_two_answers(workspace: Path, refused: Refused, line: object, said: str) -> None:
    """A line for preference tuning without two scored completions is refused."""
    declare(workspace, json.dumps(line), spec="preference_optimization_spec")
    (problem,) = refused()
    assert said in problem.summary


@pytest.mark.parametrize("written", ["d.jsonl", "{file: d.jsonl}"])
def test_preferences_are_read(written: str, workspace: Path, load_manifests: Load) -> None:
    """Two scored completions are an example, whichever way their file is named."""
    completions = [{"score": score, "completion": TURNS[1]} for score in (1, 0)]
    declare(
        workspace,
        json.dumps({"contents": TURNS[:1], "completions": completions}),
        spec="preference_optimization_spec",
    )
    manifest = workspace / "manifests" / "job.yaml"
    manifest.write_text(manifest.read_text().replace("d.jsonl", written))
    assert data(load_manifests).examples == 1


GOOD = b'{"text_input": "1", "output": "2"}\n'


@pytest.mark.parametrize(
    ("content", "place", "said"),
    [
        (GOOD + b'{"text_input": "\xff"}', (2, 17), "byte 0xff at offset 51"),
        (b"\xef\xbb\xbf\xff", (1, 1), "byte 0xff at offset 3"),
        (GOOD * 3000 + b"\xc3\n", (3001, 1), "byte 0xc3 at offset 105000"),
        (GOOD + b"\xc3", (2, 1), "not UTF-8"),
        ("ü".encode("utf-16"), (1, 1), "UTF-16"),
        (GOOD + b"a\0", (2, 2), "NUL"),
        (GOOD + b"\n\n" + GOOD, (2, None), "the line is empty"),
        (b"", (None, None), "the data set is empty"),
        (b"\n \n", (None, None), "the data set is empty"),
    ],
    ids=repr,
)
def test_what_is_no_text_is_told_with_its_place(
    workspace: Path, refused: Refused, content: bytes, place: tuple[int | None, int | None], said: str
) -> None:
    """A file that is read line by line is refused like one that is read at once."""
    declare(workspace, "")
    (workspace / "manifests/d.jsonl").write_bytes(content)
    first, *_ = refused()
    assert said in first.summary
    assert (first.line, first.column) == place


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.jsonl", b"\xef\xbb\xbf" + GOOD + b"\n\n"),
        ("d.jsonl", GOOD.replace(b"\n", b"\r\n")),
        ("d.jsonl", GOOD.rstrip()),
        ("d.csv", b"\xef\xbb\xbftext_input,output\r\n1,2\r\n\r\n"),
        ("d.csv", b"text_input,output\r1,2\r"),
    ],
    ids=repr,
)
def test_ends_of_lines_and_files_mean_nothing(
    workspace: Path, load_manifests: Load, name: str, content: bytes
) -> None:
    """A byte order mark, any line end, and empty lines at the end do not change the one example."""
    declare(workspace, "", name=name)
    (workspace / "manifests" / name).write_bytes(content)
    assert list(read_examples(data(load_manifests))) == [Example("1", "2")]


def test_a_line_too_long_is_one_problem(workspace: Path, refused: Refused) -> None:
    """The next lines keep their numbers, and no part of the long line counts as another line."""
    declare(workspace, "x" * 3_000_000 + "\n{}\n")
    assert [(one.line, one.summary) for one in refused()] == [
        (1, "the line has more than 2,097,152 characters"),
        (2, "text_input is missing"),
    ]


def test_what_is_wrong_everywhere_is_counted(workspace: Path, refused: Refused) -> None:
    """Two of each kind of problem are shown, and the others are counted, whichever check found them."""
    declare(workspace, '{"text_input": "1", "output": ""}\n' * 1500 + "{}\n" * 500)
    problems = refused()
    assert [one.line for one in problems] == [1, 2, 3, 1501, 1502, 1503]
    assert problems[2].summary == "and 1,498 more lines: output is empty"
    assert problems[5].summary == "and 498 more lines: text_input is missing"


def test_warnings_of_many_lines_are_folded(workspace: Path, load_manifests: Load) -> None:
    """Many examples that are probably too long for the service are three warnings."""
    rows = [{"text_input": f"{number} {'x' * 530_000}", "output": "y"} for number in range(25)]
    declare(workspace, "".join(json.dumps(row) + "\n" for row in rows))
    assert [one.line for one in load_manifests().warnings] == [1, 2, 3]


FUNCTIONS = {
    "system_instruction": {"role": "system", "parts": [{"text": "Help shoppers."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "Is the mug there?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "stock", "args": {"item": "mug"}}}]},
        {"parts": [{"functionResponse": {"name": "stock", "response": {"output": "True"}}}]},
        {"role": "model", "parts": [{"text": "Yes."}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "stock"}]}],
}


@pytest.mark.parametrize("name", ["d.jsonl", "d.json"])
def test_a_turn_may_have_no_role(workspace: Path, load_manifests: Load, name: str) -> None:
    """In Google's sample of function calling, the answer of a function has no role. It is read as it is."""
    declare(workspace, json.dumps([FUNCTIONS] if name == "d.json" else FUNCTIONS), name=name)
    (example,) = read_examples(data(load_manifests))
    assert json.loads(example.line)["contents"] == FUNCTIONS["contents"]


def test_a_list_of_chats_may_stand_in_json(workspace: Path, load_manifests: Load) -> None:
    """A .json list of contents is the same data set as a .jsonl file with a line for each."""
    rows = [{"contents": TURNS}, {"systemInstruction": INSTRUCTION, "contents": TURNS}]
    digests = []
    for name, content in (
        ("d.json", json.dumps(rows, indent=1)),
        ("d.jsonl", "\n".join(map(json.dumps, rows))),
    ):
        declare(workspace, content, name=name)
        digests.append(data(load_manifests).digest)
    assert digests[0] == digests[1]


def test_a_refusal_says_what_a_tuning_job_takes(workspace: Path, refused: Refused) -> None:
    """The advice names contents, and what each part of ShareGPT's form is called there."""
    lines: tuple[object, ...] = ({"conversations": []}, {"weight": 1})
    for line in lines:
        declare(workspace, json.dumps(line))
        (problem,) = refused()
        assert "contents" in problem.detail
    declare(workspace, json.dumps({"conversations": []}))
    (problem,) = refused()
    assert "a TuningJob takes contents or messages" in problem.summary
    assert "human becomes the role user, gpt becomes the role model" in problem.detail


def test_a_line_may_be_escaped_throughout(workspace: Path, load_manifests: Load) -> None:
    """An example of the greatest length is read, in Chinese as json.dumps writes it."""
    declare(workspace, json.dumps({"messages": [{"role": "user", "content": "六" * 180_000}, ASSISTANT]}))
    assert data(load_manifests).characters == 180_001


def test_a_cell_may_be_long(workspace: Path, load_manifests: Load) -> None:
    """A CSV cell of 500,000 characters is read whole."""
    declare(workspace, "text_input,output\n" + "x" * 500_000 + ",y\n", name="d.csv")
    (example,) = read_examples(data(load_manifests))
    assert example == Example("x" * 500_000, "y")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("d.jsonl.gz", "Unpack it"),
        ("d.parquet", "Export it"),
        ("d.tsv", 'Rename it to .csv, and declare {file: …, delimiter: "\\t"}'),
        ("d.ndjson", "rename it to .jsonl"),
        ("d", "Name one file in it"),
    ],
)
def test_a_name_that_is_no_data_file_says_what_to_do(
    workspace: Path, refused: Refused, written: str, said: str
) -> None:
    """For a folder or the file of another tool, the error says how to make a data file."""
    declare(workspace, "{}")
    (workspace / "manifests" / "d").mkdir()
    manifest = workspace / "manifests" / "job.yaml"
    manifest.write_text(manifest.read_text().replace("d.jsonl", written))
    (problem,) = refused()
    assert said in problem.detail


def test_one_object_of_another_form_is_named_in_json_too(workspace: Path, refused: Refused) -> None:
    """If a .json file holds one ShareGPT chat, the error says so."""
    declare(workspace, json.dumps({"conversations": []}), name="d.json")
    (problem,) = refused()
    assert "ShareGPT's form" in problem.summary


@pytest.mark.parametrize(
    ("turn", "advice"),
    [
        ({"role": "user", "content": "hi"}, "instead of content"),
        ({"role": "user", "parts": "hi"}, "parts is a list"),
        ({"role": "user", "parts": {"text": "hi"}}, "parts is a list"),
        ("hi", "instead of the bare text"),
        ({"role": "user"}, 'Write {"role"'),
    ],
    ids=str,
)
def test_a_turn_without_parts_says_what_to_write(
    workspace: Path, refused: Refused, turn: object, advice: str
) -> None:
    """The advice names the text that is in place of the parts."""
    declare(workspace, json.dumps({"contents": [turn, TURNS[1]]}))
    (problem,) = refused()
    assert advice in problem.detail


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ('{"text_input": "1", "output": "2",}', "no trailing commas"),
        ('{"text_input": "1", "output": "2"},', "not separated by commas"),
        ("{'text_input': '1', 'output': '2'}", "straight double quotes"),
        ("{\u201ctext_input\u201d: \u201c1\u201d}", "straight double quotes"),
        ('{"text_input": "1", "output": "2"}\r{}', "carriage return alone"),
        ('{"text_input": "1" "output": "2"}', "one JSON object per line"),
    ],
)
def test_a_line_that_is_nearly_json_says_what_is_in_the_way(
    workspace: Path, refused: Refused, content: str, advice: str
) -> None:
    """The error names too many commas, other quotes and lone carriage returns."""
    declare(workspace, content + "\n")
    (problem,) = refused()
    assert advice in problem.detail


def test_one_chat_in_json_is_not_called_a_list_without_contents(workspace: Path, refused: Refused) -> None:
    """For a .json file with a single example, the advice is to put it in brackets."""
    examples: tuple[object, ...] = ({"contents": TURNS}, {"messages": []})
    for example in examples:
        declare(workspace, json.dumps(example), name="d.json")
        (problem,) = refused()
        assert problem.summary == "the file holds one example, not a list"


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ("9" * 5000, "a number has too many digits"),
        ("1e308", ""),
        ("1e309", "a number is too large"),
        ("[" * 98 + "]" * 98, ""),
        ("[" * 100 + "]" * 100, "nested too deeply"),
        ('{"a": ' * 100 + "1" + "}" * 100, "nested too deeply"),
    ],
    ids=lambda value: value[:12],
)
@pytest.mark.parametrize("name", ["d.jsonl", "d.json"])
def test_the_limits_for_json_hold_for_chats(tools: str, said: str, name: str) -> None:
    """We write no larger numbers and no deeper objects than we read."""
    row = json.dumps({"contents": TURNS, "tools": ["here"]}).replace('"here"', tools)
    problems = Problems()
    stream = io.BufferedReader(io.BytesIO((row if name == "d.jsonl" else f"[{row}]").encode()))
    found = measure(stream, name, CHATS[SUPERVISED], problems)
    assert (found is None) == bool(said)
    if said:
        with pytest.raises(ManifestError) as caught:
            problems.raise_if_any()
        assert [one.summary for one in caught.value.diagnostics] == [said]
