"""What a step leaves recorded, whatever it came to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.model.live import Status
from reconciler.plan.recording import (
    Broken,
    Checked,
    Done,
    NoRoom,
    Outcome,
    StillTraining,
    Unproven,
    recorded_after,
)
from reconciler.plan.steps import (
    AwaitTraining,
    Create,
    Delete,
    DeleteFirst,
    DeleteReplaced,
    Ending,
    Promote,
    Role,
    RunChecks,
    SetPermissions,
    Step,
    Update,
)
from reconciler.providers import Accepted, Training
from reconciler.state.values import QUOTA, Record, RecordedModel, Verdict
from tests.worlds import READER, address, candidate, model

NOW = "2026-11-22T12:00:00Z"
NEW, OLD = candidate("bot-2"), model("bot-1")
PENDING = replace(NEW, name="", status=None, create_time="")
WAITING = replace(PENDING, waiting=QUOTA, waiting_since="2026-11-22T11:00:00Z", waiting_said="full")
BOTH = Record(address(), OLD, NEW)


def after(step: Step, record: Record, outcome: Outcome) -> Record:
    """Return the record after a step."""
    return recorded_after(step, record, outcome, NOW)


def training(one: RecordedModel | None, *deposed: RecordedModel) -> Record:
    """A record whose candidate this is."""
    return Record(address(), None, one, deposed)


def test_a_create_without_room_waits_since_the_first_refusal() -> None:
    """The service's first words are kept too. A create that is accepted or broken off waits no more."""
    first = after(Create("bot-2"), training(PENDING), NoRoom("full"))
    assert first == training(replace(PENDING, waiting=QUOTA, waiting_since=NOW, waiting_said="full"))
    assert after(Create("bot-2"), training(WAITING), NoRoom("still full")) == training(WAITING)
    assert after(Create("bot-2"), training(WAITING), Broken()) == training(PENDING)
    accepted = after(Create("bot-2"), training(WAITING), Accepted("tunedModels/bot-2"))
    assert accepted == training(replace(PENDING, name="tunedModels/bot-2", status=Status.CREATING))


def test_a_call_that_broke_off_leaves_the_record_as_it_was() -> None:
    """The exception is a create, which may have been accepted."""
    for step in (Delete("bot-1"), Update(Role.SERVING, {}), RunChecks(()), AwaitTraining()):
        assert after(step, BOTH, Broken()) == BOTH


def test_a_deletion_that_the_service_refuses_while_it_trains_is_deposed() -> None:
    """It cannot go yet. A deposed model stays deposed, and an unknown one becomes no model."""
    assert after(Delete("bot-2"), BOTH, StillTraining()) == Record(address(), OLD, None, (NEW,))
    assert after(DeleteReplaced("bot-1"), BOTH, StillTraining()) == Record(address(), None, NEW, (OLD,))
    deposed = training(None, NEW)
    assert after(Delete("bot-2", deposed=True), deposed, StillTraining()) == deposed
    assert after(Delete("bot-3"), BOTH, StillTraining()) == BOTH
    assert after(DeleteFirst("bot-1"), BOTH, StillTraining()) == BOTH


def test_a_deletion_that_is_done_forgets_the_model() -> None:
    """It is forgotten wherever it is recorded. A deletion that was not made changes nothing."""
    assert after(Delete("bot-1"), BOTH, Done()) == Record(address(), None, NEW)
    assert after(Delete("bot-2"), BOTH, Done()) == Record(address(), OLD)
    assert after(Delete("bot-2", deposed=True), training(NEW, NEW), Done()) == training(None)
    assert after(Delete("bot-2", deposed=True), training(OLD, NEW), Done()) == training(OLD)
    assert after(DeleteReplaced("bot-2"), training(OLD, NEW), Done()) == training(OLD)
    assert after(DeleteReplaced("bot-1"), BOTH, Unproven("nobody sees it")) == BOTH
    assert after(DeleteReplaced("bot-1"), BOTH, Unproven("it is used", unfinished=False)) == BOTH
    assert after(Delete("bot-1"), BOTH, Unproven("it is used", unfinished=False)) == BOTH


def test_nothing_is_promoted_where_nothing_is_a_candidate() -> None:
    """A candidate serves, with the fields that the step names as sent. The former model is deposed."""
    without = Record(address(), OLD)
    assert after(Promote(Ending.CREATE), without, Done()) == without
    sent = {"temperature": 0.2}
    step = Promote(Ending.REPLACE, sent=sent, permissions=(READER,))
    promoted = after(step, BOTH, Done())
    serving = replace(NEW, promoted=NOW, status=Status.ACTIVE, sent=sent, permissions=(READER,))
    assert promoted == Record(address(), serving, None, (replace(OLD, deposed=NOW, kept_until=NOW),))


def test_what_is_set_is_recorded_of_the_model_that_has_the_role() -> None:
    """If no model has the role, nothing is recorded."""
    empty = Record(address())
    assert after(SetPermissions(Role.SERVING, (READER,)), BOTH, Done()) == Record(
        address(), replace(OLD, permissions=(READER,)), NEW
    )
    assert after(SetPermissions(Role.SERVING, (READER,)), empty, Done()) == empty
    assert after(Update(Role.CANDIDATE, {}), empty, Done()) == empty
    failed = after(RunChecks(()), BOTH, Checked(Verdict.FAILED))
    assert failed == Record(address(), OLD, replace(NEW, verdict=Verdict.FAILED))


@pytest.mark.parametrize(
    ("step", "record", "outcome"),
    [
        (RunChecks(()), BOTH, Done()),
        (Create("bot-2"), BOTH, Done()),
        (Create("bot-2"), Record(address(), OLD), Accepted("x")),
        (AwaitTraining(), BOTH, Done()),
        (AwaitTraining(), Record(address(), OLD), Training(Status.ACTIVE)),
        (Delete("bot-1"), BOTH, Accepted("x")),
    ],
)
def test_an_outcome_that_a_step_cannot_have_is_a_defect(step: Step, record: Record, outcome: Outcome) -> None:
    """It is reported as a defect, and nothing is recorded."""
    with pytest.raises(TypeError, match=r"cannot come to|nothing is created without a recorded intent"):
        after(step, record, outcome)
