"""Chooses when to look at a training again, and measures its progress.

Rule: look often at the start of a training, because it may be short, and when its end is near. Its end is
noticed within seconds in any case. Looking at many trainings takes at most two requests a second on average.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from reconciler.events import Progress
from reconciler.formats import parse_time
from reconciler.model.names import Address
from reconciler.providers import Training
from reconciler.state.values import Record, RecordedModel

MANY = 8
"""More trainings of a kind than this are looked at with one list, which is then the cheaper way."""

SHORTEST, LONGEST = 0.5, 30.0
"""The limits of the seconds between two polls of anything that a service does."""

SOONEST = 0.1
"""The fewest seconds between two looks at many trainings with one list."""

_SHARE, _SHARE_OF_MANY = 0.1, 0.05
"""The pause after a look, as a share of the time that a training has taken. A list shows many trainings."""

NOTICED = 4.0
"""The most seconds between two looks at a training. A look may take a second, so 5 are promised."""

MOST_PROGRESS = 10.0
"""The most seconds for which a long run asks for no progress of many trainings: a list of that is long."""

MOST_REMAINING = 30 * 86_400.0
"""The longest estimate that is shown, in seconds. No training takes a month."""


_RATE, _BURST = 2.0, 60
"""The requests a second that looking at many trainings may take on average, and how many come first."""


class Budget(Struct):
    """Counts the requests that looks at many trainings take, and says when there is room for the next look.

    Attributes:
        began: the clock time at which the first look began.
        spent: the requests since then.
    """

    began: float
    spent: int = 0

    @property
    def next_look(self) -> float:
        """The clock time from which another look keeps to the rate."""
        return self.began + max(0, self.spent - _BURST) / _RATE


class Rhythm(Struct, frozen=True):
    """How often to look at a training.

    Attributes:
        shortest, longest: the limits of the seconds between two looks. The shortest comes first.
        share: between them, the pause as a share of the time that the training has taken.
    """

    shortest: float = SHORTEST
    longest: float = LONGEST
    share: float = _SHARE

    @classmethod
    def of_many(cls, shortest: float) -> Rhythm:
        """Return the rhythm of looks at many trainings with one list."""
        return cls(shortest, NOTICED, _SHARE_OF_MANY)


def choose_interval(elapsed: float, remaining: float | None, rhythm: Rhythm = Rhythm()) -> float:  # noqa: B008
    """Choose the seconds until the next poll.

    `elapsed` counts from the start of the training. `remaining` counts to its predicted end; None if unknown.
    """
    pause = elapsed * rhythm.share
    if remaining is not None:
        pause = min(pause, remaining / 2 if remaining > LONGEST / 10 else SHORTEST)
    return max(min(pause, rhythm.longest), rhythm.shortest)


def choose_progress_pause(watched: float, intervals: Iterable[float], cost: float) -> float:
    """Choose the seconds until many trainings are asked for their progress again.

    Args:
        watched: the seconds since the first look at them.
        intervals: those that each of them would be polled after.
        cost: the fewest seconds, because the answer took long.
    """
    floor = max(SHORTEST, min(watched / 20, MOST_PROGRESS))
    return max(min(intervals, default=LONGEST), floor, cost)


def measure_progress(address: Address, model: RecordedModel, training: Training, now: datetime) -> Progress:
    """Measure the progress of a training since the service started it, or else since we did."""
    began = parse_time(model.create_time) or parse_time(model.started) or now
    elapsed = max(0.0, (now - began).total_seconds())
    percent = training.percent
    last = training.snapshots[-1] if training.snapshots else None
    total = training.total_steps or model.total_steps
    step = training.step if training.step is not None else (last.step if last else None)
    if percent is None and step is not None and total:
        percent = min(100.0, 100.0 * step / total)
    remaining = elapsed * (100.0 - percent) / percent if percent else None
    if remaining is not None and remaining > MOST_REMAINING:  # the percentage is hardly more than 0
        remaining = None
    return Progress(
        address,
        model.id,
        percent=percent,
        step=step,
        total_steps=total,
        epoch=last.epoch if last else None,
        mean_loss=last.mean_loss if last else None,
        elapsed=elapsed,
        remaining=remaining,
    )


def measure_drain(record: Record, seconds: float, now: datetime) -> float:
    """Measure the seconds until a replaced model may be undeployed: since the endpoint got another one."""
    since = parse_time(record.endpoint.since) if record.endpoint is not None else None
    return 0.0 if since is None else seconds - (now - since).total_seconds()


def measure_duration(model: RecordedModel) -> float:
    """Measure a training in seconds, by the service's times if it gave any; 0.0 if unknown."""
    began = parse_time(model.create_time) or parse_time(model.started)
    ended = parse_time(model.completed)
    return max(0.0, (ended - began).total_seconds()) if began and ended else 0.0
