"""Chooses when to look at a training again, and measures its progress.

Rule: look seldom at the start of a long training, and often when its end is near.
"""

from __future__ import annotations

from datetime import datetime

from reconciler.events import Progress
from reconciler.formats import parse_time
from reconciler.model import Address
from reconciler.providers import Training
from reconciler.state.values import Record, RecordedModel

MANY = 8
"""More trainings of a kind than this are looked at with one list, which is then the cheaper way."""

SHORTEST, LONGEST = 0.5, 30.0
"""The limits of the seconds between two polls."""

MOST_REMAINING = 30 * 86_400.0
"""The longest estimate that is shown, in seconds. No training takes a month."""


def choose_interval(elapsed: float, remaining: float | None) -> float:
    """Choose the seconds until the next poll.

    `elapsed` counts from the start of the training. `remaining` counts to its predicted end; None if unknown.
    """
    pause = elapsed / 10
    if remaining is not None:
        pause = min(pause, remaining / 2) if remaining > LONGEST / 10 else SHORTEST
    return min(max(pause, SHORTEST), LONGEST)


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
