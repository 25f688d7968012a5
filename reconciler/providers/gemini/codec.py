"""JSON of the Gemini API ↔ model values; the only place that knows the API's key names.

Rules: unknown fields are ignored, a wrong type is an error that names the model. proto3 leaves zero values
out, so an absent number inside an operation's metadata is 0. Walks plain dictionaries, because a list of
10,000 models is read on every plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from reconciler.errors import ServiceError
from reconciler.identity import float32
from reconciler.model import (
    Attributes,
    Example,
    Field,
    FieldType,
    Live,
    OnChange,
    Permission,
    Snapshot,
    Status,
    Value,
)
from reconciler.providers import Accepted, Training
from reconciler.providers.gemini.fields import BASE_MODEL, PARENT, TUNED_MODEL

JsonObject: TypeAlias = dict[str, Any]

COLLECTION = "tunedModels"
NO_REASON = "the training failed and the service gave no reason"
_CANCELLED = 1
"""google.rpc.Code: how an operation ends that was cancelled."""

# Names, or numbers where a client asks for those. What is neither finished nor failed is CREATING: nothing
# is promoted, deleted or trained again on a state that we do not know.
_STATES: Mapping[object, Status] = {
    "ACTIVE": Status.ACTIVE,
    2: Status.ACTIVE,
    "FAILED": Status.FAILED,
    3: Status.FAILED,
}
_GRANTEES = {1: "USER", 2: "GROUP", 3: "EVERYONE"}
_ROLES = {1: "OWNER", 2: "WRITER", 3: "READER"}


def camel(path: str) -> str:
    """snake_case, dotted or not, to lowerCamelCase."""
    return re.sub(r"_([a-z0-9])", lambda found: found.group(1).upper(), path)


# ------------------------------------------------------------------ reading


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("text")


def _integer(value: object) -> int:
    # int64 are strings in JSON; an integral 5.0 is what JavaScript makes of 5.
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        return int(value)
    raise TypeError("an integer")


def _float(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if value in {"NaN", "Infinity", "-Infinity"}:
        return float(str(value))
    raise TypeError("a number")


def _integers(value: object) -> tuple[int, ...]:
    if isinstance(value, list):
        return tuple(_integer(one) for one in value)
    raise TypeError("a list of integers")


_READERS: Mapping[FieldType, Callable[[object], Value]] = {
    FieldType.STRING: _string,
    FieldType.INTEGER: _integer,
    FieldType.FLOAT32: _float,
    FieldType.INTEGERS: _integers,
}
_ROWS = tuple(
    (field.path, tuple(camel(field.path).split(".")), _READERS[field.type])
    for field in TUNED_MODEL.fields.values()
)


def _wrong(where: str, what: str, value: object, expected: str) -> ServiceError:
    return ServiceError(
        f"{where}: the service answered {what} = {str(value)[:40]!r}, which is not {expected}",
        "Check that the endpoint is the Gemini API; if it is, this version does not understand its answer.",
    )


def _object(value: object, where: str, what: str) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(where, what, value, "an object")
    return value


def _text(document: JsonObject, key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def objects(document: JsonObject, key: str, where: str) -> Sequence[JsonObject]:
    """The list of objects under a key; empty when absent."""
    value = document.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _wrong(where, key, value, "a list of objects")
    return value


def next_page(document: JsonObject, where: str) -> str:
    """The token of the next page, "" after the last."""
    token = document.get("nextPageToken", "")
    if not isinstance(token, str):
        raise _wrong(where, "nextPageToken", token, "text")
    return token


def live(document: JsonObject, *, curve: bool) -> Live:
    """A TunedModel as the API shows it.

    Args:
        document: the TunedModel.
        curve: whether to read every snapshot; False keeps the last one only, because there are hundreds
            per model and a list has thousands of models.
    """
    name = document.get("name")
    if not isinstance(name, str) or not name.startswith(f"{COLLECTION}/"):
        raise _wrong(COLLECTION, "name", name, f"a name like {COLLECTION}/x")
    attributes: dict[str, Value] = {}
    for path, keys, read in _ROWS:
        value: Any = document
        for key in keys:
            if not isinstance(value, dict):
                raise _wrong(name, path, value, "an object")
            value = value.get(key)
            if value is None:
                break
        if value is not None:
            try:
                attributes[path] = read(value)
            except TypeError as error:
                raise _wrong(name, path, value, str(error)) from error
    if PARENT in attributes:  # its base model is output only: the parent's
        attributes.pop(BASE_MODEL, None)
    task = _object(document.get("tuningTask"), name, "tuningTask")
    points = objects(task, "snapshots", name)
    return Live(
        id=name.removeprefix(f"{COLLECTION}/"),
        name=name,
        status=_STATES.get(document.get("state"), Status.CREATING),
        attributes=attributes,
        create_time=_text(document, "createTime"),
        update_time=_text(document, "updateTime"),
        complete_time=_text(task, "completeTime"),
        snapshots=tuple(snapshot(point, name) for point in (points if curve else points[-1:])),
    )


def snapshot(document: JsonObject, where: str) -> Snapshot:
    """One TuningSnapshot."""
    try:
        return Snapshot(
            step=_integer(document.get("step", 0)),
            epoch=_integer(document.get("epoch", 0)),
            mean_loss=_float(document.get("meanLoss", 0.0)),
            compute_time=_text(document, "computeTime"),
        )
    except TypeError as error:
        raise _wrong(where, "a snapshot", document, f"made of numbers ({error} is missing)") from error


def accepted(operation: JsonObject, name: str) -> Accepted | None:
    """What a create's reply says; None when it is no operation, so that nothing is known."""
    operation_name = operation.get("name")
    if not isinstance(operation_name, str) or not operation_name:
        return None
    metadata = _object(operation.get("metadata"), name, "metadata")
    made = _text(metadata, "tunedModel") or name
    if made != name:
        raise ServiceError(
            f"The service was asked to create {name} and answers that it creates {made}",
            f"It trains, and costs, under that name: adopt it with `reconciler import`, or delete {made}. "
            "Check that the endpoint is the Gemini API.",
        )
    response = _object(operation.get("response"), name, "response")
    return Accepted(name, operation_name, _total_steps(metadata, name), _text(response, "createTime"))


