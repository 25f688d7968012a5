"""Long-running operations' JSON: what a create answered, how a training goes, why it failed.

A failure's reason is here and nowhere else. proto3 leaves zero values out, so an absent number inside the
metadata is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.errors import ServiceError
from reconciler.model import Live, Status
from reconciler.providers import Accepted, Training
from reconciler.providers.answers import (
    JsonObject,
    as_float,
    as_integer,
    objects_of,
    text_of,
    wrong,
)
from reconciler.providers.gemini.codec import live, snapshot
from reconciler.transport import unquoted

NO_REASON = "the training failed and the service gave no reason"
_CANCELLED = 1
"""google.rpc.Code: how an operation ends that was cancelled."""


def accepted(operation: JsonObject, name: str) -> Accepted | None:
    """What a create's reply says; None when it is no operation, so that nothing is known."""
    operation_name = text_of(operation, "name")
    metadata, response = _metadata(operation), operation.get("response") or {}
    if not (operation_name and isinstance(response, dict)):
        return None
    made = text_of(metadata, "tunedModel") or name
    if made != name:
        raise ServiceError(
            f"The service was asked to create {name} and answers that it creates {made}",
            f"It trains, and costs, under that name: adopt it with `reconciler import`, or delete {made}. "
            "Check that the endpoint is the Gemini API.",
        )
    return Accepted(name, operation_name, _total_steps(metadata), text_of(response, "createTime"))


def _total_steps(metadata: JsonObject) -> int | None:
    try:
        return as_integer(metadata.get("totalSteps")) or None
    except TypeError:  # only a figure for people: not worth losing a training over
        return None


def of_create(found: Sequence[JsonObject]) -> JsonObject | None:
    """Among a model's operations the one that made it."""
    named = [one for one in found if text_of(one, "name")]
    return next((one for one in named if "tunedModel" in _metadata(one)), next(iter(named), None))


def _metadata(operation: JsonObject) -> JsonObject:
    """What it tells of its progress; {} where that is no object: figures for people, and no more."""
    metadata = operation.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def training_of(operation: JsonObject, name: str) -> Training | None:
    """How a training goes, from its operation.

    None when it is done and does not say how: then the model itself must be asked.
    """
    metadata = _metadata(operation)
    error = operation.get("error")
    response = operation.get("response")
    try:
        percent = as_float(metadata.get("completedPercent", 0.0))
        step = as_integer(metadata.get("completedSteps", 0))
    except TypeError as unread:
        raise wrong(name, "metadata", metadata, f"progress ({unread} is missing)") from unread
    curve = tuple(snapshot(point, name) for point in objects_of(metadata, "snapshots", name))
    total = _total_steps(metadata)
    if error:
        return Training(Status.FAILED, percent, step, total, curve, operation_error(error))
    # Some loops of Google's samples look at `done`, others at `response`: either ends it.
    if response is None and not operation.get("done"):
        return Training(Status.CREATING, percent, step, total, curve)
    made = (
        live({"state": "ACTIVE", "name": name, **response}, curve=True)
        if isinstance(response, dict)
        else None
    )
    if made is None or made.status is Status.CREATING:
        return None
    reason = NO_REASON if made.status is Status.FAILED else ""
    return Training(made.status, percent, step, total, curve or made.snapshots, reason, made)


def training_of_model(found: Live) -> Training:
    """How a training goes, from the model alone: no percentage, and no reason of a failure."""
    last = found.snapshots[-1].step if found.snapshots else None
    return Training(
        found.status,
        100.0 if found.status is Status.ACTIVE else None,
        last,
        None,
        found.snapshots,
        (found.error or NO_REASON) if found.status is Status.FAILED else "",
        found,
    )


def operation_error(error: object) -> str:
    """google.rpc.Status in one line."""
    document = error if isinstance(error, dict) else {}
    message, code = unquoted(text_of(document, "message")), document.get("code")
    if code == _CANCELLED:
        return f"the training was cancelled: {message}" if message else "the training was cancelled"
    return message or (f"{NO_REASON} (code {code})" if code else NO_REASON)
