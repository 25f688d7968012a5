"""Every data file in cases/manifests/bad-data: what is wrong, and where in it.

Beside each file stands NAME.expected: `LINE:COLUMN what is said`, a line each problem; several places
stand as `LINE:COLUMN|LINE:COLUMN` where Python's own parser differs between its versions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import Diagnostic

BAD = Path(__file__).parent.parent / "cases" / "manifests" / "bad-data"
CASES = sorted(path.name for path in BAD.iterdir() if path.suffix != ".expected")

GOOD_ROW = '{"text_input": "1", "output": "2"}\n'

Refused = Callable[..., list[Diagnostic]]


def _declare(workspace: Path, name: str, content: bytes) -> None:
    (workspace / "manifests" / "data" / name).write_bytes(content)
    (workspace / "manifests" / "case.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: TunedModel\nmetadata: {name: numbers}\nspec:\n"
        "  base_model: models/gemini-1.5-flash-001-tuning\n"
        f"  tuning_task: {{training_data: {{file: data/{name}}}}}\n"
    )


@pytest.mark.parametrize("case", CASES)
def test_bad_data(case: str, workspace: Path, refused: Refused) -> None:
    """Exactly the problems that the case names are found, at their places in the data file."""
    lines = (BAD / f"{case}.expected").read_text().splitlines()
    name = f"case{Path(case).suffix}"
    _declare(workspace, name, (BAD / case).read_bytes())
    found = refused()
    for one, line in zip(found, lines, strict=True):
        places, said = re.fullmatch(r"((?:\d+(?::\d+)?)?(?:\|\d+:\d+)*) (.*)", line).groups()  # type: ignore[union-attr]
        assert ":".join(str(part) for part in (one.line, one.column) if part) in places.split("|")
        assert said in one.summary
        assert one.detail
        assert one.file == f"manifests/data/{name}"


@pytest.mark.parametrize(
    ("name", "content", "line", "said"),
    [
        (
            "input.jsonl",
            GOOD_ROW + json.dumps({"text_input": "x" * 40_001, "output": "y"}),
            2,
            "text_input has 40,001 characters, and the service takes 40,000",
        ),
        ("deep.jsonl", GOOD_ROW + "[" * 100_000, 2, "nested too deeply"),
        ("deep.json", "[" * 100_000, None, "nested too deeply"),
        (
            "deep-object.json",
            '[{"text_input": "1", "output": ' + '{"a": ' * 100_000,
            None,
            "nested too deeply",
        ),
        (
            "field.csv",
            "text_input,output\n1,2\n" + "x" * 1_100_000 + ",4\n",
            3,
            "a field has more than 1,048,576",
        ),
        (
            "fields.csv",
            "text_input,output\n1,2\n" + "x" * 600_000 + "," + "y" * 600_000 + "\n",
            3,
            "a field has more than 1,048,576",
        ),
        (
            "quote.csv",
            'text_input,output\n1,2\n"' + "x\n" * 600_000,
            3,
            "a field has more than 1,048,576",
        ),
        (
            "cell.csv",
            "text_input,output\n1,2\n" + "x" * 140_000 + ",4\n",
            3,
            "text_input has 140,000 characters, and the service takes 40,000",
        ),
        (
            "line.jsonl",
            GOOD_ROW + '{"text_input": "' + "x" * 10_000_000 + '", "output": "y"}\n',
            2,
            "the line has more than 2,097,152 characters",
        ),
        (
            "request.jsonl",
            (json.dumps({"text_input": "x" * 39_000, "output": "y" * 4_900}) + "\n") * 100,
            6,
            "the request would have 4,392,951 bytes",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_large_data(
    name: str, content: str, line: int | None, said: str, *, workspace: Path, refused: Refused
) -> None:
    """Data beyond a limit is refused, with the limit."""
    _declare(workspace, name, content.encode())
    (found,) = refused()
    assert found.line == line
    assert said in found.summary


def test_bytes_count_not_characters(workspace: Path, refused: Refused) -> None:
    """The limit of a request counts bytes: 2 million characters of 3 bytes each are too many."""
    row = json.dumps({"text_input": "六" * 39_999, "output": "七"}, ensure_ascii=False)
    _declare(workspace, "numerals.jsonl", (row + "\n").encode() * 40)
    (found,) = refused()
    assert found.summary.startswith("the request would have 4,80")
    assert found.file == "manifests/case.yaml"


def test_a_request_just_below_the_limit_is_taken(
    workspace: Path, load_manifests: Callable[..., object]
) -> None:
    """3.9 MB of training data is no problem."""
    row = json.dumps({"text_input": "x" * 39_000, "output": "y" * 4_000})
    _declare(workspace, "numbers.jsonl", (row + "\n").encode() * 90)
    load_manifests()


def test_ten_thousand_equal_errors_are_three_lines(workspace: Path, refused: Refused) -> None:
    """Of many lines with the same mistake two are shown. The others are counted."""
    _declare(workspace, "numbers.jsonl", b"{}\n" * 10_000)
    found = refused()
    assert [one.line for one in found] == [1, 2, 3]
    assert found[2].summary == "and 9,998 more lines: text_input is missing"
    assert "10,000" in found[2].detail


def test_errors_that_differ_in_a_value_are_folded_too(workspace: Path, refused: Refused) -> None:
    """A value of a line in a message does not make it another problem."""
    _declare(
        workspace, "numbers.jsonl", b"".join(b'{"text_input": %d, "output": "x"}\n' % n for n in range(900))
    )
    assert [one.line for one in refused()] == [1, 2, 3]


@pytest.mark.parametrize(("count", "shown"), [(5, 5), (6, 3)])
def test_a_few_errors_are_all_shown(workspace: Path, refused: Refused, count: int, shown: int) -> None:
    """Five equal errors are five lines. Six are folded."""
    _declare(workspace, "numbers.jsonl", b"{}\n" * count)
    assert len(refused()) == shown


def test_different_errors_are_not_folded_into_each_other(workspace: Path, refused: Refused) -> None:
    """Each kind of problem has its own lines and its own count, in the order of the file."""
    rows = [b"{}\n", b'{"text_input": "1", "output": ""}\n'] * 500
    _declare(workspace, "numbers.jsonl", b"".join(rows) + b'{"a": 1}\n')
    assert [one.line for one in refused()] == [1, 2, 3, 4, 5, 6, 1001]


def test_equal_errors_of_one_manifest_are_folded(workspace: Path, refused: Refused) -> None:
    """A thousand inline examples without an output are three lines, not a thousand."""
    items = "".join(f'          - {{text_input: "{number}"}}\n' for number in range(1000))
    (workspace / "manifests" / "case.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: TunedModel\nmetadata: {name: numbers}\nspec:\n"
        "  base_model: models/gemini-1.5-flash-001-tuning\n"
        f"  tuning_task:\n    training_data:\n      examples:\n        examples:\n{items}"
    )
    found = refused()
    assert len(found) == 3
    assert found[2].summary.startswith(
        "and 998 more places: spec.tuning_task.training_data.examples.examples["
    )


def test_one_file_of_two_models_is_told_once(workspace: Path, refused: Refused) -> None:
    """A broken data set that two models name is one problem, not two."""
    _declare(workspace, "numbers.jsonl", b"{}\n")
    text = (workspace / "manifests" / "case.yaml").read_text()
    (workspace / "manifests" / "other.yaml").write_text(text.replace("numbers}", "digits}"))
    assert len(refused()) == 1
