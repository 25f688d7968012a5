"""Tuned models and their versions: get, list, patch, delete, and their aliases and checkpoints.

A name may say a version (`models/1@2`) or an alias of one; without it means the default version. A model is
deleted by a long-running operation, and not while a version of it is deployed anywhere.
"""

import dataclasses
import re
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.clock import format_time
from reconciler.emulator.errors import ApiError, ArgumentError, PreconditionError
from reconciler.emulator.paging import read_page
from reconciler.emulator.vertex import lookup, messages, operations, serving
from reconciler.emulator.vertex.fields import check_etag, patch_fields, read_patch_mask
from reconciler.emulator.vertex.records import Job, Location, ModelVersion

_MUTABLE = (
    "displayName",
    "description",
    "labels",
    "defaultCheckpointId",
    "versionDescription",
    "versionAliases",
)
_COLUMNS = {
    "model": "id",
    "displayName": "json_extract(fields, '$.displayName')",
    "baseModelName": "json_extract(system, '$.base')",
}
_DEFAULT = "default"
_ALIAS = r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9-]"
# The default version is the one that became it last: by its birth, or by the alias "default".
_DEFAULT_FIRST = "max(born, coalesce(json_extract(system, '$.defaultSince'), 0)) DESC, version DESC"
_IS_DEFAULT = """
    rowid = (SELECT rowid FROM vertex_models other
        WHERE other.id = vertex_models.id AND other.project = :project AND other.location = :location
        AND other.born <= :now AND (other.died IS NULL OR other.died > :now)
        ORDER BY max(born, coalesce(json_extract(system, '$.defaultSince'), 0)) DESC, version DESC LIMIT 1)
"""


def get(call: Call) -> Reply:
    """Answer models.get."""
    return Reply(payload=_show(call, _find_version_of_path(call)))


def list_models(call: Call) -> Reply:
    """Answer models.list, with the default version of each model, the newest first."""
    return lookup.list_page(call, ModelVersion, "models", _COLUMNS, _IS_DEFAULT, show=_show)


def list_versions(call: Call) -> Reply:
    """Answer models.listVersions."""
    model = _find_version_of_path(call).id
    return lookup.list_page(call, ModelVersion, "models", _COLUMNS, "id = :id", show=_show, id=model)


def list_checkpoints(call: Call) -> Reply:
    """Answer models.listCheckpoints of a version. A name without one means the latest, not the default."""
    version = _find_version_of_path(call)
    if not _has_version(call):
        version = _find_versions(call, version.id)[-1]
    page = read_page(call.parameters, version.name, default=100)
    rows = version.system["checkpoints"][page.place : page.place + page.size + 1]
    answer = page.answer("checkpoints", rows, dict, lambda _: page.place + page.size)
    return Reply(payload=answer)


def patch(call: Call) -> Reply:
    """Answer models.patch of the version in the path. All versions have the same display name."""
    message = call.read_message(messages.MODEL, "model")
    version = _find_version_of_path(call)
    check_etag(message, version.make_etag())
    names = read_patch_mask(call, message, messages.MODEL, _MUTABLE)
    aliases = message.get("versionAliases", []) if "versionAliases" in names else None
    names = [name for name in names if name != "versionAliases"]
    changed = dataclasses.replace(version, fields=patch_fields(version, names, message))
    if "defaultCheckpointId" in names and changed.default_checkpoint not in version.checkpoint_ids:
        raise ArgumentError("The checkpoint does not exist.", field="default_checkpoint_id")
    changed = _touch(call, changed)
    if aliases is not None:
        kept = [alias for alias in version.aliases if alias not in aliases]
        changed = _merge_aliases(call, changed, [*aliases, *(f"-{alias}" for alias in kept)])
    if changed.default_checkpoint != version.default_checkpoint:
        _move_what_follows(call, changed)
    for other in _find_versions(call, version.id):
        if other.fields["displayName"] != changed.fields["displayName"]:
            renamed = {**other.fields, "displayName": changed.fields["displayName"]}
            call.database.update(dataclasses.replace(other, fields=renamed))
    return Reply(payload=_show(call, changed))


