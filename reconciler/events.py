"""The events of an apply or a wait, as values. Renderers read only these.

Rule: an event is yielded only after the state that proves it was committed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from reconciler.model.checks import Score
from reconciler.model.names import Address

INTERRUPT, TIMEOUT, NO_WAIT = "interrupt", "timeout", "no-wait"
"""The reasons why a run stops waiting."""

WAIT, APPLY = "wait", "apply"
"""The command that continues: `wait` for what has begun, `apply` for what has not."""


class Verb(StrEnum):
    """The operations on models that events report."""

    CREATE = "create"
    COPY = "copy"
    REPLACE = "replace"
    ADOPT = "adopt"
    RESTORE = "restore"
    ROLLBACK = "rollback"
    UPDATE = "update"
    PERMISSIONS = "permissions"
    CHECK = "check"
    PROMOTE = "promote"
    CHECKPOINT = "checkpoint"
    DELETE = "delete"
    FORGET = "forget"
    WAIT = "wait"
    MOVE = "move"
    CREATE_ENDPOINT = "create-endpoint"
    DEPLOY = "deploy"
    UNDEPLOY = "undeploy"
    DELETE_ENDPOINT = "delete-endpoint"


class Started(Struct, frozen=True):
    """A call was accepted and continues at the service (training), or is about to be made."""

    address: Address
    operation: Verb
    id: str = ""


class Progress(Struct, frozen=True):
    """The progress of a training.

    Attributes:
        percent: 0 to 100. None until it is known.
        step, total_steps, epoch, mean_loss: None if unknown.
        elapsed: seconds.
        remaining: seconds, estimated. None if unknown.
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


class Completed(Struct, frozen=True):
    """An operation succeeded, and that is recorded. `scores`: of checks."""

    address: Address
    operation: Verb
    id: str = ""
    elapsed: float = 0.0
    detail: str = ""
    scores: tuple[Score, ...] = ()


class Billed(Struct, frozen=True):
    """The service told what it bills for a training, and that is recorded.

    Attributes:
        tokens: as billed.
        amount: what they cost. None if no price is declared.
        expected: the tokens that the plan estimated. 0 if it did not.
    """

    address: Address
    id: str
    tokens: int
    amount: float | None = None
    currency: str = ""
    expected: int = 0


class Failed(Struct, frozen=True):
    """An operation failed. That is recorded, and the next run continues from there.

    Attributes:
        error: only the reason; the other fields say what failed.
        advice: what to do now.
        training: whether a training failed at the service, after its create was accepted.
        scores: of checks.
    """

    address: Address
    operation: Verb
    error: str
    advice: str = ""
    id: str = ""
    elapsed: float = 0.0
    training: bool = False
    scores: tuple[Score, ...] = ()


class Skipped(Struct, frozen=True):
    """Something was not done, for a reason that is not a failure.

    Attributes:
        unfinished: whether it is still to be done. The run then ends with exit code 3.
        resume: WAIT or APPLY, the command that continues.
        trouble: whether it needs attention. It is then reported on stderr.
    """

    address: Address
    operation: Verb
    reason: str
    id: str = ""
    unfinished: bool = False
    resume: str = WAIT
    trouble: bool = False


class Detached(Struct, frozen=True):
    """We stopped waiting, and what was begun goes on at the service.

    Attributes:
        reason: INTERRUPT, TIMEOUT or NO_WAIT.
        training: addresses whose models are in training.
        copying: addresses whose models are being copied.
        deploying: addresses whose models are being deployed to an endpoint, or undeployed from it.
        resume: the command that waits for all of them.
    """

    reason: str
    training: tuple[Address, ...] = ()
    copying: tuple[Address, ...] = ()
    deploying: tuple[Address, ...] = ()
    resume: str = "reconciler wait"

    @property
    def going_on(self) -> tuple[Address, ...]:
        """All addresses for which something goes on."""
        return (*self.training, *self.copying, *self.deploying)


class Uploading(Struct, frozen=True):
    """The progress of the upload of a large data set. It proves nothing about the model.

    Attributes:
        shown: which data set, as its manifest names it.
        sent, size: bytes.
    """

    shown: str
    sent: int
    size: int


Event: TypeAlias = Started | Progress | Uploading | Completed | Billed | Failed | Skipped | Detached
