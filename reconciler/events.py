"""What happened during an apply or a wait, as values: renderers read these and nothing else.

Rule: an event is yielded only after the state that proves it has been committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from reconciler.model import Address


@dataclass(frozen=True, slots=True)
class Started:
    """A call was accepted and goes on at the service (a training), or is about to be made.

    `operation` is one of create, adopt, update, permissions, check, promote, delete, wait.
    """

    address: Address
    operation: str
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
    operation: str = "create"


@dataclass(frozen=True, slots=True)
class Completed:
    """An operation ended well, and is recorded."""

    address: Address
    operation: str
    id: str = ""
    elapsed: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """An operation ended badly; what happened is recorded and the next run goes on from there.

    `advice` says what to do now. `began` is False when nothing at the service was begun or changed.
    """

    address: Address
    operation: str
    error: str
    advice: str = ""
    id: str = ""
    elapsed: float = 0.0
    began: bool = True


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not done, with the reason; not a failure by itself. `unfinished` makes the run exit 3."""

    address: Address
    operation: str
    reason: str
    id: str = ""
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Detached:
    """We stopped waiting; the trainings go on. `reason` is "interrupt", "timeout" or "no-wait"."""

    reason: str
    training: tuple[Address, ...] = ()


Event: TypeAlias = Started | Progress | Completed | Failed | Skipped | Detached
