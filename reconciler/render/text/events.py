"""One line an event, for pipes and logs."""

from __future__ import annotations

from typing import assert_never

from reconciler.events import Completed, Detached, Event, Failed, Progress, Skipped, Started
from reconciler.formats import count_noun, format_duration
from reconciler.render.formats import loss_text
from reconciler.render.terminal import Paint, visible

_BEGINS = {
    "create": "training",
    "adopt": "adopting",
    "update": "updating",
    "permissions": "setting permissions",
    "check": "running its checks",
    "promote": "promoting",
    "restore": "restoring",
    "delete": "deleting",
    "forget": "forgetting",
    "wait": "waiting for its training",
}
_ENDS = {
    "create": "trained",
    "replace": "replaced",
    "adopt": "adopted",
    "update": "updated",
    "permissions": "permissions set",
    "check": "checked",
    "promote": "promoted",
    "restore": "restored",
    "delete": "deleted",
    "forget": "forgotten",
    "wait": "trained",
    "move": "moved",
}

_FAILS = {"permissions": "setting permissions"}
_SKIPS = {"promote": "not promoted"}


def event_line(event: Event, *, colour: bool) -> str | None:
    """The event as one line; None when there is nothing to say. Throttling progress is the caller's."""
    paint = Paint(colour)
    match event:
        case Started():
            return f"{_subject(event)}: {stage(event.operation)}{_id(event.id)}"
        case Progress():
            return f"{_subject(event)}: {progress_text(event)}{_id(event.id)}"
        case Completed():
            what = _ENDS.get(event.operation, f"{visible(event.operation)} done")
            detail = f": {visible(event.detail)}" if event.detail else ""
            return f"{_subject(event)}: {paint(what, 'green')}{_after(event.elapsed)}{_id(event.id)}{detail}"
        case Failed():
            what = paint(failure(event), "red", "bold")
            advice = f" {visible(event.advice)}" if event.advice else ""
            error = _sentence(visible(event.error))
            return f"{_subject(event)}: {what}{_after(event.elapsed)}{_id(event.id)}: {error}{advice}"
        case Skipped():
            what = paint(_SKIPS.get(event.operation, f"{visible(event.operation)} not done"), "yellow")
            return f"{_subject(event)}: {what}{_id(event.id)}: {visible(event.reason)}"
        case Detached():
            return detached_text(event)
        case _:
            assert_never(event)


def stage(operation: str) -> str:
    """What goes on: "running its checks"."""
    return _BEGINS.get(operation, visible(operation))


def failure(event: Failed) -> str:
    """What failed, without the reason: "check failed"."""
    if event.training:
        return "training failed"
    return f"{_FAILS.get(event.operation, visible(event.operation))} failed"


def progress_text(event: Progress) -> str:
    """As in: training, 40%, step 15 of 38, epoch 2, mean loss 1.23, 1m20s elapsed, about 2m00s left."""
    parts = ["training"]
    if event.percent is not None:
        parts.append(f"{event.percent:.0f}%")
    if event.step is not None:
        parts.append(f"step {event.step:,}" + (f" of {event.total_steps:,}" if event.total_steps else ""))
    if event.epoch is not None:
        parts.append(f"epoch {event.epoch:,}")
    if event.mean_loss is not None:
        parts.append(f"mean loss {loss_text(event.mean_loss)}")
    parts.append(f"{format_duration(event.elapsed)} elapsed")
    if event.remaining is not None:
        parts.append(f"about {format_duration(event.remaining)} left")
    return ", ".join(parts)


def detached_text(event: Detached) -> str | None:
    """What goes on without us, and how to come back to it."""
    if not event.training:
        return None
    models = count_noun(len(event.training), "model goes", "models go")
    why = {"interrupt": "Interrupted", "timeout": "The time is up", "no-wait": "Not waiting"}
    first = why.get(event.reason, visible(event.reason))
    return f"{first}: {models} on training at the service. Resume with: {visible(event.resume)}"


def _subject(event: Started | Progress | Completed | Failed | Skipped) -> str:
    return visible(str(event.address))


def _id(id: str) -> str:
    return f" [{visible(id)}]" if id else ""


def _after(seconds: float) -> str:
    return f" after {format_duration(seconds)}" if round(seconds) else ""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