def _total_steps(metadata: JsonObject, where: str) -> int | None:
    try:
        return _integer(metadata["totalSteps"]) or None if "totalSteps" in metadata else None
    except TypeError as error:
        raise _wrong(where, "totalSteps", metadata["totalSteps"], str(error)) from error


def operation_of_create(operations: Sequence[JsonObject]) -> JsonObject | None:
    """Among a model's operations the one that made it."""
    named = [one for one in operations if _text(one, "name")]
    return next(
        (one for one in named if "tunedModel" in (one.get("metadata") or {})), next(iter(named), None)
    )


def training(operation: JsonObject, name: str) -> Training | None:
    """How a training goes, from its operation.

    None when it is done and does not say how: then the model itself must be asked.
    """
    metadata = _object(operation.get("metadata"), name, "metadata")
    error = operation.get("error")
    response = operation.get("response")
    try:
        percent = _float(metadata.get("completedPercent", 0.0))
        step = _integer(metadata.get("completedSteps", 0))
    except TypeError as wrong:
        raise _wrong(name, "metadata", metadata, f"progress ({wrong} is missing)") from wrong
    curve = tuple(snapshot(point, name) for point in objects(metadata, "snapshots", name))
    total = _total_steps(metadata, name)
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
    message, code = _text(document, "message"), document.get("code")
    if code == _CANCELLED:
        return f"the training was cancelled: {message}" if message else "the training was cancelled"
    return message or (f"{NO_REASON} (code {code})" if code else NO_REASON)


