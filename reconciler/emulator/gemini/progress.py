"""What a training looks like at a moment.

Nothing here runs: progress is a pure function of when the training began, how long it takes and
what time it is. Stop the clock and it stands still; advance the clock and it has happened.
Losses follow from the model's id, so the same history is told every time.

Times are integers, microseconds since 1970; nanoseconds where the service prints nine digits.
"""

import dataclasses
import datetime as dt
import hashlib
import math
from typing import Any, Literal

from reconciler.emulator.json_text import float32

State = Literal["CREATING", "ACTIVE", "FAILED"]

SECOND = 1_000_000
_MOST_SNAPSHOTS = 500
_START_DELAY = 400_000
_CANCELLED = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """How a training ends when it does not succeed: google.rpc.Status, and when."""

    code: int
    message: str
    time: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """All that decides a training's course."""

    model: str
    created: int
    duration: int
    examples: int
    epochs: int
    batch: int
    failure: Failure | None = None

    @property
    def total_steps(self) -> int:
        """How many batches there are in all epochs."""
        return math.ceil(self.examples * self.epochs / self.batch)

    @property
    def started(self) -> int:
        """When the first step began: a little after the creation."""
        return self.created + min(_START_DELAY, self.duration // 10)

    @property
    def ended(self) -> int:
        """When the training stops, for better or worse."""
        return self.failure.time if self.failure else self.created + self.duration


def state(training: Training, now: int) -> State:
    """Return the model's state at *now*."""
    if now < training.ended:
        return "CREATING"
    return "FAILED" if training.failure else "ACTIVE"


def cancelled(now: int) -> Failure:
    """Return the end of a training that its owner cancels at *now*."""
    return Failure(code=_CANCELLED, message="The operation was cancelled.", time=now)


def completed_steps(training: Training, now: int) -> int:
    """Return how many steps are behind at *now*."""
    reached = min(now, training.ended)
    span = training.created + training.duration - training.started
    if reached >= training.started + span:
        return training.total_steps
    return max(0, training.total_steps * (reached - training.started) // span)


def snapshots(training: Training, now: int) -> list[dict[str, Any]]:
    """Return a TuningSnapshot for each step done, or for some of them when there are too many."""
    done, total = completed_steps(training, now), training.total_steps
    stride = math.ceil(total / _MOST_SNAPSHOTS)
    steps = range(1, done + 1, stride)
    taken = [_snapshot(training, step) for step in steps]
    if done == total and steps and steps[-1] != total:
        taken.append(_snapshot(training, total))
    return taken


def _snapshot(training: Training, step: int) -> dict[str, Any]:
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
        "meanLoss": float32(loss),
        "computeTime": nine_digits(max(0, nanoseconds - 1 - int.from_bytes(noise[4:6]) % 999)),
    }


def six_digits(time: int) -> str:
    """Return microseconds as RFC 3339 with six fractional digits."""
    return f"{_second(time // SECOND)}.{time % SECOND:06d}Z"


def nine_digits(nanoseconds: int) -> str:
    """Return nanoseconds as RFC 3339 with nine fractional digits."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{_second(seconds)}.{rest:09d}Z"


def _second(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
