"""Converts between the JSON of a copied model and model values. Only copies are read here.

The Model Registry of a project also has models that jobs tuned and models that people uploaded. A copy is
known by its origin: `originalModelInfo` names the model that it was copied from, and `modelSourceInfo.copy`
says that it is one (aiplatform v1, revision 20261106). Google's page on copies says what a copy has of its
source: not its aliases, encryption and deployments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.errors import NotUnderstoodError
from reconciler.model.live import Live, Status
from reconciler.model.names import SOURCE, Attributes, Value
from reconciler.providers.google.json import (
    JsonObject,
    pick_object,
    read_text,
    read_time,
    require_object,
)
from reconciler.providers.vertex import names
from reconciler.providers.vertex.codec import read_checkpoints
from reconciler.providers.vertex.fields import KEY, LOCATION, SERVICE_ACCOUNT
from reconciler.providers.vertex.resources import MODELS

CHECKPOINT_MARK = "#"
"""Stands between the source's name and its checkpoint: projects/P/locations/L/models/M@V#CHECKPOINT."""
FIRST = "1"
"""The version that a new model has."""

_OTHER_SORTS = frozenset({"AUTOML", "BQML", "CUSTOM", "CUSTOM_TEXT_EMBEDDING", "MARKETPLACE"})
"""Values of `modelSourceInfo.sourceType` for models that are no tuned Gemini models."""
_OUR_ID = re.compile(r"[a-z][a-z0-9-]*-[a-z2-7]{8}")


def split_source(source: str) -> tuple[str, str]:
    """Split a source into the name of the model with its version, and the checkpoint ("" for its default)."""
    name, _, checkpoint = source.partition(CHECKPOINT_MARK)
    return name, checkpoint


def read_origin(model: JsonObject) -> str:
    """Return the name of the model that a model was copied from. "" if it names none."""
    info = require_object(model.get("originalModelInfo"), read_text(model, "name"), "originalModelInfo")
    return read_text(info, "model")


def is_copy(model: JsonObject) -> bool:
    """Return whether a model is a copy."""
    return bool(read_origin(model)) or pick_object(model, "modelSourceInfo").get("copy") is True


def is_tuned(model: JsonObject) -> bool:
    """Return whether a model may be a tuned Gemini model: nothing says that it is of another sort."""
    return read_text(pick_object(model, "modelSourceInfo"), "sourceType") not in _OTHER_SORTS


def has_our_shape(id: str) -> bool:
    """Return whether an id may be one of ours: NAME-DIGEST8."""
    return _OUR_ID.fullmatch(id) is not None


def is_first(model: JsonObject) -> bool:
    """Return whether this is the first version of its model, which a copy under our id is."""
    return read_text(model, "versionId") in {"", FIRST}


def read_deployable(model: JsonObject) -> str:
    """Return the model's name with its version."""
    name = names.parse(read_text(model, "name"), MODELS)
    return f"{name.resource}@{read_text(model, 'versionId') or name.number or FIRST}"


def read_copy(model: JsonObject, traffic: tuple[str, ...]) -> Live:
    """Read a copy.

    Args:
        model: the Model, in the version that is the copy.
        traffic: see `Live`.

    Raises:
        NotUnderstoodError: the model is not a copy, or does not have the form that is documented.
    """
    name = names.parse(read_text(model, "name"), MODELS)
    if not is_copy(model):
        raise NotUnderstoodError(
            f"{name.resource} is not a copy: the Model Registry names no model that it was copied from",
            "A ModelCopy takes over copies alone. The model of a tuning job is a TuningJob's.",
        )
    return Live(
        id=name.id,
        name=name.resource,
        status=Status.ACTIVE,
        attributes=_read_attributes(model, name),
        create_time=read_time(model, "createTime"),
        complete_time=read_time(model, "versionCreateTime") or read_time(model, "createTime"),
        deployable=read_deployable(model),
        checkpoints=read_checkpoints({}, model),
        default_checkpoint=read_text(model, "defaultCheckpointId"),
        base=_read_base(model),
        outputs=_read_outputs(model),
        traffic=traffic,
    )


def build_unseen(name: names.Name, status: Status, create_time: str, error: str = "") -> Live:
    """Build what is known of a copy that does not show: it is being made, or its making failed."""
    return Live(
        id=name.id,
        name=name.resource,
        status=status,
        attributes={LOCATION: name.location},
        create_time=create_time,
        error=error,
    )


def _get_name(model: JsonObject) -> str:
    return read_text(model, "name")


def _read_attributes(model: JsonObject, name: names.Name) -> dict[str, Value]:
    spec = require_object(model.get("encryptionSpec"), name.resource, "encryptionSpec")
    found: dict[str, Value] = {LOCATION: name.location}
    if origin := read_origin(model):
        found[SOURCE] = origin
    if key := read_text(spec, "kmsKeyName"):
        found[KEY] = key
    return found


def _read_outputs(model: JsonObject) -> dict[str, str]:
    """Read what else the registry says of a copy, for people."""
    found = {"model": read_deployable(model), "copied from": read_origin(model)}
    return {key: value for key, value in found.items() if value}


def _read_base(model: JsonObject) -> str:
    """Read the base model of a tuned model. "" if the registry does not name it."""
    source = pick_object(pick_object(model, "baseModelSource"), "genieSource")
    return read_text(source, "baseModelUri").rpartition("/")[2]


def create_body(attributes: Attributes, id: str, source: str) -> JsonObject:
    """Return the CopyModelRequest. It has no field for a checkpoint: a copy has all of its source's."""
    body: JsonObject = {"sourceModel": split_source(source)[0], "modelId": id}
    if account := attributes.get(SERVICE_ACCOUNT):
        body["customServiceAccount"] = account
    if key := attributes.get(KEY):
        body["encryptionSpec"] = {"kmsKeyName": key}
    return body


def find_differences(attributes: Attributes, source: str, model: JsonObject) -> tuple[str, ...]:
    """List the differences between a model and the copy that was asked for.

    The model must name its origin. A version is compared only if both name one, and the key only if the model
    shows one.
    """
    origin = read_origin(model)
    different = [] if origin and names.is_answer(split_source(source)[0], origin) else [SOURCE]
    shown = _read_attributes(model, names.parse(_get_name(model), MODELS))
    wanted: Mapping[str, object] = {KEY: attributes.get(KEY, "")}
    different += [path for path, value in wanted.items() if value and shown.get(path, value) != value]
    return tuple(different)
