"""The benchmarks run, compare like with like, and docs/performance.md says what they measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench import report
from tests.bench.__main__ import make_terraform, measure_row, prepare_provider, serve
from tests.bench.provider.build import list_missing
from tests.bench.rows import FLOOR, OURS, PROVIDER, ROWS, TERRAFORM, Goal
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
    assert [costs[0].requests for costs in runs.values()] == [lists[key]] * len(runs)
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
        (
            Goal("faster", TERRAFORM, 1 / 2, instead=FLOOR),
            ("0.5x (processor 1.0x)", "missed"),
        ),
        (Goal("none", FLOOR), ("0.5x (processor 1.0x)", "-")),
    ],
)
def test_a_goal_is_judged(goal: Goal, said: tuple[str, str]) -> None:
    """The medians meet a goal or miss it. It is not judged if the other did not run or nothing is asked."""
    assert report.judge(make_result(0.8, 0.4), ROW["plan-1000"], goal) == (goal.words, *said)


@pytest.mark.parametrize(("key", "times"), [("plan-1000", 12), ("plan-5000", 15)])
def test_a_plan_is_compared_with_terraform_that_asks_the_service(key: str, times: int) -> None:
    """Terraform alone is shown too. It counts only where Terraform with the provider did not run."""
    cost = {"processor": 1.0, "peak": 100.0, "requests": 1, "bytes": 1}
    runs = {who: [{"wall": wall, **cost}] for who, wall in ((OURS, 1.0), (PROVIDER, 20.0), (TERRAFORM, 10.0))}
    goals = [goal for goal in ROW[key].goals if goal.of in {PROVIDER, TERRAFORM}]
    result = {"quick": False, "rows": [{"key": key, "size": 1, "runs": runs}]}
    shown = ("no goal: Terraform alone, which asks no service", "10.0x (processor 1.0x)", "-")
    with_provider = (f"{times}x as fast as Terraform + Go provider", "20.0x (processor 1.0x)", "met")
    assert [report.judge(result, ROW[key], goal) for goal in goals] == [with_provider, shown]
    runs[PROVIDER] = []
    without = (f"{times}x as fast as Terraform", "10.0x (processor 1.0x)", "missed")
    assert [report.judge(result, ROW[key], goal) for goal in goals] == [without, shown]


def test_the_go_provider_is_given_what_the_service_has(tmp_path: Path) -> None:
    """Its resources declare every model at the service, and its state records the same."""
    row = replace(ROW["plan-1000"], size=2)
    beside = next(one for one in row.beside if one.name == PROVIDER)
    used = {"epochCount": 5, "batchSize": 2, "learningRate": 0.001}
    body = {"displayName": "A", "baseModel": "models/b", "temperature": 0.7}
    models = [
        {"id": id, "body": {**body, "tuningTask": {"hyperparameters": used}}} for id in ("one-1", "two-2")
    ]
    with serve(0) as service:
        service.ask("POST", "models", models)
        names = {"url": service.url, "provider": "/somewhere"}
        make_terraform(beside, row, tmp_path / "made", names, {})
    state = json.loads((tmp_path / "made" / "terraform.tfstate").read_text(encoding="utf-8"))
    recorded = [resource["instances"][0]["attributes"] for resource in state["resources"]]
    assert [one["id"] for one in recorded] == ["one-1", "two-2"]
    declared = (tmp_path / "made" / "main.tf").read_text(encoding="utf-8").split('resource "')[1:]
    for text, attributes in zip(declared, recorded, strict=True):
        lines = [line.split(" = ", 1) for line in text.splitlines() if " = " in line]
        found = {key.strip(): json.loads(value) for key, value in lines}
        assert {**found, "description": None} == attributes


def test_what_the_go_provider_takes_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing is installed, the output names Terraform and the packages that the page names."""
    monkeypatch.setenv("PATH", "")
    missing = list_missing()
    assert prepare_provider([ROW["plan-1000"]], {}) is None
    assert capsys.readouterr().out.startswith("Terraform + Go provider is left out.")
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert missing[:3] == ["terraform", "golang-go", "protobuf-compiler"]
    assert [name for name in missing if name not in page] == []


def test_a_missing_terraform_is_said() -> None:
    """Where Terraform is not installed, its lines say so instead of a figure."""
    tables = report.make_tables(make_result(0.8, 0.4)).splitlines()
    ours = "**Reconciler** | 0.80 s | once | 1.00 s | 100 MiB | 1, 3.2 MB"
    assert tables[2:6] == [
        f"| plan, nothing to do, 1,000 models | {ours} |",
        "|  | floor | 0.40 s | once | 1.00 s | 100 MiB | 1, 3.2 MB |",
        "|  | Terraform + Go provider | not here |  |  |  |  |",
        "|  | Terraform | not here |  |  |  |  |",
    ]
