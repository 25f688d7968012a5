"""Converts between a TuningJob's JSON and model values. Only this module knows the API's key names.

A job stays when its model is deleted. So the model and the endpoint decide the status, and hold the fields
that can be updated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from msgspec.structs import replace

from reconciler.formats import to_camel_case
from reconciler.identity import find_meaning, to_comparable
from reconciler.kind import Field, FieldRole, FieldType, OnChange
from reconciler.model.endpoint import Checkpoint
from reconciler.model.live import Live, Status
from reconciler.model.names import Attributes, Value
from reconciler.providers.google.advice import advise_denied
from reconciler.providers.google.attributes import build_rows, is_equal, put, read_attributes, require_mutable
from reconciler.providers.google.json import (
    JsonObject,
    read_count,
    read_objects,
    read_text,
    read_time,
    require_object,
)
from reconciler.providers.vertex import fields, labels, names
from reconciler.redaction import hide_quotes

STATE = "JOB_STATE_"
_ENDED_WELL = frozenset({"SUCCEEDED", "PARTIALLY_SUCCEEDED"})
_ENDED_BADLY = frozenset({"FAILED", "CANCELLED", "EXPIRED"})
_MUTABLE = {fields.DISPLAY_NAME: "displayName", fields.DESCRIPTION: "description", fields.LABELS: "labels"}
NO_REASON = "the service gave no reason"


def _parse_labels(value: object) -> Value:
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return labels.hide_own(value)
    raise TypeError("labels")


_ROWS = build_rows(
    (field for field in fields.TUNING_JOB.fields.values() if not field.path.startswith("metadata.")),
    {FieldType.STRINGS: _parse_labels},
)


def strip_prefix(name: str) -> str:
    """Return a base model's name as manifests spell it."""
    return str(to_comparable(fields.TUNING_JOB.fields[fields.BASE_MODEL], name))


def _read_data(job: JsonObject, name: str) -> dict[str, str]:
    """Read the address of each data set of the job."""
    found = {}
    for spec in fields.SPECS:
        said = require_object(job.get(to_camel_case(spec)), name, spec)
        for key in ("training_dataset_uri", "validation_dataset_uri"):
            if address := read_text(said, to_camel_case(key)):
                found[f"{spec}.{key}"] = address
    return found


def read_state(job: JsonObject) -> str:
    """Read a job's state without its prefix ("RUNNING"). "" if the job does not say."""
    return read_text(job, "state").removeprefix(STATE)


def is_under_way(job: JsonObject) -> bool:
    """Return whether a job may still be training. A state that we do not know counts as training."""
    return read_state(job) not in _ENDED_WELL | _ENDED_BADLY


def is_finished(job: JsonObject) -> bool:
    """Return whether a job ended with a model."""
    return read_state(job) in _ENDED_WELL


def read_labels(document: JsonObject) -> Mapping[str, str]:
    """Return every label of a resource."""
    found = require_object(document.get("labels"), read_text(document, "name"), "labels")
    return {key: text for key, text in found.items() if isinstance(text, str)}


def read_id(job: JsonObject) -> str:
    """Read our id from the job's label; without one, the job's number."""
    return read_labels(job).get(labels.ID) or read_text(job, "name").rpartition("/")[2]


def read_model_name(job: JsonObject) -> str:
    """Return the tuned model's resource name with its version, "" before there is one."""
    return read_text(_get_tuned(job), "model")


def read_endpoint_name(job: JsonObject) -> str:
    """Return the endpoint's resource name, "" before there is one."""
    return read_text(_get_tuned(job), "endpoint")


def is_stable_endpoint(endpoint: JsonObject) -> bool:
    """Return whether an endpoint is a stable one. It has a name and labels of its own, whatever it serves."""
    return labels.ENDPOINT in read_labels(endpoint)


def _get_tuned(job: JsonObject) -> JsonObject:
    return require_object(job.get("tunedModel"), read_text(job, "name"), "tunedModel")


def read_endpoint_names(job: JsonObject) -> tuple[str, ...]:
    """Return every endpoint that the job made, for the model and for its checkpoints. Lists each once."""
    tuned = _get_tuned(job)
    checkpoints = read_objects(tuned, "checkpoints", read_text(job, "name"))
    found = [read_text(checkpoint, "endpoint") for checkpoint in checkpoints]
    return tuple(dict.fromkeys(endpoint for endpoint in (read_text(tuned, "endpoint"), *found) if endpoint))


