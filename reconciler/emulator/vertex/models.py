"""Tuned models in the registry: get, list, patch, delete, and their versions.

A name may carry a version (`models/1@2`) or an alias; without one it means the default version,
the last. A model is deleted by a long-running operation, and not while a version of it is deployed.
"""

import dataclasses
import hashlib
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError, failed_precondition, invalid
from reconciler.emulator.gemini.progress import six_digits
from reconciler.emulator.update_masks import apply_mask, check_etag
from reconciler.emulator.vertex.listing import page
from reconciler.emulator.vertex.messages import MODEL
from reconciler.emulator.vertex.names import full_name
from reconciler.emulator.vertex.operations import begin
from reconciler.emulator.vertex.records import Endpoint, ModelVersion, Records
from reconciler.emulator.vertex.versions import ALIVE, aliases, find_version, versions

_COLUMNS = {
    "model": "id",
    "displayName": "json_extract(fields, '$.displayName')",
    "baseModelName": "json_extract(system, '$.base')",
}
_LAST = (
    "version = (SELECT max(version) FROM vertex_models other WHERE other.id = vertex_models.id"
    " AND other.born <= :now AND (other.died IS NULL OR other.died > :now))"
)


def get(call: Call) -> Reply:
    """models.get."""
    call.parameters()
    records = Records(call.store.connection)
    version = _find(call, records)
    return Reply(payload=_shown(call, records, version, versioned="@" in call.path["model"]))


def list_models(call: Call) -> Reply:
    """models.list: the default version of each, the newest first."""
    parameters = call.parameters("filter", "page_size", "page_token", "order_by", "read_mask")
    return _page(call, parameters, f"{ALIVE} AND {_LAST}", versioned=False)


def list_versions(call: Call) -> Reply:
    """models.listVersions."""
    parameters = call.parameters("filter", "page_size", "page_token", "order_by", "read_mask")
    _find(call, Records(call.store.connection))
    return _page(call, parameters, f"id = :id AND {ALIVE}", versioned=True)


def list_checkpoints(call: Call) -> Reply:
    """models.listCheckpoints, all on one page."""
    call.parameters("page_size", "page_token")
    version = _find(call, Records(call.store.connection))
    return Reply(payload={"checkpoints": version.system["checkpoints"]})


def patch(call: Call) -> Reply:
    """models.patch: of the version that is named; the display name is that of all versions."""
    parameters = call.parameters("update_mask")
    asked = call.message(MODEL, "model")
    records = Records(call.store.connection)
    version = _find(call, records)
    check_etag(asked, _etag(version))
    fields = apply_mask(
        parameters.get("update_mask", ""),
        asked,
        version.fields,
        MODEL,
        ("displayName", "description", "labels", "defaultCheckpointId", "versionDescription"),
    )
    known = [item["checkpointId"] for item in version.system["checkpoints"]]
    if fields.get("defaultCheckpointId", known[-1]) not in known:
        raise invalid("The checkpoint does not exist.", field="default_checkpoint_id")
    fields["labels"] = {**fields.get("labels", {}), **version.system["labels"]}
    changed = dataclasses.replace(version, fields=fields, updated=max(call.now, _updated(version) + 1))
    records.put(changed)
    for other in versions(call, records, version.id):
        if other.fields["displayName"] != fields["displayName"]:
            named = {**other.fields, "displayName": fields["displayName"]}
            records.put(dataclasses.replace(other, fields=named))
    call.effect = True
    return Reply(payload=_shown(call, records, changed, versioned="@" in call.path["model"]))


def delete(call: Call) -> Reply:
    """models.delete; a name with a version means all of the model only where it has no other."""
    call.parameters()
    records = Records(call.store.connection)
    version = _find(call, records)
    doomed = versions(call, records, version.id)
    if "@" in call.path["model"] and len(doomed) > 1:
        text = "The Model has other versions: delete one with deleteVersion, or the Model by its plain name."
        raise failed_precondition(text)
    return _delete(call, records, doomed, f"models/{version.id}")


