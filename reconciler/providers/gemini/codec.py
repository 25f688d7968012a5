"""Converts between a TunedModel's JSON and model values. Only it and `operations` know the API's keys.

It reads plain dictionaries, because every plan may read a list of 10,000 models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from types import NoneType

from reconciler.formats import to_camel_case
from reconciler.identity import find_meaning
from reconciler.kind import Field, FieldRole, FieldType, OnChange
from reconciler.model.data import Example
from reconciler.model.live import Live, Odd, Snapshot, Status
from reconciler.model.names import Attributes, Value
from reconciler.providers.gemini.fields import BASE_MODEL, PARENT, TUNED_MODEL
from reconciler.providers.google.attributes import build_rows, is_equal, put, read_attributes, require_mutable
from reconciler.providers.google.json import (
    JsonObject,
    explain_another,
    explain_wrong_type,
    pick_objects,
    read_count,
    read_figure,
    read_time,
    require_object,
)

COLLECTION = "tunedModels"

# Segments that are safe in a URL: no "..", no "?" and no "#".
SEGMENT = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
NAME = re.compile(rf"{COLLECTION}/{SEGMENT}")

# The service writes names, or numbers if a client asks for them. A state that we do not know counts as
# CREATING, so that we do not promote, delete or train anything because of it.
_STATES: Mapping[object, Status] = {
    "ACTIVE": Status.ACTIVE,
    2: Status.ACTIVE,
    "FAILED": Status.FAILED,
    3: Status.FAILED,
}

_ROWS = build_rows(TUNED_MODEL.fields.values())


def _write_mask(task: str) -> str:
    """Write the mask of everything that `read_model` reads, with these fields of the tuning task."""
    declared = (to_camel_case(path.partition(".")[0]) for path in TUNED_MODEL.fields)
    keys = dict.fromkeys(("name", "state", "createTime", *declared, "tuningTask"))
    return ",".join(f"{key}({task})" if key == "tuningTask" else key for key in keys)


WITHOUT_CURVE = _write_mask("hyperparameters,completeTime")
"""What `read_model` reads, as the parameter `fields`. A loss curve is most of an answer; no plan reads it."""
WITH_CURVE = _write_mask("hyperparameters,completeTime,snapshots(step,epoch,meanLoss)")
"""The same with the loss curve, for people."""

STATE = "name,state"
"""What `read_states` reads."""


def read_states(documents: Iterable[object]) -> dict[str, Status]:
    """Read the states of listed models, by name. Leaves out what makes no sense."""
    shown = [(one.get("name"), one.get("state")) for one in documents if isinstance(one, dict)]
    return {
        name: _STATES.get(state, Status.CREATING)
        for name, state in shown
        if isinstance(name, str) and isinstance(state, (str, int))
    }


def read_model(document: JsonObject, *, curve: bool, asked: str = "") -> Live:
    """Read a TunedModel as the API shows it.

    Args:
        document: the TunedModel.
        curve: whether to read every snapshot. False keeps only the last one, because a model has hundreds of
            snapshots, and a list has thousands of models.
        asked: the name that the model must have, "" for any.

    Raises:
        ServiceError: a field that is compared makes no sense, or the answer is about another model.
    """
    name = document.get("name")
    if asked and name != asked:
        raise explain_another(COLLECTION, asked, name)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise explain_wrong_type(COLLECTION, "name", name, f"a name like {COLLECTION}/x")
    attributes = read_attributes(document, _ROWS, name)
    if PARENT in attributes:  # its base model is output only, and is the parent's
        attributes.pop(BASE_MODEL, None)
    state = document.get("state")
    if not isinstance(state, (str, int, NoneType)):
        raise explain_wrong_type(name, "state", state, "a state")
    task = require_object(document.get("tuningTask"), name, "tuningTask")
    return Live(
        id=name.removeprefix(f"{COLLECTION}/"),
        name=name,
        status=_STATES.get(state, Status.CREATING),
        attributes=attributes,
        create_time=read_time(document, "createTime"),
        complete_time=read_time(task, "completeTime"),
        snapshots=read_snapshots(task) if curve else _read_last_snapshot(task),
    )


def build_odd(document: object, why: str) -> Odd:
    """Build an Odd from an entry that `read_model` does not understand. "" for a missing id or name."""
    name = document.get("name") if isinstance(document, dict) else document
    if isinstance(name, str) and NAME.fullmatch(name):
        return Odd(name.removeprefix(f"{COLLECTION}/"), name, why)
    return Odd("", ascii(name)[:60], why)


def read_snapshots(document: JsonObject) -> tuple[Snapshot, ...]:
    """Read the loss curve under "snapshots", for people. Leaves out points that make no sense."""
    return tuple(_read_points(pick_objects(document, "snapshots")))


def _read_last_snapshot(document: JsonObject) -> tuple[Snapshot, ...]:
    return tuple(islice(_read_points(reversed(pick_objects(document, "snapshots"))), 1))


def _read_points(points: Iterable[JsonObject]) -> Iterator[Snapshot]:
    """Yield each TuningSnapshot whose step, epoch and loss are numbers that make sense."""
    for point in points:
        step, epoch, loss = (
            read_count(point, "step"),
            read_count(point, "epoch"),
            read_figure(point, "meanLoss"),
        )
        if step is not None and epoch is not None and loss is not None:
            yield Snapshot(step, epoch, loss)


def _encode(field: Field, value: Value) -> object:
    if field.type is FieldType.INTEGERS:  # int64: strings in proto3's JSON
        numbers = value if isinstance(value, tuple) else (value,)
        return [str(number) for number in numbers]
    return list(value) if isinstance(value, tuple) else value


def create_body(attributes: Attributes, source: str, examples: Iterable[Example]) -> JsonObject:
    """Return the TunedModel to POST. `source` decides between baseModel and tunedModelSource."""
    body: JsonObject = {}
    for path, value in attributes.items():
        field = TUNED_MODEL.fields[path]
        if field.role is FieldRole.SOURCE or find_meaning(field, value) is None:
            continue
        put(body, path, _encode(field, value))
    if source.startswith(f"{COLLECTION}/"):
        body["tunedModelSource"] = {"tunedModel": source}
    else:
        body["baseModel"] = source
    body.setdefault("tuningTask", {})["trainingData"] = {
        "examples": {
            "examples": [{"textInput": example.text_input, "output": example.output} for example in examples]
        }
    }
    return body


def patch(attributes: Attributes) -> tuple[str, JsonObject]:
    """Return the updateMask and the body that set just these fields. ValueError if one cannot be patched."""
    fields = [(TUNED_MODEL.fields[path], value) for path, value in attributes.items()]
    require_mutable(attributes, TUNED_MODEL.fields)
    return (
        ",".join(to_camel_case(field.path) for field, _ in fields),
        {to_camel_case(field.path): _encode(field, value) for field, value in fields},
    )


def find_differences(attributes: Attributes, source: str, found: Live) -> tuple[str, ...]:
    """Return the immutable fields in which a live model differs from what a create asked for.

    Compares only what the service shows. The id holds a digest of the rest.
    """
    asked: dict[str, Value] = {
        path: value
        for path, value in attributes.items()
        if TUNED_MODEL.fields[path].on_change is OnChange.REPLACE and path not in {BASE_MODEL, PARENT}
    }
    shown = found.attributes
    different = [path for path, value in asked.items() if path in shown and not is_equal(value, shown[path])]
    sources = {shown[path] for path in (BASE_MODEL, PARENT) if path in shown}
    if sources and source not in sources:
        different.insert(0, PARENT if source.startswith(f"{COLLECTION}/") else BASE_MODEL)
    return tuple(different)
