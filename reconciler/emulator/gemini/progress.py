"""Computes the progress of a training at a given time.

Nothing runs in the background: progress is a pure function of the start, the duration and the time. A
training stops with a frozen clock, and continues when the clock moves. Losses follow from the model's id, so
they are the same every time.

Times are microseconds since 1970.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Any, Literal

from reconciler.emulator.clock import format_nanoseconds
from reconciler.emulator.json_text import round_to_float32

State = Literal["CREATING", "ACTIVE", "FAILED"]

_MOST_SNAPSHOTS = 500
_START_DELAY = 400_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """The values that decide the course of a training. A failure has a code, a message and a time."""

    model: str
    created: int
    duration: int
    examples: int
    epochs: int
    batch: int
    failure: Mapping[str, Any] | None = None

    @property
    def total_steps(self) -> int:
        """The number of batches in all epochs."""
        return math.ceil(self.examples * self.epochs / self.batch)

    @property
    def started(self) -> int:
        """The time at which the first step begins: a little after the creation."""
        return self.created + min(_START_DELAY, self.duration // 10)

    @property
    def ended(self) -> int:
        """The time at which the training ends or fails."""
        return int(self.failure["time"]) if self.failure else self.created + self.duration


def find_state(training: Training, now: int) -> State:
    """Return the model's state at *now*."""
    if now < training.ended:
        return "CREATING"
    return "FAILED" if training.failure else "ACTIVE"


def count_completed_steps(training: Training, now: int) -> int:
    """Return how many steps are done at *now*."""
    reached = min(now, training.ended)
    span = training.created + training.duration - training.started
    if reached >= training.started + span:
        return training.total_steps
    return max(0, training.total_steps * (reached - training.started) // span)


def list_snapshots(training: Training, now: int) -> list[dict[str, Any]]:
    """Return a TuningSnapshot for each step that is done, or for some of them if there are too many."""
    done, total = count_completed_steps(training, now), training.total_steps
    stride = math.ceil(total / _MOST_SNAPSHOTS)
    steps = range(1, done + 1, stride)
    taken = [_make_snapshot(training, step) for step in steps]
    if done == total and steps and steps[-1] != total:
        taken.append(_make_snapshot(training, total))
    return taken


def _make_snapshot(training: Training, step: int) -> dict[str, Any]:
    total = training.total_steps
    span = training.created + training.duration - training.started
    noise = hashlib.blake2b(f"{training.model}/{step}".encode(), digest_size=8).digest()
    wobble = int.from_bytes(noise[:4]) / 2**32 - 0.5
    first = 6 + 8 * hashlib.blake2b(training.model.encode(), digest_size=1).digest()[0] / 256
    loss = 0.9 + first * math.exp(-4 * step / total) * (1 + 0.06 * wobble)
    nanoseconds = training.started * 1000 + span * 1000 * step // total
    epoch = min(training.epochs, (step - 1) * training.batch // training.examples + 1)
    return {
        "step": step,
        "epoch": epoch,
        "meanLoss": round_to_float32(loss),
        "computeTime": format_nanoseconds(max(0, nanoseconds - 1 - int.from_bytes(noise[4:6]) % 999)),
    }
