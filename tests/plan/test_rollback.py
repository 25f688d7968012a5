"""What holds of every rollback and of every hold, in any world."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.errors import PlanError
from reconciler.model import Address
from reconciler.plan.change import Inputs
from reconciler.plan.facts import Facts
from reconciler.plan.resume import plan_resumption
from reconciler.plan.rollback import Request, plan_rollback
from reconciler.plan.steps import GoBack, find_step, list_deleted
from reconciler.state.values import Record
from tests import worlds
from tests.worlds import make_plan

calm = settings(
    max_examples=80,
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
    """A deletion of a held model is one to approve, so wait makes none but what an apply approved before."""
    held = list_held(facts)
    with suppress(PlanError):
        due = [change for change in make_plan(facts).changes if change.is_due]
        assert not held & {(change.address, change.id) for change in due}


@calm
@given(worlds.worlds(options=st.just(Inputs())))
def test_wait_never_deletes_what_is_held_back_beside_a_serving_model(facts: Facts) -> None:
    """Its hold may have ended by now, but nobody has approved that."""
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
