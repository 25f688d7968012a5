"""When to look at a training again, and what its progress looks like.

Polling adapts: seldom while a training is young and long, often when its end is near.
"""

from __future__ import annotations

from datetime import datetime

from reconciler.events import Progress
from reconciler.formats import parse_time
from reconciler.model import Address
from reconciler.providers import Training
from reconciler.state.values import RecordedModel

MANY = 8
"""From so many trainings of a kind on, one list is cheaper than a look at each."""

SHORTEST, LONGEST = 0.5, 30.0
"""Seconds between two polls."""

MOST_REMAINING = 30 * 86_400.0
"""Seconds: no training takes a month, so what promises a longer one is no estimate."""


def choose_interval(elapsed: float, remaining: float | None) -> float:
    """Seconds until the next poll.

    Args:
        elapsed: since the training began.
        remaining: until its predicted end, None when nothing is predicted.
    """
    pause = elapsed / 10
    if remaining is not None:
        pause = min(pause, remaining / 2) if remaining > LONGEST / 10 else SHORTEST
    return min(max(pause, SHORTEST), LONGEST)


def measure_progress(address: Address, model: RecordedModel, training: Training, now: datetime) -> Progress:
    """One line of progress; elapsed counts from when the service (else we) started it."""
    began = parse_time(model.create_time) or parse_time(model.started) or now
    elapsed = max(0.0, (now - began).total_seconds())
    percent = training.percent
    last = training.snapshots[-1] if training.snapshots else None
    total = training.total_steps or model.total_steps
    step = training.step if training.step is not None else (last.step if last else None)
    if percent is None and step is not None and total:
        percent = min(100.0, 100.0 * step / total)
    remaining = elapsed * (100.0 - percent) / percent if percent else None
    if remaining is not None and remaining > MOST_REMAINING:  # a percentage that hardly differs from 0
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


def measure_duration(model: RecordedModel) -> float:
    """Seconds that a training took, by the service's own times where it told them; 0.0 where unknown."""
    began = parse_time(model.create_time) or parse_time(model.started)
    ended = parse_time(model.completed)
    return max(0.0, (ended - began).total_seconds()) if began and ended else 0.0
