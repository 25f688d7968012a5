"""Tuned models and their versions: get, list, patch, delete.

A name may say a version (`models/1@2`) or an alias of one; without it means the default version, which is the
last. A model is deleted by a long-running operation, and not while a version of it is deployed.
"""

import dataclasses
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.clock import format_time
from reconciler.emulator.errors import ApiError, ArgumentError, PreconditionError
from reconciler.emulator.vertex import lookup, messages, operations, serving
from reconciler.emulator.vertex.fields import check_etag, patch_fields, read_patch_mask
from reconciler.emulator.vertex.records import Location, ModelVersion

_MUTABLE = ("displayName", "description", "labels", "defaultCheckpointId", "versionDescription")
_COLUMNS = {
    "model": "id",
    "displayName": "json_extract(fields, '$.displayName')",
    "baseModelName": "json_extract(system, '$.base')",
}
_IS_LAST = (
    "version = (SELECT max(version) FROM vertex_models other WHERE other.id = vertex_models.id"
    " AND other.born <= :now AND (other.died IS NULL OR other.died > :now))"
)


def get(call: Call) -> Reply:
    """Answer models.get."""
    return Reply(payload=_show(call, _find_version_of_path(call)))


def list_models(call: Call) -> Reply:
    """Answer models.list, with the default version of each model, the newest first."""
    return lookup.list_page(call, ModelVersion, "models", _COLUMNS, _IS_LAST, show=_show)


def list_versions(call: Call) -> Reply:
    """Answer models.listVersions."""
    model = _find_version_of_path(call).id
    return lookup.list_page(call, ModelVersion, "models", _COLUMNS, "id = :id", show=_show, id=model)


def list_checkpoints(call: Call) -> Reply:
    """Answer models.listCheckpoints, all on one page."""
    return Reply(payload={"checkpoints": _find_version_of_path(call).system["checkpoints"]})


def patch(call: Call) -> Reply:
    """Answer models.patch of the version in the path. All versions have the same display name."""
    message = call.read_message(messages.MODEL, "model")
    version = _find_version_of_path(call)
    check_etag(message, version.make_etag())
    fields = patch_fields(version, read_patch_mask(call, message, messages.MODEL, _MUTABLE), message)
    changed = dataclasses.replace(version, fields=fields, updated=max(call.now, version.last_changed + 1))
    if changed.default_checkpoint not in version.checkpoint_ids:
        raise ArgumentError("The checkpoint does not exist.", field="default_checkpoint_id")
    call.database.update(changed)
    for other in _find_versions(call, version.id):
        if other.fields["displayName"] != fields["displayName"]:
            renamed = {**other.fields, "displayName": fields["displayName"]}
            call.database.update(dataclasses.replace(other, fields=renamed))
    return Reply(payload=_show(call, changed))


def delete(call: Call) -> Reply:
    """Answer models.delete. A name with a version will do if the model has no other version."""
    version = _find_version_of_path(call)
    versions = _find_versions(call, version.id)
    if _has_version(call) and len(versions) > 1:
        text = "The Model has other versions: delete one with deleteVersion, or the Model by its plain name."
        raise PreconditionError(text)
    return _delete(call, versions, f"models/{version.id}")


def delete_version(call: Call) -> Reply:
    """Answer models.deleteVersion, which refuses the only version."""
    version = _find_version_of_path(call)
    if not _has_version(call):
        raise ArgumentError("The name must have a version.", field="name")
    if len(_find_versions(call, version.id)) == 1:
        raise PreconditionError("Deleting the only version in the Model is not allowed. Use DeleteModel.")
    return _delete(call, [version], f"models/{version.id}@{version.version}")


def find_version(call: Call, model: str, version: str, *, at: Location | None = None) -> ModelVersion:
    """Return a version of a model in the location *at*, or that of the call; a 404 if there is none.

    *version* is its number or alias, '' for the default version, which is the last.
    """
    found = _find_versions(call, model, at)
    if version not in {"", "default"}:
        found = [kept for kept in found if version in (str(kept.version), *kept.aliases)]
    if found:
        return found[-1]
    name = f"models/{model}@{version}" if version else f"models/{model}"
    raise ApiError(404, f'The Model does not exist: "{(at or lookup.read_location(call)).write_name(name)}".')


def _find_versions(call: Call, model: str, at: Location | None = None) -> list[ModelVersion]:
    """Return the versions of a model that exist, in order."""
    return lookup.find_all(call, ModelVersion, "id = :id", at=at, order="version", id=model)


def _find_version_of_path(call: Call) -> ModelVersion:
    model, _, version = call.path["model"].partition("@")
    return find_version(call, model, version)


def _has_version(call: Call) -> bool:
    return "@" in call.path.get("model", "")


def _delete(call: Call, versions: list[ModelVersion], target: str) -> Reply:
    deployments = [item for version in versions for item in serving.find_deployments(call, version)]
    if deployments:
        name = versions[0].write_name(target)
        raise PreconditionError(
            f'The Model "{name}" is deployed or being deployed at the following Endpoint(s): '
            f"{', '.join(serving.find_endpoint_name(call, item) for item in deployments)}."
        )
    return operations.begin(
        call,
        "delete",
        target,
        f"models/{versions[0].id}",
        effect={"died": versions},
        seconds=call.settings.vertex_operation_seconds,
    )


def _show(call: Call, version: ModelVersion) -> dict[str, Any]:
    """Return the Model as it is now, under a name with the version if the request is about versions."""
    with_version = "versions" in call.path or _has_version(call)
    name = f"models/{version.id}@{version.version}" if with_version else f"models/{version.id}"
    born, updated = format_time(version.born or 0), format_time(version.last_changed)
    is_last = _find_versions(call, version.id)[-1].version == version.version
    base = version.system["base"]
    answer: dict[str, Any] = {
        "name": version.write_name(name),
        **{key: value for key, value in version.fields.items() if key != "versionAliases"},
        "createTime": born,
        "updateTime": updated,
        "versionId": str(version.version),
        "versionAliases": [*version.aliases, *(["default"] if is_last else [])],
        "versionCreateTime": born,
        "versionUpdateTime": updated,
        "etag": version.make_etag(),
        "modelSourceInfo": {"sourceType": "GENIE"},
        "baseModelSource": {"genieSource": {"baseModelUri": f"publishers/google/models/{base}"}},
        "checkpoints": version.system["checkpoints"],
        "defaultCheckpointId": version.default_checkpoint,
        "encryptionSpec": version.system.get("encryptionSpec"),
        "deployedModels": [
            {
                "endpoint": serving.find_endpoint_name(call, item),
                "deployedModelId": item.id,
                "checkpointId": item.checkpoint,
            }
            for item in serving.find_deployments(call, version)
            if (item.born or 0) <= call.now
        ],
    }
    return {key: value for key, value in answer.items() if value}
