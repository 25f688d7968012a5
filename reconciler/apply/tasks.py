"""A task: one change, and its position in its list of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from reconciler.errors import ReconcilerError
from reconciler.events import APPLY, WAIT, Event, Skipped, Verb
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
    """The effect of a step's outcome.

    Attributes:
        record: the new record.
        events: yielded once the record is committed.
        steps: number of finished steps.
        ended: nothing more is done for the task in this run.
        vacated: addresses that a record was moved away from.
    """

    record: Record
    events: tuple[Event, ...] = ()
    steps: int = 0
    ended: bool = False
    vacated: tuple[Address, ...] = ()


@dataclass(slots=True, eq=False)
class Task:
    """One change that is being executed.

    Attributes:
        id: id of the change's model. A create may have to take another generation, and so another id.
        seen: the record that the plan was made from, under its new address.
        generation: generation of the model to create.
        attempted: an earlier run recorded the create, and may have sent its request.
        position: index of the next step. The list itself never changes.
        ended: nothing more is done for the task in this run.
        misses: number of polls in a row that failed.
        odd: number of polls in a row whose answer was not understood.
        error: the last error of a poll or a refused call.
        not_before: clock time of the next try, if the service refused a call for now; 0.0 if it did not.
        exact: the service itself named that time, so an earlier try is useless.
        refused: clock time at which a call was first refused for now; None if none was.
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
        """The next step; None if nothing is left."""
        steps = self.change.steps
        return None if self.ended or self.position >= len(steps) else steps[self.position]

    @property
    def wait(self) -> Wait | None:
        """What the next step waits for; None if it can start."""
        return None if self.next is None else self.next.after

    @property
    def is_watching(self) -> bool:
        """Whether the next step only waits for the service."""
        return self.next is not None and self.next.nature is Nature.WATCH

    @property
    def is_accepted(self) -> bool:
        """Whether the service accepted the task's create in this run."""
        return any(isinstance(one, Create) for one in self.change.steps[: self.position])

    @property
    def operation(self) -> Verb:
        """The name of the next step in events: people know trainings and deletions, not our steps."""
        steps = self.change.steps[self.position :]
        return next((name for name in map(name_operation, steps) if name), Verb.CREATE)

    def skip(
        self, reason: str, *, unfinished: bool = True, resume: str = WAIT, trouble: bool = False
    ) -> Skipped:
        """Build the event that the next step is not executed in this run."""
        return Skipped(
            self.change.address,
            self.operation,
            reason,
            self.id,
            unfinished=unfinished,
            resume=resume,
            trouble=trouble,
        )

    def advance(self, settled: Settled) -> None:
        """Move on by the steps that are done."""
        self.position += settled.steps
        self.ended = self.ended or settled.ended


def name_operation(step: Step) -> Verb | None:
    """Name a step for events; None if no event is about it."""
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
    """Choose the command that continues from this step: see `events.Skipped`."""
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

    While we only watch, other runs may promote, restore, delete or forget that model. Then we leave it.
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
