"""Reads the JSON of long-running operations: the answer to a create, the state of a training, why it failed.

Only an operation tells why a training failed. proto3 leaves out zero values, so an absent number in the
metadata is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.errors import ServiceError
from reconciler.model.live import Live, Status
from reconciler.providers import Accepted, Training
from reconciler.providers.gemini.codec import read_model, read_snapshots
from reconciler.providers.google.json import (
    JsonObject,
    pick_object,
    read_count,
    read_percent,
    read_text,
    read_time,
)
from reconciler.redaction import hide_quotes

NO_REASON = "the training failed and the service gave no reason"
_CANCELLED = 1
"""google.rpc.Code: how an operation ends that was cancelled."""


def read_accepted(operation: JsonObject, name: str) -> Accepted | None:
    """Read a create's reply. None if it is not an operation of that model, so that it says nothing."""
    operation_name = read_text(operation, "name")
    metadata = pick_object(operation, "metadata")
    made = read_text(metadata, "tunedModel")
    if made and made != name:
        raise ServiceError(
            f"The service was asked to create {name} and answers that it creates {made[:120]}",
            "The training runs, and is billed, under that name: adopt it with `reconciler import`, or delete "
            f"{made[:120]}. Check that the endpoint is the Gemini API.",
        )
    if not operation_name.startswith(f"{name}/operations/"):
        return Accepted(name, "", _read_total_steps(metadata)) if made and operation_name else None
    time = read_time(pick_object(operation, "response"), "createTime")
    return Accepted(name, operation_name, _read_total_steps(metadata), time)


def _read_total_steps(metadata: JsonObject) -> int | None:
    return read_count(metadata, "totalSteps") or None


def find_create(found: Sequence[JsonObject], name: str) -> JsonObject | None:
    """Find the operation that made the model among the model's operations."""
    mine = [operation for operation in found if is_of(operation, name)]
    return next(
        (operation for operation in mine if read_text(pick_object(operation, "metadata"), "tunedModel")),
        next(iter(mine), None),
    )


def is_of(operation: JsonObject, name: str) -> bool:
    """Return whether an operation is about that model, or names no model."""
    made = read_text(pick_object(operation, "metadata"), "tunedModel") or name
    return made == name and read_text(operation, "name").startswith(f"{name}/operations/")


def read_training(operation: JsonObject, name: str) -> Training | None:
    """Read the state of a training from its operation.

    None if it is about another model, or is done but does not say how it ended. Then ask the model itself.
    """
    if not is_of(operation, name):
        return None
    metadata = pick_object(operation, "metadata")
    error = operation.get("error")
    response = operation.get("response")
    percent, step = read_percent(metadata, "completedPercent"), read_count(metadata, "completedSteps")
    curve, total = read_snapshots(metadata), _read_total_steps(metadata)
    if error:
        return Training(Status.FAILED, percent, step, total, curve, read_error(error))
    # Some of Google's samples check `done`, others `response`. Either one ends the operation.
    if response is None and not operation.get("done"):
        return Training(Status.CREATING, percent, step, total, curve)
    if not isinstance(response, dict) or response.get("name") != name:
        return None
    made = read_model({"state": "ACTIVE", **response}, curve=True, asked=name)
    if made.status is Status.CREATING:
        return None
    reason = NO_REASON if made.status is Status.FAILED else ""
    return Training(made.status, percent, step, total, curve or made.snapshots, reason, made)


def describe_training(found: Live) -> Training:
    """Return the state of a training as the model shows it: without percentage and reason of failure."""
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


def read_error(error: object) -> str:
    """Read a google.rpc.Status as one line."""
    document = error if isinstance(error, dict) else {}
    message, code = hide_quotes(read_text(document, "message")), document.get("code")
    if code == _CANCELLED:
        return f"the training was cancelled: {message}" if message else "the training was cancelled"
    return message or (f"{NO_REASON} (code {code})" if code and isinstance(code, int) else NO_REASON)
