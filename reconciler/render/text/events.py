"""One line for each event, for pipes and logs."""

from __future__ import annotations

from typing import NamedTuple, assert_never

from reconciler.events import (
    Billed,
    Completed,
    Detached,
    Event,
    Failed,
    Progress,
    Skipped,
    Started,
    Uploading,
    Verb,
)
from reconciler.formats import count_noun, format_duration, join_words
from reconciler.render.bill import describe_billed
from reconciler.render.terminal import Paint, escape
from reconciler.render.values import format_loss
from reconciler.render.words import describe_upload


class _Words(NamedTuple):
    """Phrases for an operation that goes on, is done, was skipped, or failed."""

    goes_on: str
    done: str
    skipped: str
    failed: str


def _find_words(verb: Verb) -> _Words:  # noqa: C901, PLR0912  # a row for each verb
    match verb:
        case Verb.CREATE:
            return _Words("training", "trained", "not trained", "create failed")
        case Verb.COPY:
            return _Words("copying", "copied", "not copied", "copy failed")
        case Verb.REPLACE:
            return _Words("replacing", "replaced", "not replaced", "replace failed")
        case Verb.ADOPT:
            return _Words("adopting", "adopted", "not adopted", "adopt failed")
        case Verb.UPDATE:
            return _Words("updating", "updated", "not updated", "update failed")
        case Verb.PERMISSIONS:
            return _Words(
                "setting permissions", "permissions set", "permissions not set", "setting permissions failed"
            )
        case Verb.CHECK:
            return _Words("running its checks", "checked", "not checked", "check failed")
        case Verb.CHECKPOINT:
            return _Words(
                "choosing its checkpoint",
                "checkpoint chosen",
                "no checkpoint chosen",
                "choosing its checkpoint failed",
            )
        case Verb.PROMOTE:
            return _Words("promoting", "promoted", "not promoted", "promote failed")
        case Verb.RESTORE:
            return _Words("restoring", "restored", "not restored", "restore failed")
        case Verb.ROLLBACK:
            return _Words("going back", "went back", "not gone back", "rollback failed")
        case Verb.DELETE:
            return _Words("deleting", "deleted", "not deleted", "delete failed")
        case Verb.FORGET:
            return _Words("forgetting", "forgotten", "not forgotten", "forget failed")
        case Verb.WAIT:
            return _Words("waiting for its training", "trained", "not finished", "wait failed")
        case Verb.MOVE:
            return _Words("moving", "moved", "not moved", "move failed")
        case Verb.CREATE_ENDPOINT:
            return _Words(
                "creating its endpoint", "endpoint created", "endpoint not created", "endpoint failed"
            )
        case Verb.DEPLOY:
            return _Words("deploying", "deployed", "not deployed", "deployment failed")
        case Verb.UNDEPLOY:
            return _Words("undeploying", "undeployed", "not undeployed", "undeploying failed")
        case Verb.DELETE_ENDPOINT:
            return _Words(
                "deleting its endpoint", "endpoint deleted", "endpoint not deleted", "deleting failed"
            )
        case _:
            assert_never(verb)


def render_event(event: Event, *, colour: bool) -> str | None:
    """Render an event as one line. None if there is nothing to say. The caller limits progress lines."""
    if isinstance(event, Detached):
        return describe_detached(event)
    if isinstance(event, Uploading):
        return describe_upload(event)
    paint = Paint(colour)
    id = f" [{escape(event.id)}]" if event.id else ""
    return f"{escape(str(event.address))}: {_render_news(event, id, paint)}"


def _render_news(
    event: Started | Progress | Completed | Billed | Failed | Skipped, id: str, paint: Paint
) -> str:
    match event:
        case Started():
            return f"{describe_stage(event.operation)}{id}"
        case Progress():
            return f"{describe_progress(event)}{id}"
        case Completed():
            what = paint(_find_words(event.operation).done, "green")
            detail = f": {escape(event.detail)}" if event.detail else ""
            return f"{what}{_format_elapsed(event.elapsed)}{id}{detail}"
        case Billed():
            return (
                f"billed{id}: {describe_billed(event.tokens, event.amount, event.currency, event.expected)}"
            )
        case Failed():
            what = paint(describe_failure(event), "red", "bold")
            error = escape(event.error)
            error += "" if error.endswith((".", "!", "?")) else "."
            advice = f" {escape(event.advice)}" if event.advice else ""
            return f"{what}{_format_elapsed(event.elapsed)}{id}: {error}{advice}"
        case Skipped():
            what = paint(_find_words(event.operation).skipped, "yellow")
            return f"{what}{id}: {escape(event.reason)}"
        case _:
            assert_never(event)


def describe_stage(operation: Verb) -> str:
    """Describe an operation that goes on: "running its checks"."""
    return _find_words(operation).goes_on


def describe_failure(event: Failed) -> str:
    """Say what failed, without the reason: "check failed"."""
    is_training = event.training and event.operation is not Verb.COPY
    return "training failed" if is_training else _find_words(event.operation).failed


def describe_progress(event: Progress) -> str:
    """Describe progress: training, 40%, step 15 of 38, epoch 2, mean loss 1.23, 1m20s elapsed, 2m00s left."""
    parts = [describe_stage(event.operation)]
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
    """Say what continues without us, and which command resumes. None if nothing does."""
    if not event.going_on:
        return None
    counted = [
        (event.training, "model keeps training", "models keep training"),
        (event.copying, "copy is still being made", "copies are still being made"),
        (event.deploying, "deployment goes on", "deployments go on"),
    ]
    said = join_words([count_noun(len(found), one, more) for found, one, more in counted if found])
    why = {"interrupt": "Interrupted", "timeout": "The time is up", "no-wait": "Not waiting"}
    first = why.get(event.reason, escape(event.reason))
    return f"{first}: {said} at the service. Resume with: {escape(event.resume)}"


def _format_elapsed(seconds: float) -> str:
    return f" after {format_duration(seconds)}" if round(seconds) else ""
