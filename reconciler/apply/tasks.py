"""What is left to do for one change: a short list of steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.errors import ReconcilerError
from reconciler.events import APPLY, WAIT
from reconciler.model import Status
from reconciler.plan.change import Action, Change
from reconciler.providers import Provider
from reconciler.state.values import Record, RecordedModel


class Step(StrEnum):
    """One thing to do."""

    DELETE_FIRST = "delete first"
    CREATE = "create"
    TRAIN = "train"
    UPDATE = "update"
    PERMIT = "permissions"
    CHECK = "check"
    PROMOTE = "promote"
    RETIRE = "retire"
    OUTLAST = "outlast"
    DELETE = "delete"
    FORGET = "forget"

    @property
    def operation(self) -> str:
        """What events call it: people know trainings and deletions, not our steps."""
        return _OPERATIONS.get(self, self.value)


_OPERATIONS = {
    Step.TRAIN: "create",
    Step.DELETE_FIRST: "delete",
    Step.RETIRE: "delete",
    Step.OUTLAST: "delete",
}

WATCHING = frozenset({Step.TRAIN, Step.OUTLAST})
"""Steps that only look: no lock is held for them."""

CHANGING = frozenset({Step.DELETE_FIRST, Step.CREATE, Step.UPDATE, Step.PERMIT, Step.RETIRE, Step.DELETE})
"""Steps that may not start unless the lock is surely ours."""


def steps_of(change: Change) -> list[Step]:
    """The steps of a change, in order; [] when the intent is all there is."""
    updates = [Step.UPDATE] if any(one.after is not None for one in change.fields) else []
    grants = [Step.PERMIT] if change.permissions_after is not None else []
    checks = [Step.CHECK] if change.checks else []
    retire = [Step.RETIRE] if change.serving and not change.keep else []
    match change.action:
        case Action.CREATE | Action.REPLACE:
            first = [Step.DELETE_FIRST] if change.delete_first else []
            retire = [] if change.delete_first else retire
            return [*first, Step.CREATE, Step.TRAIN, *grants, *checks, Step.PROMOTE, *retire]
        case Action.ADOPT | Action.WAIT | Action.COMPLETE | Action.RESTORE:
            train = [Step.TRAIN] if change.status is not Status.ACTIVE else []
            if not change.promote:
                return train
            grants = grants if train or change.permissions else []
            return [*train, *updates, *grants, *checks, Step.PROMOTE, *retire]
        case Action.UPDATE:
            return [*updates, *grants]
        case Action.DELETE:
            return [Step.DELETE]
        case Action.FORGET:
            return [Step.FORGET]
        case Action.NO_OP | Action.RECORD | Action.MOVE | Action.FAILED:
            return []


@dataclass(slots=True, eq=False)
class Task:
    """One change on its way.

    Attributes:
        steps: what is left, next first.
        id: of the model it is about; a create may have to take another generation.
        ended: nothing more is done for it in this run.
        accepted: its create was accepted in this run.
        misses: polls in a row that could not be answered; error: the last of them.
        odd: polls in a row whose answer was not understood.
        attempted: an earlier run recorded its create, and may have sent it.
        not_before: by the clock, when the service is asked again that refused it for now; 0.0 for at once.
        exact: the service itself named that time: nothing else makes an earlier try worth while.
        refused: by the clock, when it was refused for now first; None when it was not.
        held: the record that the plan saw, and the intent that takes its place when the turn comes.
    """

    change: Change
    provider: Provider
    steps: list[Step]
    id: str
    generation: int = 0
    ended: bool = False
    accepted: bool = False
    misses: int = 0
    odd: int = 0
    error: ReconcilerError | None = None
    attempted: bool = False
    not_before: float = 0.0
    exact: bool = False
    refused: float | None = None
    held: tuple[Record, Record] | None = None

    @property
    def next(self) -> Step | None:
        """The next step, None when nothing is left."""
        return None if self.ended or not self.steps else self.steps[0]

    @property
    def operation(self) -> str:
        """What events call the next step."""
        return self.steps[0].operation if self.steps else "create"


def resume_of(task: Task) -> str:
    """Which command goes on with what is left of a task: see `events.Skipped`."""
    change = task.change
    match task.next:
        case Step.CREATE | Step.DELETE_FIRST | Step.FORGET:
            return APPLY
        case Step.DELETE:
            return WAIT if change.deposed and not change.after_accepted else APPLY
        case Step.UPDATE | Step.PERMIT if change.action is Action.UPDATE:
            return APPLY
        case _:
            return WAIT


def concerns(task: Task, record: Record) -> bool:
    """Whether the record still has the task's model where its next step expects it.

    While we only watch, other runs may promote, restore, delete or forget what we wait for: what is not
    ours to finish any more is left alone.
    """
    if task.held is not None:
        return record == task.held[0]
    deposed = {one.id for one in record.deposed}
    match task.next:
        case None | Step.RETIRE | Step.FORGET:
            return True
        case Step.OUTLAST if task.change.delete_first:
            return record.candidate is not None and record.candidate.id == task.id and task.id in deposed
        case Step.DELETE | Step.OUTLAST:
            main = {one.id for one in (record.serving, record.candidate) if one is not None}
            waited = task.next is Step.OUTLAST or task.change.after_accepted
            return task.id in deposed - main if waited else task.id in deposed | main
        case Step.UPDATE | Step.PERMIT if task.change.action is Action.UPDATE:
            return record.serving is not None and record.serving.id == task.id
        case _:
            return record.candidate is not None and record.candidate.id == task.id


def find(record: Record, id: str) -> RecordedModel | None:
    """The recorded model with this id, the candidate before the others."""
    models = (record.candidate, record.serving, *record.deposed)
    return next((model for model in models if model is not None and model.id == id), None)


def retired(record: Record, change: Change) -> tuple[RecordedModel, ...]:
    """The models that served before this change, and go with it."""
    return tuple(one for one in record.deposed if one.id == change.serving)