def read_checkpoints(job: JsonObject, model: JsonObject) -> tuple[Checkpoint, ...]:
    """Return the model's checkpoints in the order of the training.

    The job names the endpoint of each. Of a training that keeps only the last checkpoint the job shows none,
    and the model shows it.
    """
    of_job = read_objects(_get_tuned(job), "checkpoints", read_text(job, "name"))
    found = of_job or read_objects(model, "checkpoints", read_text(model, "name"))
    checkpoints = [
        Checkpoint(
            read_text(one, "checkpointId"),
            (read_count(one, "epoch") if "epoch" in one else 0) or 0,
            (read_count(one, "step") if "step" in one else 0) or 0,
            read_text(one, "endpoint"),
        )
        for one in found
        if read_text(one, "checkpointId")
    ]
    return tuple(sorted(checkpoints, key=lambda one: (one.step, one.epoch)))


def read_deployments(model: JsonObject) -> tuple[str, ...]:
    """Return the endpoints that a model is deployed to now, by its training or by hand."""
    found = read_objects(model, "deployedModels", read_text(model, "name"))
    return tuple(dict.fromkeys(name for checkpoint in found if (name := read_text(checkpoint, "endpoint"))))


def read_deployed(endpoint: JsonObject) -> list[tuple[names.Name, bool]]:
    """Return each model that is deployed to an endpoint, and whether the endpoint sends it requests.

    `trafficSplit` maps the id of each deployed model to its share in percent. Without it there are no shares:
    a request is then refused (https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints).
    A deployed model may be named with an alias or without a version; `modelVersionId` gives its version. A
    name with only an alias may mean any version. A model of no project, such as a publisher's model, is left
    out.

    Raises:
        ServiceError: the endpoint does not have the form that is documented.
    """
    name = read_text(endpoint, "name")
    split = require_object(endpoint.get("trafficSplit"), name, "trafficSplit")
    found = []
    for deployed in read_objects(endpoint, "deployedModels", name):
        said = read_text(deployed, "model")
        if not said.startswith("projects/"):
            continue
        model = names.parse(said, "models")
        known = model.version if model.version.isdigit() else ""
        version = read_text(deployed, "modelVersionId") or known
        found.append((replace(model, version=version), bool(split.get(read_text(deployed, "id")))))
    return found


def read_error(job: JsonObject) -> str:
    """Say in one line why a job failed. "" if it did not."""
    state = read_state(job)
    if state not in _ENDED_BADLY:
        return ""
    error = job.get("error")
    said = hide_quotes(read_text(error, "message")) if isinstance(error, dict) else ""
    if state == "FAILED":
        missing = advise_denied(said)
        return f"{said} ({missing})" if missing else said or NO_REASON
    what = "the training was cancelled" if state == "CANCELLED" else "the job expired before it ended"
    return f"{what}: {said}" if said else what


def read_model(job: JsonObject, model: JsonObject | None, endpoint: JsonObject | None) -> Live | None:
    """Read a job as a model. None if it succeeded and its model has been deleted.

    Args:
        job: the TuningJob.
        model: its tuned model, None if that does not exist.
        endpoint: the endpoint to call it on, its own or another that it was deployed to. None if there is
            none.
    """
    name = read_text(job, "name")
    place = names.parse(name, "tuningJobs")
    well = read_state(job) in _ENDED_WELL
    twin = None if endpoint is None or is_stable_endpoint(endpoint) else endpoint
    if well and model is None:
        return None
    attributes = _read_attributes(job, name)
    attributes[fields.LOCATION] = place.location
    error = read_error(job)
    if well and model is not None:
        as_trained = {path: value for path, value in attributes.items() if path not in _MUTABLE}
        attributes = as_trained | _read_mutable(attributes, model, twin)
        if endpoint is None:
            gone = read_endpoint_name(job) or "(none was made)"
            error = (
                f"its endpoint {gone} does not exist, so it cannot be called. Its model still exists: deploy "
                f"{read_model_name(job)} to an endpoint (console: Model Registry), and it serves again "
                "without a training; --retry-failed trains another model"
            )
    status = Status.ACTIVE if well else Status.CREATING
    return Live(
        id=read_id(job),
        name=name,
        status=Status.FAILED if error else status,
        attributes=attributes,
        create_time=read_time(job, "createTime"),
        complete_time=read_time(job, "endTime"),
        error=error,
        data=_read_data(job, name),
        label=read_labels(job).get(labels.ID, ""),
        unclear=_find_unclear(model, twin) if well else {},
        billed_tokens=read_billed_tokens(job),
        deployable=read_model_name(job) if well else "",
        checkpoints=read_checkpoints(job, model) if well and model is not None else (),
        default_checkpoint=read_text(model, "defaultCheckpointId") if well and model is not None else "",
        outputs=read_outputs(job) | ({"endpoint": read_text(endpoint, "name")} if endpoint else {}),
    )


