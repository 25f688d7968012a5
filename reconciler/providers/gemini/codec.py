"""A TunedModel's JSON ↔ model values; with `operations` the only place that knows the API's key names.

Walks plain dictionaries, because a list of 10,000 models is read on every plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import NoneType

from reconciler.kind import Field, FieldType, OnChange
from reconciler.model import Attributes, Example, Live, Snapshot, Status, Value
from reconciler.providers.answers import (
    JsonObject,
    as_float,
    as_integer,
    as_integers,
    as_object,
    as_text,
    objects_of,
    text_of,
    wrong,
)
from reconciler.providers.attributes import attributes_of, camel, equal, fixed, put, rows_of
from reconciler.providers.gemini.fields import BASE_MODEL, PARENT, TUNED_MODEL

COLLECTION = "tunedModels"

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


def live(document: JsonObject, *, curve: bool) -> Live:
    """A TunedModel as the API shows it.

    Args:
        document: the TunedModel.
        curve: whether to read every snapshot; False keeps the last one only, because there are hundreds
            per model and a list has thousands of models.
    """
    name = document.get("name")
    if not isinstance(name, str) or not name.startswith(f"{COLLECTION}/"):
        raise wrong(COLLECTION, "name", name, f"a name like {COLLECTION}/x")
    attributes = attributes_of(document, _ROWS, name)
    if PARENT in attributes:  # its base model is output only: the parent's
        attributes.pop(BASE_MODEL, None)
    state = document.get("state")
    if not isinstance(state, (str, int, NoneType)):
        raise wrong(name, "state", state, "a state")
    task = as_object(document.get("tuningTask"), name, "tuningTask")
    points = objects_of(task, "snapshots", name)
    return Live(
        id=name.removeprefix(f"{COLLECTION}/"),
        name=name,
        status=_STATES.get(state, Status.CREATING),
        attributes=attributes,
        create_time=text_of(document, "createTime"),
        complete_time=text_of(task, "completeTime"),
        snapshots=tuple(snapshot(point, name) for point in (points if curve else points[-1:])),
    )


def snapshot(document: JsonObject, where: str) -> Snapshot:
    """One TuningSnapshot."""
    try:
        return Snapshot(
            step=as_integer(document.get("step", 0)),
            epoch=as_integer(document.get("epoch", 0)),
            mean_loss=as_float(document.get("meanLoss", 0.0)),
        )
    except TypeError as error:
        raise wrong(where, "a snapshot", document, f"made of numbers ({error} is missing)") from error


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
        if field.role == "source":
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
        ",".join(camel(field.path) for field, _ in fields),
        {camel(field.path): _json(field, value) for field, value in fields},
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