def delete_version(call: Call) -> Reply:
    """models.deleteVersion: not of the only one."""
    call.parameters()
    records = Records(call.store.connection)
    version = _find(call, records)
    if "@" not in call.path["model"]:
        raise invalid("The name must have a version.", field="name")
    if len(versions(call, records, version.id)) == 1:
        raise failed_precondition("Deleting the only version in the Model is not allowed. Use DeleteModel.")
    return _delete(call, records, [version], f"models/{version.id}@{version.version}")


def _delete(call: Call, records: Records, doomed: list[ModelVersion], target: str) -> Reply:
    using = [
        full_name(item.project, item.location, f"endpoints/{item.id}")
        for version in doomed
        for item in _deployments(call, records, version)
    ]
    if using:
        name = full_name(doomed[0].project, doomed[0].location, target)
        raise failed_precondition(
            f'The Model "{name}" is deployed or being deployed at the following Endpoint(s): '
            f"{', '.join(using)}."
        )
    rows = {"vertex_models": [version.seq for version in doomed]}
    operation = begin(call, records, "delete", target, f"models/{doomed[0].id}", effect={"died": rows})
    return Reply(payload=operation)


def _find(call: Call, records: Records) -> ModelVersion:
    model, _, version = call.path["model"].partition("@")
    return find_version(call, records, model, version)


def _page(call: Call, parameters: dict[str, str], where: str, *, versioned: bool) -> Reply:
    records = Records(call.store.connection)
    return page(
        call,
        ModelVersion,
        parameters,
        key="models",
        columns=_COLUMNS,
        where=where,
        shown=lambda version: _shown(call, records, version, versioned=versioned),
        id=call.path.get("model", "").partition("@")[0],
    )


def _deployments(call: Call, records: Records, version: ModelVersion) -> list[Endpoint]:
    where = "model = :model AND version = :version AND (undeployed IS NULL OR undeployed > :now)"
    return records.find(
        Endpoint, f"{where} AND {ALIVE}", model=version.id, version=version.version, now=call.now
    )


def _updated(version: ModelVersion) -> int:
    return max(version.updated or 0, version.born or 0)


def _etag(version: ModelVersion) -> str:
    seen = f"{version.seq}/{_updated(version)}"
    return "AMEw9y" + hashlib.blake2b(seen.encode(), digest_size=12).hexdigest()


def _shown(call: Call, records: Records, version: ModelVersion, *, versioned: bool) -> dict[str, Any]:
    """Return the Model as it is now."""
    if version.born is None:
        raise ApiError(500)
    rest = f"models/{version.id}@{version.version}" if versioned else f"models/{version.id}"
    system, born, updated = version.system, six_digits(version.born), six_digits(_updated(version))
    newest = versions(call, records, version.id)[-1].version == version.version
    answer: dict[str, Any] = {
        "name": full_name(version.project, version.location, rest),
        **{key: value for key, value in version.fields.items() if key != "versionAliases"},
        "createTime": born,
        "updateTime": updated,
        "versionId": str(version.version),
        "versionAliases": [*aliases(version), *(["default"] if newest else [])],
        "versionCreateTime": born,
        "versionUpdateTime": updated,
        "etag": _etag(version),
        "modelSourceInfo": {"sourceType": "GENIE"},
        "baseModelSource": {"genieSource": {"baseModelUri": f"publishers/google/models/{system['base']}"}},
        "checkpoints": system["checkpoints"],
        "defaultCheckpointId": version.fields.get(
            "defaultCheckpointId", system["checkpoints"][-1]["checkpointId"]
        ),
    }
    if "encryptionSpec" in system:
        answer["encryptionSpec"] = system["encryptionSpec"]
    deployed = [
        {
            "endpoint": full_name(item.project, item.location, f"endpoints/{item.id}"),
            "deployedModelId": item.deployed,
            "checkpointId": item.checkpoint,
        }
        for item in _deployments(call, records, version)
    ]
    return {key: value for key, value in {**answer, "deployedModels": deployed}.items() if value}
