"""One change on its way: how far it has come in its list of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from reconciler.errors import ReconcilerError
from reconciler.events import APPLY, WAIT, Event, Verb
from reconciler.model import Address
from reconciler.plan.change import Change
from reconciler.plan.steps import (
    AwaitEnd,
    AwaitTraining,
    Create,
    Delete,
    DeleteFirst,
    DeleteReplaced,
    Deletion,
    Forget,
    ForgetDeposed,
    HoldBack,
    Intent,
    Move,
    Nature,
    Promote,
    ReportFailure,
    Role,
    RunChecks,
    SetPermissions,
    Step,
    Update,
    Wait,
)
from reconciler.providers import Provider
from reconciler.state.values import Record


@dataclass(frozen=True, slots=True)
class Settled:
    """What the outcome of a step means.

    Attributes:
        record: from now on.
        events: what to tell once it is committed.
        steps: how many steps of the task are done with it.
        ended: nothing more is done for the task in this run.
        vacated: addresses whose record has gone elsewhere.
    """

    record: Record
    events: tuple[Event, ...] = ()
    steps: int = 0
    ended: bool = False
    vacated: tuple[Address, ...] = ()


@dataclass(slots=True, eq=False)
class Task:
    """One change on its way.

    Attributes:
        id: of the model it is about; a create may have to take another generation.
        seen: the record that the plan was made from, under the address that it has from now on.
        generation: of the model to create.
        attempted: an earlier run recorded its create, and may have sent it.
        position: of the next step in the change's list, which nobody alters.
        ended: nothing more is done for it in this run.
        misses: polls in a row that could not be answered; error: the last of them.
        odd: polls in a row whose answer was not understood.
        not_before: by the clock, when the service is asked again that refused it for now; 0.0 for at once.
        exact: the service itself named that time: nothing else makes an earlier try worth while.
        refused: by the clock, when it was refused for now first; None when it was not.
    """

    change: Change
    provider: Provider
    id: str
    seen: Record
    generation: int = 0
    attempted: bool = False
    position: int = 0
    ended: bool = False
    misses: int = 0
    odd: int = 0
    error: ReconcilerError | None = None
    not_before: float = 0.0
    exact: bool = False
    refused: float | None = None

    @property
    def next(self) -> Step | None:
        """The next step, None when nothing is left."""
        steps = self.change.steps
        return None if self.ended or self.position >= len(steps) else steps[self.position]

    @property
    def wait(self) -> Wait | None:
        """What must have happened before the next step may begin; None for nothing."""
        return None if self.next is None else self.next.after

    @property
    def is_watching(self) -> bool:
        """Whether it only waits for the service."""
        return self.next is not None and self.next.nature is Nature.WATCH

    @property
    def is_accepted(self) -> bool:
        """Whether its create was accepted in this run."""
        return any(isinstance(one, Create) for one in self.change.steps[: self.position])

    @property
    def operation(self) -> Verb:
        """What events call the next step: people know trainings and deletions, not our steps."""
        steps = self.change.steps[self.position :]
        return next((name for name in map(name_operation, steps) if name), Verb.CREATE)

    def advance(self, settled: Settled) -> None:
        """Go on from what the last step came to."""
        self.position += settled.steps
        self.ended = self.ended or settled.ended


def name_operation(step: Step) -> Verb | None:
    """What events call a step, None where nothing is told of it."""
    match step:
        case Move():
            return Verb.MOVE
        case Intent():
            return None
        case Create() | AwaitTraining() | ReportFailure():
            return Verb.CREATE
        case Deletion() | AwaitEnd():
            return Verb.DELETE
        case Update():
            return Verb.UPDATE
        case SetPermissions():
            return Verb.PERMISSIONS
        case RunChecks():
            return Verb.CHECK
        case Promote() | HoldBack():
            return Verb.PROMOTE
        case Forget() | ForgetDeposed():
            return Verb.FORGET
        case _:
            assert_never(step)


def choose_command(step: Step | None) -> str:
    """Which command goes on with what is left from this step on: see `events.Skipped`."""
    match step:
        case Update(of=Role.SERVING) | SetPermissions(of=Role.SERVING):
            return APPLY
        case Delete(deposed=True, after=None):
            return WAIT
        case Create() | DeleteFirst() | Delete() | Forget() | ForgetDeposed() | ReportFailure() | Intent():
            return APPLY
        case AwaitTraining() | AwaitEnd() | Update() | SetPermissions() | RunChecks():
            return WAIT
        case Promote() | HoldBack() | DeleteReplaced() | None:
            return WAIT
        case _:
            assert_never(step)


def is_still_ours(task: Task, record: Record) -> bool:
    """Whether the record still has the task's model where its next step expects it.

    While we only watch, other runs may promote, restore, delete or forget what we wait for: what is not
    ours to finish any more is left alone.
    """
    deposed = {one.id for one in record.deposed}
    step = task.next
    match step:
        case None | Move() | DeleteReplaced() | Forget() | ForgetDeposed() | ReportFailure():
            return True
        case Intent():
            return record == task.seen
        case AwaitEnd(is_namesake=True):
            return _is_candidate(record, task.id) and task.id in deposed
        case AwaitEnd():
            return task.id in deposed - _main_ids(record)
        case Delete():
            main = _main_ids(record)
            return task.id in (deposed | main if step.after is None else deposed - main)
        case Update(of=Role.SERVING) | SetPermissions(of=Role.SERVING):
            return record.serving is not None and record.serving.id == task.id
        case Create() | DeleteFirst() | AwaitTraining() | Update() | SetPermissions():
            return _is_candidate(record, task.id)
        case RunChecks() | Promote() | HoldBack():
            return _is_candidate(record, task.id)
        case _:
            assert_never(step)


def _is_candidate(record: Record, id: str) -> bool:
    return record.candidate is not None and record.candidate.id == id


def _main_ids(record: Record) -> set[str]:
    return {one.id for one in (record.serving, record.candidate) if one is not None}