def merge_aliases(call: Call) -> Reply:
    """Answer models.mergeVersionAliases, which adds aliases, and removes those with a hyphen in front."""
    message = call.read_message(messages.MERGE_ALIASES, "merge_version_aliases_request")
    if not message.get("versionAliases"):
        raise ArgumentError("version_aliases is required.", field="version_aliases")
    version = _touch(call, _find_version_of_path(call))
    return Reply(payload=_show(call, _merge_aliases(call, version, message["versionAliases"])))


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

    *version* is its number or alias, '' for the default version.
    """
    found = _find_versions(call, model, at, order=_DEFAULT_FIRST)
    if version not in {"", _DEFAULT}:
        found = [kept for kept in found if version in (str(kept.version), *kept.aliases)]
    if found:
        return found[0]
    name = f"models/{model}@{version}" if version else f"models/{model}"
    raise ApiError(404, f'The Model does not exist: "{(at or lookup.read_location(call)).write_name(name)}".')


def choose_next_version(call: Call, model: ModelVersion) -> int:
    """Return the number of the next version of a model; no number is used again."""
    where = "id = :id AND project = :project AND location = :location"
    here: dict[str, Any] = {"project": model.project, "location": model.location}
    return 1 + max(item.version for item in call.database.find(ModelVersion, where, id=model.id, **here))


def _find_versions(
    call: Call, model: str, at: Location | None = None, *, order: str = "version"
) -> list[ModelVersion]:
    """Return the versions of a model that exist, in order."""
    return lookup.find_all(call, ModelVersion, "id = :id", at=at, order=order, id=model)


def _list_aliases(call: Call, version: ModelVersion) -> list[str]:
    """Return the aliases of a version, "default" too."""
    is_default = find_version(call, version.id, _DEFAULT).seq == version.seq
    return [*version.aliases, *([_DEFAULT] if is_default else [])]


def _merge_aliases(call: Call, version: ModelVersion, changes: list[str]) -> ModelVersion:
    """Add aliases to a version and write it down; an alias with a hyphen in front is removed.

    An alias belongs to one version, so the version that had it loses it. No document says so, but an alias
    names one version.
    """
    for alias in (change.removeprefix("-") for change in changes):
        if not re.fullmatch(_ALIAS, alias):
            raise ArgumentError(f"Invalid version alias: {alias[:140]}", field="version_aliases")
    if f"-{_DEFAULT}" in changes and _DEFAULT in _list_aliases(call, version):
        text = "The alias default cannot be removed; give it to another version."
        raise ArgumentError(text, field="version_aliases")
    added = [change for change in changes if not change.startswith("-")]
    gone = {change.removeprefix("-") for change in changes}
    for other in _find_versions(call, version.id):
        if other.seq != version.seq and not set(added).isdisjoint(other.aliases):
            call.database.update(_set_aliases(other, [name for name in other.aliases if name not in added]))
    kept = [name for name in version.aliases if name not in gone]
    changed = _set_aliases(version, [*kept, *dict.fromkeys(name for name in added if name != _DEFAULT)])
    if _DEFAULT in added:
        changed = _make_default(call, changed)
    call.database.update(changed)
    return changed


def _set_aliases(version: ModelVersion, aliases: list[str]) -> ModelVersion:
    return dataclasses.replace(version, fields={**version.fields, "versionAliases": aliases})


def _make_default(call: Call, version: ModelVersion) -> ModelVersion:
    """Return a version as the one that became the default version last."""
    present = find_version(call, version.id, _DEFAULT)
    since = max(present.born or 0, present.system.get("defaultSince", 0)) + 1
    return dataclasses.replace(version, system={**version.system, "defaultSince": max(call.now, since)})


def _touch(call: Call, version: ModelVersion) -> ModelVersion:
    """Write a version down as changed now, and return it."""
    touched = dataclasses.replace(version, updated=max(call.now, version.last_changed + 1))
    call.database.update(touched)
    return touched


def _move_what_follows(call: Call, version: ModelVersion) -> None:
    """Let what follows the default checkpoint follow, as the settings say. No document says what does.

    These are deployments that were asked for without a checkpoint, and the endpoint that the job shows.
    """
    moves = call.settings.vertex_default_checkpoint_moves
    if moves in {"deployments", "both"}:
        for item in serving.find_deployments(call, version):
            if item.system.get("followsDefault"):
                call.database.update(dataclasses.replace(item, checkpoint=version.default_checkpoint))
    if moves in {"job", "both"}:
        for job in call.database.find(Job, "seq = :seq", seq=version.job, now=call.now):
            tuned = job.tuned or {}
            for entry in tuned.get("checkpoints", []):
                if entry["checkpointId"] == version.default_checkpoint:
                    tuned = {**tuned, "endpoint": entry["endpoint"]}
            call.database.update(dataclasses.replace(job, tuned=tuned or None))


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
            f"{', '.join(serving.find_endpoint_names(call, deployments))}."
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
    base, original = version.system["base"], version.system.get("original")
    deployed = [item for item in serving.find_deployments(call, version) if (item.born or 0) <= call.now]
    answer: dict[str, Any] = {
        "name": version.write_name(name),
        **{key: value for key, value in version.fields.items() if key != "versionAliases"},
        "createTime": born,
        "updateTime": updated,
        "versionId": str(version.version),
        "versionAliases": _list_aliases(call, version),
        "versionCreateTime": born,
        "versionUpdateTime": updated,
        "etag": version.make_etag(),
        "modelSourceInfo": {"sourceType": "GENIE", **({"copy": True} if original else {})},
        "originalModelInfo": {"model": original} if original else None,
        "baseModelSource": {"genieSource": {"baseModelUri": f"publishers/google/models/{base}"}},
        "checkpoints": version.system["checkpoints"],
        "defaultCheckpointId": version.default_checkpoint,
        "encryptionSpec": version.system.get("encryptionSpec"),
        "deployedModels": [
            {
                "endpoint": endpoint,
                "deployedModelId": item.id,
                "checkpointId": item.checkpoint,
            }
            for item, endpoint in zip(deployed, serving.find_endpoint_names(call, deployed), strict=True)
        ],
    }
    return {key: value for key, value in answer.items() if value}