def _read_attributes(job: JsonObject, name: str) -> dict[str, Value]:
    attributes = read_attributes(job, _ROWS, name)
    if not attributes.get(fields.LABELS):
        attributes.pop(fields.LABELS, None)
    if fields.BASE_MODEL in attributes:
        attributes[fields.BASE_MODEL] = strip_prefix(str(attributes[fields.BASE_MODEL]))
    if fields.PARENT in attributes:  # its base model is output only, and is the parent's
        attributes.pop(fields.BASE_MODEL, None)
        parent = read_labels(job).get(labels.PARENT)
        if parent:
            attributes[fields.PARENT] = parent
    return attributes


def _read_mutable(before: Attributes, model: JsonObject, endpoint: JsonObject | None) -> dict[str, Value]:
    """Read the updatable fields from the model and its endpoint, because the job may be out of date.

    Both have these fields. They differ if an update was interrupted or somebody edited one of them. Then the
    value says so. It equals no manifest's value, so the next update repairs both.
    """
    found: dict[str, Value] = {}
    for path in (fields.DISPLAY_NAME, fields.DESCRIPTION):
        mine = read_text(model, _MUTABLE[path])
        other = read_text(endpoint or {}, _MUTABLE[path]) or mine
        if mine or other:
            apart = f"{mine or 'empty'} on the model, {other} on its endpoint"
            found[path] = mine if mine == other else apart
    mine_labels = labels.hide_own(read_labels(model))
    other_labels = labels.hide_own(read_labels(endpoint)) if endpoint else mine_labels
    single = {f"{label} (on the model or on its endpoint only)" for label in {*mine_labels} ^ {*other_labels}}
    both = {*mine_labels} & {*other_labels} | single
    if both or fields.LABELS in before:
        found[fields.LABELS] = tuple(sorted(both))
    return found


def _find_unclear(model: JsonObject | None, endpoint: JsonObject | None) -> dict[str, str]:
    """Find the fields that can be updated and differ between a model and its endpoint."""
    if model is None or endpoint is None:
        return {}
    texts = {fields.DISPLAY_NAME: "displayName", fields.DESCRIPTION: "description"}
    pairs = {path: (read_text(model, key), read_text(endpoint, key)) for path, key in texts.items()}
    mine, other = (", ".join(labels.hide_own(read_labels(found))) for found in (model, endpoint))
    pairs[fields.LABELS] = (mine, other)
    return {
        path: f"{mine or 'empty'} on the model, {other or 'empty'} on its endpoint"
        for path, (mine, other) in pairs.items()
        if mine != other and (other or path == fields.LABELS)
    }


def read_outputs(job: JsonObject) -> dict[str, str]:
    """Read the results of a job and the statistics of its data (tuningDataStats), for people."""
    name, tuned = read_text(job, "name"), _get_tuned(job)
    found = {
        "state": read_state(job),
        # while it trains, these are those of its last checkpoint so far
        "model": read_text(tuned, "model") if is_finished(job) else "",
        "endpoint": read_text(tuned, "endpoint") if is_finished(job) else "",
    }
    for run in read_objects(job, "evaluateDatasetRuns", name):
        made = require_object(run.get("evaluateDatasetResponse"), name, "evaluateDatasetResponse")
        info = require_object(made.get("outputInfo"), name, "outputInfo")
        error = hide_quotes(read_text(require_object(run.get("error"), name, "error"), "message"))
        label = f"evaluation {read_text(run, 'checkpointId')}".strip()
        found[label] = error or read_text(info, "gcsOutputDirectory") or read_text(run, "evaluationRun")
    found |= {key: read_text(job, to_camel_case(key)) for key in ("experiment", "gcs_metrics_uri")}
    found |= {f"data: {key}": str(value) for key, value in read_statistics(job).items()}
    return {key: value for key, value in found.items() if value}


