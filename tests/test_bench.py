"""The benchmarks run, compare like with like, and docs/performance.md says what they measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench import report
from tests.bench.__main__ import measure_row
from tests.bench.rows import FLOOR, OURS, ROWS, TERRAFORM, Goal
from tests.limits import repeats

DOCS = Path(__file__).parents[1] / "docs"
PUBLISHED: Mapping[str, Any] = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
ROW = {row.key: row for row in ROWS}


def test_no_number_of_the_page_is_typed(tmp_path: Path) -> None:
    """The tables and the chart of docs/performance.md are what the script makes of performance.json."""
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert report.fill_page(page, PUBLISHED) == page
    assert report.make_tables(PUBLISHED) in page
    assert report.describe(PUBLISHED) in page.replace("\n", " ")
    report.write_chart(PUBLISHED, tmp_path / "chart.svg")
    assert (tmp_path / "chart.svg").read_text(encoding="utf-8") == (DOCS / "performance.svg").read_text(
        encoding="utf-8"
    )


def test_what_is_published_was_run_often_enough() -> None:
    """No row of a quick run is published, and ours was run as often as the row says."""
    assert not PUBLISHED["quick"]
    runs = {row["key"]: len(row["runs"][OURS]) for row in PUBLISHED["rows"]}
    assert runs == {key: ROW[key].rounds for key in runs}


@pytest.mark.parametrize("key", ["apply-100", *repeats("plan-1000", "jobs-100")])
def test_a_row_can_be_measured(key: str, tmp_path: Path) -> None:
    """In a small world ours finds nothing to do, or trains what is new. It does not need Terraform."""
    row = replace(ROW[key], size=3, rounds=1)
    row = replace(row, beside=tuple(one for one in row.beside if one.name == FLOOR))
    runs = measure_row(row, tmp_path / "row")
    assert {who: len(costs) for who, costs in runs.items()} == {
        OURS: 1,
        **{one.name: 1 for one in row.beside},
    }
    lists = {"plan-1000": 1, "jobs-100": 3, "apply-100": 9}
    assert runs[OURS][0].requests == lists[key]
    said = (tmp_path / "row" / "ours" / "bench.log").read_text(encoding="utf-8")
    assert ("3 trained." if key == "apply-100" else "No changes.") in said
    if key == "plan-1000":
        said = (tmp_path / "row" / "bench.log").read_text(encoding="utf-8")
        assert said == "3 listed, 4 documents, 0 different\n"


def make_result(ours: float, other: float) -> dict[str, Any]:
    """A result with one row and one run each."""
    cost = {"processor": 1.0, "peak": 100.0, "requests": 1, "bytes": 3_200_000}
    runs = {OURS: [{"wall": ours, **cost}], FLOOR: [{"wall": other, **cost}]}
    return {"quick": False, "rows": [{"key": "plan-1000", "size": 1000, "runs": runs}]}


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (Goal("at most 2.0x", FLOOR, 2.0), ("2.00x (processor 1.00x)", "met")),
        (Goal("at most 1.9x", FLOOR, 1.9), ("2.00x (processor 1.00x)", "missed")),
        (Goal("2x as fast", FLOOR, 1 / 2), ("0.5x (processor 1.0x)", "missed")),
        (Goal("within 0.3 s", FLOOR, 1.0, 0.3), ("0.80 s", "missed")),
        (Goal("at most 1 s", seconds=1.0), ("0.80 s", "met")),
        (Goal("at most 90 MiB", peak=90), ("100 MiB", "missed")),
        (Goal("faster", TERRAFORM, 0.1), ("not measured", "-")),
    ],
)
def test_a_goal_is_judged(goal: Goal, said: tuple[str, str]) -> None:
    """The medians meet a goal or miss it. It is not judged if its other program did not run."""
    assert report.judge(make_result(0.8, 0.4), ROW["plan-1000"], goal) == said


def test_a_missing_terraform_is_said() -> None:
    """Where Terraform is not installed, its line says so instead of a figure."""
    tables = report.make_tables(make_result(0.8, 0.4)).splitlines()
    ours = "**Reconciler** | 0.80 s | once | 1.00 s | 100 MiB | 1, 3.2 MB"
    assert tables[2:5] == [
        f"| plan, nothing to do, 1,000 models | {ours} |",
        "|  | floor | 0.40 s | once | 1.00 s | 100 MiB |  |",
        "|  | Terraform | not here |  |  |  |  |",
    ]
