"""Steps: every question about one has an answer, and what each leaves recorded follows from its outcome."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import find, given, settings
from msgspec.structs import fields

from reconciler.model.live import Status
from reconciler.plan.change import Change
from reconciler.plan.compile import compile_deletion
from reconciler.plan.recording import (
    Broken,
    Checked,
    Done,
    NoRoom,
    Occupied,
    Outcome,
    Renumbered,
    StillTraining,
    Unproven,
    expect_outcome,
    recorded_after,
)
from reconciler.plan.steps import (
    AwaitEnd,
    AwaitTraining,
    Create,
    Delete,
    DeleteFirst,
    DeleteReplaced,
    Ending,
    Nature,
    Promote,
    Role,
    RunChecks,
    Step,
    Update,
    list_deleted,
)
from reconciler.providers import Accepted, Training
from reconciler.state.values import QUOTA, Record, Verdict
from tests import worlds
from tests.limits import examples
from tests.render.strategies import any_step, each_step
from tests.steps_text import describe_step

BOT = worlds.address()
NOW = "2026-11-22T12:00:00Z"
ONE = settings(max_examples=10, database=None)
OLD, NEW = worlds.model("bot-old"), worlds.candidate("bot-new", status=None)
RECORD = Record(BOT, serving=OLD, candidate=NEW)


def test_a_change_stays_small() -> None:
    """The steps say what a change does. A flag beside them would be a second program."""
    assert len(fields(Change)) <= 16


@settings(max_examples=examples(100), deadline=None)
@given(any_step)
def test_every_step_answers_every_question(step: Step) -> None:
    """Any step can be described, classified, waited for and folded."""
    assert describe_step(step)
    assert step.nature in Nature
    assert step.after is None or str(step.after)
    assert recorded_after(step, RECORD, expect_outcome(step), NOW).address is not None


def test_every_kind_of_step_is_made_up_by_the_strategy() -> None:
    """A step that the tests cannot make would be shown, saved and read by none of them."""
    made = [type(find(strategy, lambda _step: True, settings=ONE)) for strategy in each_step]
    assert sorted(map(str, made)) == sorted(map(str, get_args(Step)))


def test_a_create_is_recorded_as_it_ended() -> None:
    """It is accepted, waits for room, is taken by another, gets another number, or is lost."""
    create = Create(NEW.id)
    accepted = recorded_after(create, RECORD, Accepted("tunedModels/bot-new", "op"), NOW).candidate
    assert accepted is not None
    assert (accepted.status, accepted.operation) == (Status.CREATING, "op")
    waiting = recorded_after(create, RECORD, NoRoom("no room"), NOW).candidate
    assert waiting is not None
    assert (waiting.waiting, waiting.waiting_since, waiting.waiting_said) == (QUOTA, NOW, "no room")
    again = recorded_after(create, Record(BOT, candidate=waiting), NoRoom("still none"), "later")
    assert again.candidate == waiting
    lost = recorded_after(create, Record(BOT, candidate=waiting), Broken(), NOW).candidate
    assert lost is not None
    assert (lost.waiting, lost.waiting_since, lost.waiting_said) == ("", "", "")
    assert recorded_after(create, RECORD, Occupied(), NOW) == Record(BOT, serving=OLD)
    other = worlds.candidate("bot-other")
    assert recorded_after(create, RECORD, Renumbered(other), NOW).candidate == other


def test_a_promotion_deposes_what_served() -> None:
    """It also records what counts as sent, and the grants where it has some."""
    promote = Promote(Ending.REPLACE, OLD.id, sent={"temperature": 0.2}, permissions=(worlds.READER,))
    after = recorded_after(promote, RECORD, Done(), NOW)
    assert after.candidate is None
    assert after.serving is not None
    assert (after.serving.id, after.serving.promoted, after.serving.status) == (NEW.id, NOW, Status.ACTIVE)
    assert (after.serving.sent, after.serving.permissions) == ({"temperature": 0.2}, (worlds.READER,))
    assert [(one.id, one.deposed) for one in after.deposed] == [(OLD.id, NOW)]


def test_a_deletion_that_is_refused_in_training_deposes_the_model() -> None:
    """It cannot go yet, and no longer counts as the address's own model."""
    delete = Delete(NEW.id, trains=True)
    assert recorded_after(delete, RECORD, StillTraining(), NOW) == Record(BOT, serving=OLD, deposed=(NEW,))
    assert recorded_after(delete, RECORD, Done(), NOW) == Record(BOT, serving=OLD)
    assert recorded_after(DeleteFirst(NEW.id), RECORD, StillTraining(), NOW) == RECORD
    assert recorded_after(DeleteReplaced(OLD.id), RECORD, Unproven("not ACTIVE"), NOW) == RECORD


def test_a_model_in_training_is_deleted_at_the_second_try() -> None:
    """After a refusal its end is waited for. Both tries count as one deletion."""
    steps = tuple(compile_deletion(Delete("bot-new", trains=True)))
    assert steps == (Delete("bot-new", trains=True), AwaitEnd("bot-new"), Delete("bot-new"))
    assert list_deleted(steps) == ("bot-new",)


@pytest.mark.parametrize("step", [Update(Role.SERVING, {}), AwaitTraining(), Promote(Ending.CREATE)])
def test_a_call_that_failed_leaves_the_record_as_it_was(step: Step) -> None:
    """Nobody knows its effect at the service, so the next run looks."""
    assert recorded_after(step, RECORD, Broken(), NOW) == RECORD


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (Create("x"), Checked(Verdict.PASSED)),
        (AwaitTraining(), Accepted("x")),
        (RunChecks(()), Training(Status.ACTIVE)),
        (Delete("x"), NoRoom("")),
    ],
)
def test_an_outcome_of_another_step_is_a_defect(step: Step, outcome: Outcome) -> None:
    """The record never has something that cannot have happened."""
    with pytest.raises(TypeError, match="cannot come to"):
        recorded_after(step, RECORD, outcome, NOW)
