"""`wait` finishes what an apply approved. It starts nothing else, and names what it leaves to apply."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from reconciler.errors import PlanError
from reconciler.model.desired import Desired, Lifecycle, Replacement
from reconciler.model.live import Live, Status
from reconciler.plan.change import Plan
from reconciler.plan.inputs import Inputs
from reconciler.plan.resume import plan_resumption
from reconciler.plan.steps import HoldBack
from reconciler.state.values import QUOTA, Record, RecordedModel
from tests import worlds
from tests.steps_text import describe_changes
from tests.worlds import candidate, id_of, live, make_plan, model, want, world

BOT = worlds.address("bot")
PINNED = "bot-v1"
APPROVED = want(id=PINNED, lifecycle=Lifecycle(replace=Replacement.DELETE_FIRST))


def resume(
    desired: Iterable[Desired],
    recorded: Iterable[Record],
    alive: Iterable[Live] = (),
    inputs: Inputs | None = None,
) -> Plan:
    """Plan what `wait` would do."""
    return plan_resumption(world(desired, recorded, alive, inputs=inputs))


def test_a_target_that_nothing_is_called_is_refused() -> None:
    """A typing error must not look like a wait that has nothing to do."""
    with pytest.raises(PlanError, match="nope"):
        resume([want()], [Record(BOT, candidate=candidate(id_of()))], inputs=Inputs(targets=("nope",)))


def test_only_what_is_selected_is_waited_for() -> None:
    """The other training goes on without being watched."""
    other = want("other")
    records = [Record(one.address, candidate=candidate(id_of(one.address.name))) for one in (want(), other)]
    training = [live(id_of(name), Status.CREATING) for name in ("bot", "other")]
    plan = resume([want(), other], records, training, Inputs(targets=("other",)))
    assert [one.id for one in plan.changes] == [id_of("other")]


def waiting() -> Record:
    """A create that an apply approved and the service had no room for; it deletes what has its id first."""
    old = model(PINNED, "two")
    approved = make_plan(world([APPROVED], [Record(BOT, serving=old)], [live(PINNED)]))
    (change,) = approved.trainings
    assert change.intent is not None
    assert change.intent.candidate is not None
    return replace(change.intent, candidate=replace(change.intent.candidate, waiting=QUOTA))


def test_a_create_that_had_no_room_is_sent_as_it_was_approved() -> None:
    """The deletion before it was approved together with it."""
    plan = resume([APPROVED], [waiting()], [live(PINNED)])
    assert [(one.id, one.trains, one.deletes) for one in plan.changes] == [(PINNED, True, 1)]


def test_a_create_that_would_delete_what_is_protected_by_now_is_left_to_apply() -> None:
    """The protection came after the approval: `apply` refuses this, so `wait` does not do it either."""
    protected = replace(APPROVED, lifecycle=Lifecycle(replace=Replacement.DELETE_FIRST, prevent_destroy=True))
    plan = resume([protected], [waiting()], [live(PINNED)])
    assert plan.changes == ()
    (note,) = plan.notes
    assert note == (
        "TunedModel/bot: its create waits for room, and its manifest has changed since it was approved; "
        "wait does not send it, reconciler apply does"
    )


def test_a_create_that_never_arrived_is_left_to_apply() -> None:
    """`wait` begins no training that it cannot prove to be approved, and says which command does."""
    plan = resume([want()], [Record(BOT, candidate=candidate(id_of(), status=None))])
    assert (plan.changes, plan.notes) == (
        (),
        ("TunedModel/bot: its training never began; wait does not begin it, reconciler apply does",),
    )


def training(**others: object) -> RecordedModel:
    """A candidate of other data than the manifest names by now."""
    return replace(candidate(id_of(data="two"), "two"), **others)


def test_the_end_of_a_training_that_is_not_wanted_any_more_is_recorded() -> None:
    """The end is recorded before anything else. The model is not promoted."""
    plan = resume([want()], [Record(BOT, candidate=training())], [live(id_of(data="two"))])
    assert list(describe_changes(plan.changes)) == [
        f"TunedModel/bot complete {id_of(data='two')}",
        f"  1. record candidate {id_of(data='two')}",
        "  2. hold it back: its manifest has changed since it was approved",
    ]


def test_a_manifest_that_cannot_be_applied_is_told_with_its_error() -> None:
    """A plan ends in that error too. It says what to correct, and the address is not said twice."""
    ended = candidate(PINNED, "two", status=Status.ACTIVE)
    plan = resume([want(id=PINNED)], [Record(BOT, candidate=ended)], [live(PINNED)])
    with pytest.raises(PlanError) as caught:
        make_plan(world([want(id=PINNED)], [Record(BOT, candidate=ended)], [live(PINNED)]))
    ((step,),) = (one.steps for one in plan.changes)
    assert isinstance(step, HoldBack)
    assert (f"TunedModel/bot: {step.error}", step.advice) == (caught.value.summary, caught.value.detail)


def test_an_end_that_is_recorded_already_is_not_recorded_twice() -> None:
    """The record does not change."""
    ended = training(status=Status.ACTIVE)
    plan = resume([want()], [Record(BOT, candidate=ended)], [live(id_of(data="two"))])
    assert [one.intent for one in plan.changes] == [None]
