"""What a planner decides on, and how often."""

from __future__ import annotations

from contextlib import suppress

import pytest

from reconciler.errors import PlanError
from reconciler.model.names import BASE_MODEL
from reconciler.plan.change import Action, Plan
from reconciler.plan.facts import Facts
from reconciler.plan.planner import Planner
from reconciler.state.values import Record
from tests.casefiles import Case, cases
from tests.worlds import KIND, address, count_calls, live, model, want, world

CASES = cases("plan")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_look_ahead(case: Case) -> None:
    """A look ahead tells what the whole plan shows, and changes no plan."""
    facts = case.world()
    planner, plan = Planner(facts), None
    found, trained = planner.look_ahead()
    with suppress(PlanError):
        plan = planner.make_plan()
    assert plan == _make_plan(facts)
    if plan is not None:
        assert found == any(change.creates or change.action is Action.ADOPT for change in plan.changes)
        assert trained == {one.address.kind for one in plan.trainings if BASE_MODEL in (one.after or {})}


def _make_plan(facts: Facts) -> Plan | None:
    with suppress(PlanError):
        return Planner(facts).make_plan()
    return None


def test_new_models_are_decided_on_once() -> None:
    """A look ahead at many new models of one kind decides on the first one only."""
    planner = Planner(world([want(f"bot-{number}") for number in range(20)]))
    assert planner.look_ahead() == (True, frozenset({KIND}))
    assert len(planner.decisions) == 1


def test_a_model_with_nothing_to_do_takes_few_calls() -> None:
    """It takes at most 140 calls of Python functions, however many models there are."""

    def serve(count: int) -> Facts:
        names = [f"bot-{number:04}" for number in range(count)]
        records = [Record(address(name), model(f"{name}-aaaaaaaa")) for name in names]
        return world(map(want, names), records, [live(f"{name}-aaaaaaaa") for name in names])

    count_calls(serve(1))  # the first call fills caches
    assert count_calls(serve(220)) - count_calls(serve(20)) <= 140 * 200
