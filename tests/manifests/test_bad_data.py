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
            "text_input,output\n1,2\n" + "x" * 140_000 + ",4\n",
            3,
            "a field has more than 131,072",
        ),
        (
            "line.jsonl",
            GOOD_ROW + '{"text_input": "' + "x" * 10_000_000 + '", "output": "y"}\n',
            2,
            "the line has more than 1,048,576 characters",
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
    """The request's limit holds for its bytes: 2 million characters of 3 bytes each are too many."""
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


def test_the_rest_is_counted(workspace: Path, refused: Refused) -> None:
    """After 1,000 problems in one file the others are counted, not listed."""
    _declare(workspace, "numbers.jsonl", b"{}\n" * 1_500)
    found = refused()
    assert len(found) == 1_001
    assert found[0].summary == "500 more problems in this file"


def test_one_file_of_two_models_is_told_once(workspace: Path, refused: Refused) -> None:
    """A broken data set that two models name is one problem, not two."""
    _declare(workspace, "numbers.jsonl", b"{}\n")
    text = (workspace / "manifests" / "case.yaml").read_text()
    (workspace / "manifests" / "other.yaml").write_text(text.replace("numbers}", "digits}"))
    assert len(refused()) == 1