def read_statistics(job: JsonObject) -> dict[str, int]:
    """Return the counts of tuningDataStats, by their names for people."""
    name = read_text(job, "name")
    stats = require_object(job.get("tuningDataStats"), name, "tuningDataStats")
    kinds = [
        require_object(entry, name, "tuningDataStats") for entry in stats.values() if isinstance(entry, dict)
    ]
    found: dict[str, int] = {}
    for kind in kinds:
        for key, value in kind.items():
            if key.endswith("Count"):
                words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key.removesuffix("Count")).lower()
                count = read_count({key: value}, key)
                if count is not None:
                    found[f"{words}s"] = count
    return found


def read_steps(job: JsonObject) -> int | None:
    """Return how many steps the training has. None until the service knows."""
    return read_statistics(job).get("tuning steps") or None


def read_billed_tokens(job: JsonObject) -> int:
    """Return how many tokens the training is billed for. 0 until the service tells, after the training."""
    return read_statistics(job).get("total billable tokens", 0)


def create_body(
    attributes: Attributes, id: str, source: Mapping[str, str], uris: Mapping[str, str], *, parent: str
) -> JsonObject:
    """Return the TuningJob to POST.

    Args:
        attributes: the declared fields.
        id: our id, for the label.
        source: {"baseModel": …} or {"preTunedModel": …}, as a resource name.
        uris: the address of each data set, by its field ("supervised_tuning_spec.training_dataset_uri").
        parent: our id of the parent, "" if the parent is not ours.
    """
    body: JsonObject = {}
    for path, value in {**attributes, **uris}.items():
        field = fields.TUNING_JOB.fields.get(path)
        if path in {fields.LOCATION, fields.PROJECT} or (
            field is not None and field.role is FieldRole.SOURCE
        ):
            continue
        if field is not None and find_meaning(field, value) is None:
            continue
        put(body, path, value if field is None else _encode(field, value))
    for key, name in source.items():
        if key == "baseModel":
            body["baseModel"] = name
        else:
            body.setdefault("preTunedModel", {})["tunedModelName"] = name
    # a model that is tuned further becomes a version of its parent, unless it has a display name of its own
    body.setdefault("tunedModelDisplayName", id)
    body["labels"] = {**body.get("labels", {}), labels.ID: id} | ({labels.PARENT: parent} if parent else {})
    return body


def _encode(field: Field, value: Value) -> object:
    if field.type is FieldType.INTEGER:
        return str(value)  # an int64 is a string in proto3's JSON
    if field.type is FieldType.STRINGS:
        return labels.parse(value if isinstance(value, tuple) else (value,))
    return json.loads(str(value)) if field.type is FieldType.JSON else value


def patch(attributes: Attributes, before: JsonObject) -> tuple[str, JsonObject]:
    """Return the updateMask and the body that set just these fields on a model or an endpoint.

    ValueError for a field that cannot be updated.
    """
    require_mutable(attributes, fields.TUNING_JOB.fields)
    body: JsonObject = {}
    for path, value in attributes.items():
        several = value if isinstance(value, tuple) else (value,)
        body[_MUTABLE[path]] = (
            labels.replace_shown(read_labels(before), several) if path == fields.LABELS else value
        )
    return ",".join(_MUTABLE[path] for path in attributes), body


def find_differences(attributes: Attributes, source: Mapping[str, str], job: JsonObject) -> tuple[str, ...]:
    """List the immutable fields in which a job differs from a create. Compares only what the job shows."""
    shown = _read_attributes(job, read_text(job, "name"))
    different = [
        path
        for path, value in attributes.items()
        if fields.TUNING_JOB.fields[path].on_change is OnChange.REPLACE
        and fields.TUNING_JOB.fields[path].role in {FieldRole.HYPERPARAMETER, FieldRole.CHECKPOINT}
        and path in shown
        and path != fields.EVALUATION  # the service may write its defaults into this field
        and not is_equal(value, shown[path])
    ]
    base = source.get("baseModel")
    if base is not None and shown.get(fields.BASE_MODEL, base) != base:
        different.insert(0, fields.BASE_MODEL)
    return tuple(different)
