"""Base models: what follows from a table row and a date, as cases, and what a Stack changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.bases import (
    Base,
    choose_replacement,
    describe_replacement,
    find_base,
    narrow_bases,
    override_bases,
    sort_offered,
)
from reconciler.kind import narrow_kinds, override_kinds
from reconciler.model.stack import DeclaredBase, Stack
from reconciler.providers.vertex.fields import TUNING_JOB

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "bases.yaml").read_text(encoding="utf-8"))
TODAY = date(2026, 11, 29)


def make(row: Mapping[str, Any]) -> Base:
    """A row as a case writes it."""
    known: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items()
    }
    known = {"tunable": True, **known, "retires": str(row.get("retires", ""))}
    return Base(**known)


@pytest.mark.parametrize("case", CASES["ends"], ids=lambda case: case["claim"])
def test_the_end_of_a_base_model(case: Mapping[str, Any]) -> None:
    """A case gives the sentence for a date, the days left, and whether the base model has retired."""
    base, today = make({"name": "a", **case["row"]}), date.fromisoformat(str(case["today"]))
    assert base.describe_end(today) == case["said"]
    assert base.count_days_left(today) == case["days_left"]
    assert base.is_retired(today) is case["retired"]
    assert base.ends_within(today, 90) is case["within_90"]


@pytest.mark.parametrize("case", CASES["replacements"], ids=lambda case: case["claim"])
def test_what_is_offered_instead(case: Mapping[str, Any]) -> None:
    """A case gives what can be tuned instead of the base model a."""
    bases = {row["name"]: make(row) for row in case["rows"]}
    found = choose_replacement(bases, bases["a"], TODAY)
    assert (found.name if found else None) == case["offered"]
    if "said" in case:
        assert describe_replacement(bases, bases["a"], TODAY) == case["said"]


@pytest.mark.parametrize("case", CASES["overrides"], ids=lambda case: case["claim"])
def test_what_a_stack_says(case: Mapping[str, Any]) -> None:
    """A Stack adds rows and changes them. Repeating the same row changes nothing more."""
    said = case["says"] | {"retires": str(case["says"].get("retires", ""))}
    table = {"a": make({"name": "a", **case["row"]})} if "row" in case else {}
    declared = [DeclaredBase("a", **said, place="stack.yaml:9:7")]
    changed = override_bases(table, declared)
    assert override_bases(changed, declared) == changed
    expected = make({"name": "a", **case.get("row", {}), **case["becomes"], "place": "stack.yaml:9:7"})
    assert changed["a"] == expected
    assert changed["a"].authority == "stack.yaml:9:7"


def test_a_stack_that_says_nothing_leaves_the_table_alone() -> None:
    """Without base models in the Stack the table is the same object, and is not even read."""
    table = {"a": Base("a", tunable=True)}
    assert override_bases(table, ()) is table


def test_who_says_so() -> None:
    """A packaged row has the day when its source was read. A row without a source claims none."""
    assert Base("a", tunable=True, read="2026-11-28").authority == "documents read on 28 November 2026"
    assert Base("a", tunable=True).authority == ""


def test_a_base_model_is_found_however_its_publisher_is_written() -> None:
    """A base model is found under the names of the console, Terraform and Google's SDKs."""
    base = Base("a", tunable=True)
    for name in ("a", "models/a", "publishers/google/models/a", "a@default"):
        assert find_base({"a": base}, name) is base
    assert find_base({"a": base}, "b") is None


def test_a_service_that_tells_what_can_be_tuned_is_believed() -> None:
    """A service's own list replaces the table's. What the Stack refuses stays refused."""
    table = {
        "a": Base("a", tunable=True, doubt="one page only"),
        "b": Base("b", tunable=True),
        "c": Base("c", tunable=False, refused=True),
    }
    assert narrow_bases(table, ["models/a", "models/c", "models/d"]) == {
        "a": Base("a", tunable=True),
        "b": Base("b", tunable=False),
        "c": Base("c", tunable=False, refused=True),
        "d": Base("d", tunable=True),
    }


def test_a_doubtful_base_model_is_listed_last() -> None:
    """Base models are sorted by name, except that one with contradicting documents comes last."""
    table = {"a": Base("a", tunable=True, doubt="one page only"), "b": Base("b", tunable=True)}
    assert sort_offered(table, ["models/c", "models/a", "models/b"]) == ["models/b", "models/c", "models/a"]


def test_a_stack_decides_for_every_kind() -> None:
    """The Stack's list of tunable base models counts, and so does each row that it marks as tunable."""
    kinds = {"TuningJob": TUNING_JOB}
    assert override_kinds(kinds, Stack()) is kinds
    stack = Stack(
        tunable_base_models=("models/x",),
        base_models=(DeclaredBase("y", tunable=True), DeclaredBase("z", retires="2028-01-31")),
    )
    once = override_kinds(kinds, stack)
    assert override_kinds(once, stack) == once
    assert {name for name, row in once["TuningJob"].bases.items() if row.tunable} == {"x", "y"}
    moved = override_kinds(kinds, Stack(base_models=(DeclaredBase("z", retires="2028-01-31"),)))
    assert moved["TuningJob"].bases["z"].tunable
    assert moved["TuningJob"].bases["gemini-3.5-flash"].tunable


def test_kinds_that_this_version_does_not_know_have_no_table() -> None:
    """A kind that a newer version recorded has no table."""
    assert narrow_kinds({}, {"Foo": ["x"]}) == {}
