"""What is left to do for one change: a short list of steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.errors import ReconcilerError
from reconciler.model import Status
from reconciler.plan.values import Action, Change
from reconciler.providers import Provider
from reconciler.state import Model, Record


class Step(StrEnum):
    """One thing to do; the value is what events call the operation."""

    DELETE_FIRST = "delete"
    CREATE = "create"
    TRAIN = "train"
    UPDATE = "update"
    PERMIT = "permissions"
    CHECK = "check"
    PROMOTE = "promote"
    RETIRE = "retire"
    OUTLAST = "outlast"
    DELETE = "delete deposed"
    FORGET = "forget"


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
        case Action.NO_OP | Action.RECORD | Action.FAILED:
            return []


@dataclass(slots=True)
class Task:
    """One change on its way.

    Attributes:
        steps: what is left, next first.
        id: of the model it is about; a create may have to take another generation.
        ended: nothing more is done for it in this run.
        accepted: its create was accepted in this run.
        misses: polls in a row that could not be answered; error: the last of them.
    """

    change: Change
    provider: Provider
    steps: list[Step]
    id: str
    generation: int = 0
    ended: bool = False
    accepted: bool = False
    misses: int = 0
    error: ReconcilerError | None = None

    @property
    def next(self) -> Step | None:
        """The next step, None when nothing is left."""
        return None if self.ended or not self.steps else self.steps[0]


def find(record: Record, id: str) -> Model | None:
    """The recorded model with this id, the candidate before the others."""
    models = (record.candidate, record.serving, *record.deposed)
    return next((model for model in models if model is not None and model.id == id), None)


def retired(record: Record, change: Change) -> tuple[Model, ...]:
    """The models that served before this change, and go with it."""
    return tuple(one for one in record.deposed if one.id == change.serving)