def permission(document: JsonObject, where: str) -> Permission:
    """One Permission; enums as names or numbers."""
    grantee, role = document.get("granteeType"), document.get("role")
    grantee = _GRANTEES.get(grantee, "") if isinstance(grantee, int) else grantee
    role = _ROLES.get(role, "") if isinstance(role, int) else role
    if not (isinstance(grantee, str) and grantee and isinstance(role, str) and role):
        raise _wrong(where, "a permission", document, "one with granteeType and role")
    return Permission(grantee, _text(document, "emailAddress"), role)


def reply_text(document: JsonObject, name: str) -> str:
    """The text of a generateContent's first candidate; ServiceError that says why there is none."""
    candidates = objects(document, "candidates", name)
    first = candidates[0] if candidates else {}
    content = _object(first.get("content"), name, "content")
    parts = [part for part in objects(content, "parts", name) if not part.get("thought")]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    if texts:
        return "".join(texts)
    feedback = _object(document.get("promptFeedback"), name, "promptFeedback")
    blocked, finished = _text(feedback, "blockReason"), _text(first, "finishReason")
    why = f"the prompt was blocked ({blocked})" if blocked else f"it finished with {finished or 'no reason'}"
    raise ServiceError(
        f"{name} answered without text: {why}", "Change the prompt.", reason=blocked or finished
    )


# ------------------------------------------------------------------ writing


def _json(field: Field, value: Value) -> object:
    if field.type is FieldType.INTEGERS:  # int64: strings in proto3's JSON
        numbers = value if isinstance(value, tuple) else (value,)
        return [str(number) for number in numbers]
    return list(value) if isinstance(value, tuple) else value


def create_body(attributes: Attributes, source: str, examples: Sequence[Example]) -> JsonObject:
    """The TunedModel to POST. `source` decides between baseModel and tunedModelSource."""
    body: JsonObject = {}
    for path, value in attributes.items():
        field = TUNED_MODEL.fields[path]
        if field.role == "source":
            continue
        *parents, last = camel(path).split(".")
        place = body
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = _json(field, value)
    if source.startswith(f"{COLLECTION}/"):
        body["tunedModelSource"] = {"tunedModel": source}
    else:
        body["baseModel"] = source
    body.setdefault("tuningTask", {})["trainingData"] = {
        "examples": {"examples": [{"textInput": one.text_input, "output": one.output} for one in examples]}
    }
    return body


def patch(attributes: Attributes) -> tuple[str, JsonObject]:
    """The updateMask and the body that set just these fields; ValueError for one that cannot be patched."""
    fields = [(TUNED_MODEL.fields[path], value) for path, value in attributes.items()]
    fixed = [field.path for field, _ in fields if field.on_change is not OnChange.UPDATE]
    if fixed:
        raise ValueError(f"immutable: {', '.join(fixed)}")
    return (
        ",".join(camel(field.path) for field, _ in fields),
        {camel(field.path): _json(field, value) for field, value in fields},
    )


# ------------------------------------------------------------------ comparing


def differences(attributes: Attributes, source: str, found: Live) -> tuple[str, ...]:
    """The immutable paths in which a live model is not the one that a create asked for.

    Only what the service shows is compared: the id carries the digest of the rest.
    """
    asked: dict[str, Value] = {
        path: value
        for path, value in attributes.items()
        if TUNED_MODEL.fields[path].on_change is OnChange.REPLACE and path not in {BASE_MODEL, PARENT}
    }
    shown = found.attributes
    different = [path for path, value in asked.items() if path in shown and not _equal(value, shown[path])]
    sources = {shown[path] for path in (BASE_MODEL, PARENT) if path in shown}
    if sources and source not in sources:
        different.insert(0, PARENT if source.startswith(f"{COLLECTION}/") else BASE_MODEL)
    return tuple(different)


def _equal(one: Value, other: Value) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        try:
            return float32(float(one)) == float32(float(other))  # type: ignore[arg-type]  # numbers by the table
        except (OverflowError, TypeError, ValueError):
            return False
    return one == other
