"""A TunedModel's JSON ↔ model values; with `operations` the only place that knows the API's key names.

Walks plain dictionaries, because a list of 10,000 models is read on every plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import NoneType

from reconciler.formats import camel_case
from reconciler.identity import find_meaning
from reconciler.kind import Field, FieldRole, FieldType, OnChange
from reconciler.model import Attributes, Example, Live, Odd, Snapshot, Status, Value
from reconciler.providers.gemini.fields import BASE_MODEL, PARENT, TUNED_MODEL
from reconciler.providers.google.attributes import attributes_of, equal, fixed, put, rows_of
from reconciler.providers.google.json import (
    JsonObject,
    about_another,
    as_float,
    as_integer,
    as_integers,
    as_object,
    as_text,
    count_of,
    figure_of,
    listed_objects,
    time_of,
    wrong,
)

COLLECTION = "tunedModels"

# Segments that stay what they are inside a URL: neither "..", nor "?" or "#".
SEGMENT = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
NAME = re.compile(rf"{COLLECTION}/{SEGMENT}")

# Names, or numbers where a client asks for those. What is neither finished nor failed is CREATING: nothing
# is promoted, deleted or trained again on a state that we do not know.
_STATES: Mapping[object, Status] = {
    "ACTIVE": Status.ACTIVE,
    2: Status.ACTIVE,
    "FAILED": Status.FAILED,
    3: Status.FAILED,
}


_READERS: Mapping[FieldType, Callable[[object], Value]] = {
    FieldType.STRING: as_text,
    FieldType.INTEGER: as_integer,
    FieldType.FLOAT32: as_float,
    FieldType.INTEGERS: as_integers,
}
_ROWS = rows_of(TUNED_MODEL.fields.values(), _READERS)


def live(document: JsonObject, *, curve: bool, asked: str = "") -> Live:
    """A TunedModel as the API shows it.

    Args:
        document: the TunedModel.
        curve: whether to read every snapshot; False keeps the last one only, because there are hundreds
            per model and a list has thousands of models.
        asked: the name that it must be of, "" for any.

    Raises:
        ServiceError: a compared field makes no sense, or it is another model.
    """
    name = document.get("name")
    if asked and name != asked:
        raise about_another(COLLECTION, asked, name)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise wrong(COLLECTION, "name", name, f"a name like {COLLECTION}/x")
    attributes = attributes_of(document, _ROWS, name)
    if PARENT in attributes:  # its base model is output only: the parent's
        attributes.pop(BASE_MODEL, None)
    state = document.get("state")
    if not isinstance(state, (str, int, NoneType)):
        raise wrong(name, "state", state, "a state")
    task = as_object(document.get("tuningTask"), name, "tuningTask")
    return Live(
        id=name.removeprefix(f"{COLLECTION}/"),
        name=name,
        status=_STATES.get(state, Status.CREATING),
        attributes=attributes,
        create_time=time_of(document, "createTime"),
        complete_time=time_of(task, "completeTime"),
        snapshots=snapshots_of(task) if curve else _last_snapshot(task),
    )


def odd(document: object, why: str) -> Odd:
    """An entry of a list that `live` does not understand, as far as it tells whose it is."""
    name = document.get("name") if isinstance(document, dict) else document
    if isinstance(name, str) and NAME.fullmatch(name):
        return Odd(name.removeprefix(f"{COLLECTION}/"), name, why)
    return Odd("", ascii(name)[:60], why)


def snapshots_of(document: JsonObject) -> tuple[Snapshot, ...]:
    """The loss curve under "snapshots": a figure for people, without the points that make no sense."""
    points = (_snapshot(point) for point in listed_objects(document, "snapshots"))
    return tuple(point for point in points if point is not None)


def _last_snapshot(document: JsonObject) -> tuple[Snapshot, ...]:
    points = (_snapshot(point) for point in reversed(listed_objects(document, "snapshots")))
    last = next((point for point in points if point is not None), None)
    return () if last is None else (last,)


def _snapshot(document: JsonObject) -> Snapshot | None:
    """One TuningSnapshot; None where step, epoch or loss is no such number."""
    step, epoch, loss = (
        count_of(document, "step"),
        count_of(document, "epoch"),
        figure_of(document, "meanLoss"),
    )
    return None if step is None or epoch is None or loss is None else Snapshot(step, epoch, loss)


def _json(field: Field, value: Value) -> object:
    if field.type is FieldType.INTEGERS:  # int64: strings in proto3's JSON
        numbers = value if isinstance(value, tuple) else (value,)
        return [str(number) for number in numbers]
    return list(value) if isinstance(value, tuple) else value


def create_body(attributes: Attributes, source: str, examples: Iterable[Example]) -> JsonObject:
    """The TunedModel to POST. `source` decides between baseModel and tunedModelSource."""
    body: JsonObject = {}
    for path, value in attributes.items():
        field = TUNED_MODEL.fields[path]
        if field.role is FieldRole.SOURCE or find_meaning(field, value) is None:
            continue
        put(body, path, _json(field, value))
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
    if immutable := fixed(attributes, TUNED_MODEL.fields):
        raise ValueError(f"immutable: {', '.join(immutable)}")
    return (
        ",".join(camel_case(field.path) for field, _ in fields),
        {camel_case(field.path): _json(field, value) for field, value in fields},
    )


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
    different = [path for path, value in asked.items() if path in shown and not equal(value, shown[path])]
    sources = {shown[path] for path in (BASE_MODEL, PARENT) if path in shown}
    if sources and source not in sources:
        different.insert(0, PARENT if source.startswith(f"{COLLECTION}/") else BASE_MODEL)
    return tuple(different)
