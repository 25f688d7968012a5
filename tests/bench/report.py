"""Turns bench.json into text, into the tables of docs/performance.md, and into a chart.

    python -m tests.bench.report build/bench/bench.json     publish it: docs/performance.{json,svg,md}

No number of the page is typed: a test makes the page again from docs/performance.json and compares.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.rows import OURS, PROVIDER, ROWS, TERRAFORM, Goal, Row

DOCS = Path(__file__).parents[2] / "docs"
_TABLES = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_COLOURS = {OURS: "#2563eb", PROVIDER: "#c026d3", TERRAFORM: "#7c3aed"}
_OTHER = "#9ca3af"

Result = Mapping[str, Any]


def describe(result: Result) -> str:
    """Say where and when it was measured, and how busy the machine was."""
    machine = result["machine"]
    terraform = f"Terraform {machine['terraform']}" if machine["terraform"] else "no Terraform"
    if machine.get("go"):
        terraform += f" and a provider made by Go {machine['go']}"
    load = ", ".join(map(str, machine["load"]))
    quick = " Quick mode: small worlds and few rounds, so goals are not judged." if result["quick"] else ""
    return (
        f"{result['date']}: {machine['processor']}, {machine['cores']} cores, {machine['memory']} GiB, "
        f"{machine['system']}, Python {machine['python']}, {terraform}. "
        f"Load at the start (1, 5, 15 minutes): {load}.{quick}"
    )


def find_runs(result: Result, key: str, who: str = OURS) -> list[dict[str, float]]:
    """Return the runs of a program in a row, [] if there is none."""
    found: list[dict[str, float]] = next(
        (row["runs"].get(who, []) for row in result["rows"] if row["key"] == key), []
    )
    return found


def median(runs: Iterable[Mapping[str, float]], what: str = "wall") -> float:
    """Return the median of what the runs cost."""
    return statistics.median(run[what] for run in runs)


def show_seconds(runs: list[dict[str, float]], what: str = "wall") -> tuple[str, str]:
    """Write the median of some runs in seconds, and their range."""
    values = sorted(run[what] for run in runs)
    places = 3 if values[-1] < 0.2 else 2
    around = f"{values[0]:.{places}f}-{values[-1]:.{places}f}" if len(values) > 1 else "once"
    return f"{statistics.median(values):.{places}f} s", around


def find_other(result: Result, row: Row, goal: Goal) -> tuple[str, list[dict[str, float]]]:
    """Return the program that a goal compares us with, and its runs. Without a run, that is []."""
    if not goal.of:
        return "", []
    if runs := find_runs(result, row.key, goal.of) or find_runs(result, goal.of):
        return goal.of, runs
    return goal.instead or goal.of, find_runs(result, row.key, goal.instead)


def judge(result: Result, row: Row, goal: Goal) -> tuple[str, str, str]:
    """Compare our median with a goal. Returns the goal, what was measured, and whether that is enough."""
    runs = find_runs(result, row.key)
    other, base_runs = find_other(result, row, goal)
    words = goal.words.format(of=other)
    if goal.peak:
        peak = max(run["peak"] for run in runs)
        return words, f"{peak:.0f} MiB", _decide(peak, goal.peak)
    if goal.of and not base_runs:
        return words, "not measured", "-"
    ours, base = median(runs), median(base_runs) if base_runs else 0.0
    met = _decide(ours, goal.factor * base + goal.seconds) if goal.factor or goal.seconds else "-"
    if goal.seconds:
        return words, f"{ours:.2f} s", met
    work, base_work = median(runs, "processor"), median(base_runs, "processor")
    if goal.factor < 1:
        return words, f"{base / ours:.1f}x (processor {base_work / work:.1f}x)", met
    return words, f"{ours / base:.2f}x (processor {work / base_work:.2f}x)", met


def _decide(value: float, most: float) -> str:
    return "met" if value <= most else "missed"


def list_cells(result: Result, row: Row, who: str) -> list[str]:
    """Return what is shown of a program: median, range, processor, peak, requests."""
    runs = find_runs(result, row.key, who)
    if not runs:
        return ["not here", "", "", "", ""]
    asked = ""
    if row.world and (who == OURS or runs[0]["requests"]):
        asked = f"{median(runs, 'requests'):,.0f}, {median(runs, 'bytes') / 1e6:.1f} MB"
    peak = f"{max(run['peak'] for run in runs):.0f} MiB"
    return [*show_seconds(runs), show_seconds(runs, "processor")[0], peak, asked]


def list_programs(row: Row) -> list[str]:
    """Return the programs of a row, ours first."""
    return [OURS, *(one.name for one in row.beside)]


def show_row(result: Result, row: Row) -> str:
    """Write a row for a terminal."""
    size = next(one["size"] for one in result["rows"] if one["key"] == row.key)
    lines = [row.work + (f" (here {size:,})" if result["quick"] and row.world else "")]
    for who in list_programs(row):
        seconds, around, processor, peak, asked = list_cells(result, row, who)
        lines.append(f"    {who:<24}{seconds:>9} {around:>12}   processor {processor:>8} {peak:>8}   {asked}")
    if not result["quick"]:
        lines += ["    " + ": ".join(judge(result, row, goal)) for goal in row.goals]
    return "\n".join(line.rstrip() for line in lines)


def _make_table(*lines: Sequence[str]) -> str:
    head, *rest = lines
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *rest))


def make_tables(result: Result) -> str:
    """Write the tables of the page: what each program costs, and how that compares with the goals."""
    rows = [row for row in ROWS if find_runs(result, row.key)]
    costs = [
        [
            row.work if who == OURS else "",
            who if who != OURS else "**Reconciler**",
            *list_cells(result, row, who),
        ]
        for row in rows
        for who in list_programs(row)
    ]
    goals = [[row.work, *judge(result, row, goal)] for row in rows for goal in row.goals]
    head = ("work", "program", "median", "range", "processor", "peak", "requests")
    return _make_table(head, *costs) + "\n" + _make_table(("work", "goal", "measured", ""), *goals)


def write_chart(result: Result, path: Path) -> None:
    """Draw every program of every row as a bar on a logarithmic scale of seconds."""
    bars: list[tuple[str, str, float]] = []
    for row in ROWS:
        for at, who in enumerate((OURS, *(one.name for one in row.beside))):
            if runs := find_runs(result, row.key, who):
                bars.append((row.work if at == 0 else "", who, median(runs)))
    low, high = 0.01, max(value for *_, value in bars) * 1.2
    left, wide, step = 290, 420, 18

    def place(seconds: float) -> float:
        return wide * max(0.0, math.log(seconds / low) / math.log(high / low))

    parts, y = [], 34
    ticks = [tick for tick in (0.01, 0.1, 1.0, 10.0, 100.0) if tick <= high]
    for work, who, value in bars:
        y += 8 if work else 0
        if work:
            parts.append(
                f'<text x="{left - 10}" y="{y + 11}" text-anchor="end" font-weight="600">{work}</text>'
            )
        parts.append(
            f'<rect x="{left}" y="{y}" width="{place(value):.1f}" height="{step - 5}" '
            f'fill="{_COLOURS.get(who, _OTHER)}"/>'
            f'<text x="{left + place(value) + 6:.1f}" y="{y + 11}">{who} {value:.2f} s</text>'
        )
        y += step
    lines = "".join(
        f'<line x1="{left + place(tick):.1f}" x2="{left + place(tick):.1f}" y1="28" y2="{y}" '
        'stroke="#e5e7eb"/>'
        f'<text x="{left + place(tick):.1f}" y="22" text-anchor="middle">{tick:g} s</text>'
        for tick in ticks
    )
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + wide + 215} {y + 12}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#111827">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{lines}\n' + "\n".join(parts) + "\n</svg>\n",
        encoding="utf-8",
    )


def fill_page(text: str, result: Result) -> str:
    """Write what was measured into the places of the page that are marked for it."""
    made = {"machine": textwrap.fill(describe(result), 118) + "\n", "table": make_tables(result)}
    return _TABLES.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n{found[3]}", text)


def publish(source: Path) -> None:
    """Copy a full run into docs/, and write its numbers into the page."""
    result = json.loads(source.read_text(encoding="utf-8"))
    if result["quick"]:
        sys.exit("A quick run is not published: run `make bench` first.")
    (DOCS / "performance.json").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    write_chart(result, DOCS / "performance.svg")
    page = DOCS / "performance.md"
    page.write_text(fill_page(page.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    publish(Path(sys.argv[1]))
