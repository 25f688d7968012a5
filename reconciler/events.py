"""What happened during an apply or a wait, as values: renderers read these and nothing else.

Rule: an event is yielded only after the state that proves it has been committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from reconciler.model import Address

INTERRUPT, TIMEOUT, NO_WAIT = "interrupt", "timeout", "no-wait"
"""Why a run stops waiting."""

WAIT, APPLY = "wait", "apply"
"""Which command goes on with what was left unfinished: what began is waited for, what did not is applied."""


class Verb(StrEnum):
    """What is done to a model, as events call it."""

    CREATE = "create"
    REPLACE = "replace"
    ADOPT = "adopt"
    RESTORE = "restore"
    UPDATE = "update"
    PERMISSIONS = "permissions"
    CHECK = "check"
    PROMOTE = "promote"
    DELETE = "delete"
    FORGET = "forget"
    WAIT = "wait"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Started:
    """A call was accepted and goes on at the service (a training), or is about to be made."""

    address: Address
    operation: Verb
    id: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is.

    Attributes:
        percent: 0..100, or None before the service says.
        step, total_steps, epoch, mean_loss: None where unknown.
        elapsed, remaining: seconds; remaining is an estimate or None.
    """

    address: Address
    id: str
    percent: float | None = None
    step: int | None = None
    total_steps: int | None = None
    epoch: int | None = None
    mean_loss: float | None = None
    elapsed: float = 0.0
    remaining: float | None = None
    operation: Verb = Verb.CREATE


@dataclass(frozen=True, slots=True)
class Completed:
    """An operation ended well, and is recorded."""

    address: Address
    operation: Verb
    id: str = ""
    elapsed: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """An operation ended badly; what happened is recorded and the next run goes on from there.

    Attributes:
        error: the reason alone; what failed is said by the other fields.
        advice: what to do now.
        training: it had been accepted, and ended badly at the service.
    """

    address: Address
    operation: Verb
    error: str
    advice: str = ""
    id: str = ""
    elapsed: float = 0.0
    training: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not done, with the reason; not a failure by itself. `unfinished` makes the run exit 3.

    Attributes:
        resume: WAIT or APPLY, the command that makes progress with it; of interest where `unfinished`.
        trouble: somebody has to look at it: told where errors are told.
    """

    address: Address
    operation: Verb
    reason: str
    id: str = ""
    unfinished: bool = False
    resume: str = WAIT
    trouble: bool = False


@dataclass(frozen=True, slots=True)
class Detached:
    """We stopped waiting; the trainings go on.

    `reason` is INTERRUPT, TIMEOUT or NO_WAIT; `resume` is the command that goes on waiting.
    """

    reason: str
    training: tuple[Address, ...] = ()
    resume: str = "reconciler wait"


@dataclass(frozen=True, slots=True)
class Uploading:
    """How far the upload of a large data set is. Proves nothing: the create that needs it is told by itself.

    Attributes:
        shown: which data set, as its manifest names it.
        sent, size: bytes.
    """

    shown: str
    sent: int
    size: int


Event: TypeAlias = Started | Progress | Uploading | Completed | Failed | Skipped | Detached
