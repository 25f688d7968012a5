"""Copies of models: models.copy, to another region, to another project, or as a new version.

A copy is a model of its own. It answers like its source, also when the source was deleted. Its aliases,
encryption and deployments are not carried. It is made by a long-running operation. No document says whether a
copy has the default checkpoint of its source, or the last one.
"""

import re
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError, ArgumentError
from reconciler.emulator.vertex import lookup, messages, models, operations, places
from reconciler.emulator.vertex.fields import check_key
from reconciler.emulator.vertex.records import Location, ModelVersion

_ID = r"[a-z_][a-z0-9_-]{0,62}"
_CARRIED = ("displayName", "description", "versionDescription")


def copy(call: Call) -> Reply:
    """Answer models.copy."""
    message = call.read_message(messages.COPY, "copy_model_request")
    here, name = lookup.read_location(call), message.get("sourceModel", "")
    match = re.fullmatch(lookup.MODEL_NAME, name)
    if match is None:
        raise ArgumentError("Invalid source model name.", field="source_model")
    there, account = lookup.read_location_of(name), message.get("customServiceAccount", "")
    if account and not re.fullmatch(r"[^@\s]+@[^@\s]+", account):
        raise ArgumentError("Invalid service account.", field="custom_service_account")
    _check_scope(call, there, here)
    key = message.get("encryptionSpec")
    if key:
        check_key(key, here.location, "encryption_spec.kms_key_name")
    refusal = _find_refusal(call, name, account)
    if refusal and call.settings.vertex_copy_refusal == "call":
        raise refusal
    source = models.find_version(call, match["model"], match["version"] or "", at=there)
    model_id, number = _choose_id(call, message)
    made = call.database.add(_make_copy(call, source, model_id, number, key))
    target = f"models/{model_id}"
    return operations.begin(
        call,
        "copy",
        target,
        target,
        effect={"born": [made]},
        seconds=call.settings.vertex_copy_seconds,
        response={"model": here.write_name(target), "modelVersionId": str(number)},
        error=refusal,
    )


def _make_copy(
    call: Call, source: ModelVersion, model_id: str, number: int, key: dict[str, Any] | None
) -> ModelVersion:
    """Return the copy of a version, which does not exist yet."""
    carries = call.settings.vertex_copy_carries
    fields = {name: source.fields[name] for name in _CARRIED if source.fields.get(name)}
    system = {**source.knowledge, "checkpoints": [], "original": source.name}
    if "labels" in carries and source.fields.get("labels"):
        fields["labels"] = source.fields["labels"]
    if "checkpoints" in carries:
        system["checkpoints"] = source.system["checkpoints"]
    if {"checkpoints", "default_checkpoint"} <= {*carries}:
        fields["defaultCheckpointId"] = source.default_checkpoint
    if key:
        system["encryptionSpec"] = key
    here = lookup.read_location(call)._asdict()
    return ModelVersion(id=model_id, **here, version=number, fields=fields, system=system, born=None)


def _choose_id(call: Call, message: dict[str, Any]) -> tuple[str, int]:
    """Return the id of the copy and its version; a 400 or 409 for an id that it cannot have."""
    here = lookup.read_location(call)
    if parent := message.get("parentModel", ""):
        match = re.fullmatch(lookup.MODEL_NAME, parent)
        if match is None or match["version"] or lookup.read_location_of(parent) != here:
            raise ArgumentError("parent_model must be a Model of the parent.", field="parent_model")
        found = models.find_version(call, match["model"], "")
        return found.id, models.choose_next_version(call, found)
    chosen = message.get("modelId", "")
    if not chosen:
        return lookup.make_id(), 1
    if not re.fullmatch(_ID, chosen):
        text = (
            f"Invalid model_id: {chosen[:80]}. It has at most 63 of [a-z0-9_-], and the first one is no "
            "number and no hyphen."
        )
        raise ArgumentError(text, field="model_id")
    is_alive = "born IS NOT NULL AND (died IS NULL OR died > :now)"
    where = f"id = :id AND project = :project AND location = :location AND {is_alive}"
    if call.database.count(ModelVersion, where, id=chosen, now=call.now, **here._asdict()):
        raise ApiError(409, f"Model {here.write_name(f'models/{chosen}')} already exists.")
    return chosen, 1


def _check_scope(call: Call, there: Location, here: Location) -> None:
    """Raise a 400 for a copy over a distance that the settings forbid. The documents contradict each other.

    One page shows a copy to another project and region in one call, and Google's own guide does one after the
    other. The discovery document says that the source must be in the same project. The texts are ours.
    """
    scope = call.settings.vertex_copy_scope
    is_elsewhere = there.project != here.project
    if is_elsewhere and scope == "one_project":
        raise ArgumentError("The source model must be in the same project.", field="source_model")
    if is_elsewhere and there.location != here.location and scope == "one_at_a_time":
        text = "The source model must be in the same project or in the same location."
        raise ArgumentError(text, field="source_model")
    if here.location in places.MULTI_REGIONS and not call.settings.vertex_copy_to_multi_regions:
        raise ArgumentError(f"Models cannot be copied to {here.location}.", field="parent")


def _find_refusal(call: Call, name: str, account: str) -> ApiError | None:
    """Return the 403 of a copy out of another project without the role there, or None.

    The role is granted to the service agent of the destination's project, or to an account that the caller
    names. Each project is given by its id or its number.
    """
    source, destination = (
        lookup.make_project_number(project) for project in (name.split("/")[1], call.path["project"])
    )
    if source == destination:
        return None
    for grant in call.settings.vertex_copy_grants:
        project, _, grantee = grant.partition(">")
        if "@" not in grantee:
            grantee = lookup.make_project_number(grantee)
        if grant == "*" or (lookup.make_project_number(project), grantee) == (source, account or destination):
            return None
    return lookup.make_permission_error("aiplatform.models.export", name)
