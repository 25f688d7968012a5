"""One line an event, for pipes and logs."""

from __future__ import annotations

from typing import assert_never

from reconciler.events import Completed, Detached, Event, Failed, Progress, Skipped, Started, Uploading
from reconciler.formats import count_noun, format_duration
from reconciler.render.terminal import Paint, escape
from reconciler.render.values import format_loss
from reconciler.render.words import describe_upload

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


def render_event(event: Event, *, colour: bool) -> str | None:
    """The event as one line; None when there is nothing to say. Throttling progress is the caller's."""
    if isinstance(event, Detached):
        return describe_detached(event)
    if isinstance(event, Uploading):
        return describe_upload(event)
    paint = Paint(colour)
    id = f" [{escape(event.id)}]" if event.id else ""
    return f"{escape(str(event.address))}: {_render_news(event, id, paint)}"


def _render_news(event: Started | Progress | Completed | Failed | Skipped, id: str, paint: Paint) -> str:
    match event:
        case Started():
            return f"{describe_stage(event.operation)}{id}"
        case Progress():
            return f"{describe_progress(event)}{id}"
        case Completed():
            what = _ENDS.get(event.operation, f"{escape(event.operation)} done")
            detail = f": {escape(event.detail)}" if event.detail else ""
            return f"{paint(what, 'green')}{_format_elapsed(event.elapsed)}{id}{detail}"
        case Failed():
            what = paint(describe_failure(event), "red", "bold")
            error = escape(event.error)
            error += "" if error.endswith((".", "!", "?")) else "."
            advice = f" {escape(event.advice)}" if event.advice else ""
            return f"{what}{_format_elapsed(event.elapsed)}{id}: {error}{advice}"
        case Skipped():
            what = paint(_SKIPS.get(event.operation, f"{escape(event.operation)} not done"), "yellow")
            return f"{what}{id}: {escape(event.reason)}"
        case _:
            assert_never(event)


def describe_stage(operation: str) -> str:
    """What goes on: "running its checks"."""
    return _BEGINS.get(operation, escape(operation))


def describe_failure(event: Failed) -> str:
    """What failed, without the reason: "check failed"."""
    if event.training:
        return "training failed"
    return f"{_FAILS.get(event.operation, escape(event.operation))} failed"


def describe_progress(event: Progress) -> str:
    """As in: training, 40%, step 15 of 38, epoch 2, mean loss 1.23, 1m20s elapsed, about 2m00s left."""
    parts = ["training"]
    if event.percent is not None:
        parts.append(f"{event.percent:.0f}%")
    if event.step is not None:
        parts.append(f"step {event.step:,}" + (f" of {event.total_steps:,}" if event.total_steps else ""))
    if event.epoch is not None:
        parts.append(f"epoch {event.epoch:,}")
    if event.mean_loss is not None:
        parts.append(f"mean loss {format_loss(event.mean_loss)}")
    parts.append(f"{format_duration(event.elapsed)} elapsed")
    if event.remaining is not None:
        parts.append(f"about {format_duration(event.remaining)} left")
    return ", ".join(parts)


def describe_detached(event: Detached) -> str | None:
    """What goes on without us, and how to come back to it."""
    if not event.training:
        return None
    models = count_noun(len(event.training), "model goes", "models go")
    why = {"interrupt": "Interrupted", "timeout": "The time is up", "no-wait": "Not waiting"}
    first = why.get(event.reason, escape(event.reason))
    return f"{first}: {models} on training at the service. Resume with: {escape(event.resume)}"


def _format_elapsed(seconds: float) -> str:
    return f" after {format_duration(seconds)}" if round(seconds) else ""
