"""What holds of every rollback and of every hold, in any world."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.errors import PlanError, StalePlanError
from reconciler.model.names import Address
from reconciler.plan.binding import verify
from reconciler.plan.change import Action, Plan
from reconciler.plan.facts import Facts
from reconciler.plan.inputs import Inputs
from reconciler.plan.resume import plan_resumption
from reconciler.plan.rollback import Request, plan_rollback
from reconciler.plan.steps import GoBack, find_step, list_deleted
from reconciler.state.values import Record
from tests import worlds
from tests.limits import examples
from tests.worlds import make_plan

calm = settings(
    max_examples=examples(80),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[phase for phase in Phase if phase is not Phase.explain],
)


def list_held(facts: Facts) -> set[tuple[Address, str]]:
    """Every model that is held back, with its address."""
    return {(address, model.id) for address, record in facts.state.resources.items() for model in record.held}


@calm
@given(worlds.worlds())
def test_no_time_deletes_what_is_held_back(facts: Facts) -> None:
    """A person must approve the deletion of a held model. `wait` makes only one that an apply approved."""
    held = list_held(facts)
    with suppress(PlanError):
        due = [change for change in make_plan(facts).changes if change.is_due]
        assert not held & {(change.address, change.id) for change in due}


@calm
@given(worlds.worlds(options=st.just(Inputs())))
def test_wait_never_deletes_what_is_held_back_beside_a_serving_model(facts: Facts) -> None:
    """The hold may have ended, but nobody has approved the deletion."""
    served = {address for address, record in facts.state.resources.items() if record.serving}
    held = {(address, id) for address, id in list_held(facts) if address in served}
    with suppress(PlanError):
        for change in plan_resumption(facts).changes:
            assert not held & {(change.address, id) for id in list_deleted(change.steps)}


@calm
@given(worlds.worlds(), st.data())
def test_a_rollback_loses_no_model(facts: Facts, data: st.DataObject) -> None:
    """It is refused, or every model of the record stays recorded once and the target serves."""
    addresses = sorted(facts.state.resources) or [worlds.address()]
    address = data.draw(st.sampled_from(addresses))
    record = facts.state.resources.get(address, Record(address))
    ids = [model.id for model in record.models]
    undo = data.draw(st.booleans())
    to = "" if undo else data.draw(st.sampled_from(["", "stranger", *ids]))
    try:
        main, *_ = plan_rollback(facts, Request(address, to, undo=undo, by="ann@desk")).changes
    except PlanError:
        return
    step = find_step(main.steps, GoBack)
    if step is None:
        assert record.serving is not None
        assert main.id == record.serving.id
        return
    assert sorted(model.id for model in step.record.models) == sorted(ids)
    assert step.record.serving is not None
    assert step.record.serving.id == main.id != step.replaces
    assert not to or main.id == to
    assert list_deleted(main.steps) == ()


def roll_back(record: Record, *shown: str, **asked: Any) -> tuple[Plan, Facts]:
    """The rollback of the usual manifest, and the facts that it is made from."""
    facts = worlds.world([worlds.want()], [record], [worlds.live(id) for id in shown])
    return plan_rollback(facts, Request(record.address, by="ann@desk", **asked)), facts


NEW, OLD, OLDER = (
    worlds.model(worlds.id_of()),
    worlds.model("bot-bbbbbbbb", "two"),
    worlds.model("bot-cccccccc", "three"),
)
SERVING = Record(worlds.address(), NEW, None, (OLD,))
IDS = (NEW.id, OLD.id, OLDER.id)


def test_a_rollback_that_another_run_has_made_is_no_move() -> None:
    """What was approved has happened, and nothing is left to do."""
    plan, _ = roll_back(SERVING, *IDS)
    step = find_step(plan.changes[0].steps, GoBack)
    assert step is not None
    again, facts = roll_back(step.record, *IDS)
    assert verify(plan, again, facts).changes[0].steps == ()


def test_a_rollback_is_refused_where_another_run_has_replaced_the_model() -> None:
    """It would replace a model that the person has never seen."""
    plan, _ = roll_back(SERVING, *IDS)
    moved, facts = roll_back(Record(worlds.address(), OLDER, None, (OLD,)), *IDS)
    with pytest.raises(StalePlanError, match="its record has changed: another run has worked on it"):
        verify(plan, moved, facts)


def test_a_saved_plan_is_refused_once_a_model_is_held_back() -> None:
    """A plan is bound to the hold, even if the same models serve."""
    held = Record(worlds.address(), OLD, None, (), (NEW,))
    declared = worlds.want(attributes={**worlds.DECLARED, "temperature": 0.2})
    live = [worlds.live(id) for id in IDS]
    approved = make_plan(worlds.world([declared], [held], live))
    assert approved.has_changes
    freed = worlds.world([declared], [replace(held, held=(NEW, OLDER))], live)
    with pytest.raises(StalePlanError, match="its record has changed"):
        verify(approved, make_plan(freed), freed)


def test_a_rollback_that_an_apply_undid_meanwhile_tells_its_turn() -> None:
    """A rollback may have become an update of the serving model. It can never become a deletion."""
    plan, facts = roll_back(SERVING, *IDS)
    change = replace(plan.changes[0], action=Action.DELETE)
    with pytest.raises(StalePlanError, match="the plan said rollback, by now it would say delete"):
        verify(plan, replace(plan, changes=(change,)), facts)
