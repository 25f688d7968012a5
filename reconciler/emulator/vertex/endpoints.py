"""Endpoints: create, get, list, patch, deployModel, undeployModel, delete.

An endpoint is deleted by a long-running operation, and only when no model is deployed to it.
"""

import dataclasses
import re
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.clock import format_time
from reconciler.emulator.errors import ApiError, ArgumentError, PreconditionError
from reconciler.emulator.vertex import lookup, messages, models, operations
from reconciler.emulator.vertex.fields import check_display_name, check_etag, check_labels, patch_fields
from reconciler.emulator.vertex.records import Endpoint

_MUTABLE = ("displayName", "description", "labels")
_COLUMNS = {
    "endpoint": "id",
    "displayName": "json_extract(fields, '$.displayName')",
    "baseModelName": "json_extract(system, '$.base')",
}


def create(call: Call) -> Reply:
    """Answer endpoints.create, with an endpoint without a model."""
    message = call.read_message(messages.ENDPOINT, "endpoint")
    fields = {key: message[key] for key in _MUTABLE if message.get(key)}
    check_display_name(fields.get("displayName", ""), "display_name", is_required=True)
    check_labels(fields.get("labels", {}))
    here: dict[str, Any] = {"id": lookup.make_id(), **lookup.read_location(call)._asdict()}
    endpoint = Endpoint(**here, fields=fields, system={"labels": {}}, born=call.now, undeployed=0)
    endpoint = call.database.add(endpoint)
    response = {"@type": "Endpoint", **_show(call, endpoint)}
    return operations.answer_done(call, "CreateEndpoint", f"endpoints/{endpoint.id}", response)


def deploy(call: Call) -> Reply:
    """Answer endpoints.deployModel, of a tuned model or of one of its checkpoints."""
    message = call.read_message(messages.DEPLOY, "deploy_model_request").get("deployedModel", {})
    endpoint = find_endpoint(call)
    if endpoint.has_model(call.now):
        raise PreconditionError("The emulator deploys one model to an endpoint.")
    match = re.fullmatch(
        r"projects/[^/]+/locations/[^/]+/models/([^/@]+)(?:@([^/@]+))?", message.get("model", "")
    )
    if match is None:
        raise ArgumentError("Invalid model name.", field="deployed_model.model")
    version = models.find_version(call, match[1], match[2] or "")
    checkpoint = message.get("checkpointId") or version.checkpoint_ids[-1]
    if checkpoint not in version.checkpoint_ids:
        raise ArgumentError("The checkpoint does not exist.", field="deployed_model.checkpoint_id")
    deployed = dataclasses.replace(
        endpoint,
        job=version.job,
        model=version.id,
        version=version.version,
        checkpoint=checkpoint,
        deployed=message.get("id") or lookup.make_id(),
        system={**version.system, "labels": {}},
        updated=call.now,
        undeployed=None,
    )
    call.database.update(deployed)
    response = {"@type": "DeployModelResponse", "deployedModel": _show_deployed_model(deployed)}
    return operations.answer_done(call, "DeployModel", f"endpoints/{endpoint.id}", response)


def get(call: Call) -> Reply:
    """Answer endpoints.get."""
    return Reply(payload=_show(call, find_endpoint(call)))


def list_endpoints(call: Call) -> Reply:
    """Answer endpoints.list, the newest first."""
    return lookup.list_page(call, Endpoint, "endpoints", _COLUMNS, "1", show=_show)


def patch(call: Call) -> Reply:
    """Answer endpoints.patch."""
    mask = call.parameters.get("update_mask", "")
    message = call.read_message(messages.ENDPOINT, "endpoint")
    endpoint = find_endpoint(call)
    check_etag(message, endpoint.make_etag(endpoint.undeployed))
    fields = patch_fields(endpoint, mask, message, messages.ENDPOINT, _MUTABLE)
    updated = max(call.now, endpoint.last_changed + 1)
    changed = dataclasses.replace(endpoint, fields=fields, updated=updated)
    call.database.update(changed)
    return Reply(payload=_show(call, changed))


def undeploy(call: Call) -> Reply:
    """Answer endpoints.undeployModel."""
    wanted = call.read_message(messages.UNDEPLOY, "undeploy_model_request").get("deployedModelId", "")
    endpoint = find_endpoint(call)
    if not wanted:
        raise ArgumentError("deployed_model_id is required.", field="deployed_model_id")
    if wanted != endpoint.deployed or not endpoint.has_model(call.now):
        raise ApiError(404, f'DeployedModel "{wanted[:40]}" is not found in Endpoint "{endpoint.name}".')
    target = f"endpoints/{endpoint.id}"
    return operations.begin(call, "undeploy", target, target, column="undeployed", products=[endpoint])


def delete(call: Call) -> Reply:
    """Answer endpoints.delete."""
    endpoint = find_endpoint(call)
    if endpoint.has_model(call.now):
        raise PreconditionError(
            f'The Endpoint "{endpoint.name}" has deployed or being-deployed DeployedModel(s): '
            f"{endpoint.deployed}. Undeploy them first."
        )
    target = f"endpoints/{endpoint.id}"
    return operations.begin(call, "delete", target, "", column="died", products=[endpoint])


def find_endpoint(call: Call) -> Endpoint:
    """Return the endpoint in the path."""
    endpoint_id = call.path["endpoint"]
    name, missing = f"endpoints/{endpoint_id}", "Endpoint `{}` not found."
    return lookup.find_one(call, Endpoint, name, "id = :id", missing, id=endpoint_id)


def _show(call: Call, endpoint: Endpoint) -> dict[str, Any]:
    """Return the Endpoint as it is now."""
    answer: dict[str, Any] = {
        "name": endpoint.name,
        **endpoint.fields,
        "etag": endpoint.make_etag(endpoint.undeployed),
        "createTime": format_time(endpoint.born or 0),
        "updateTime": format_time(endpoint.last_changed),
    }
    if "encryptionSpec" in endpoint.system:
        answer["encryptionSpec"] = endpoint.system["encryptionSpec"]
    if endpoint.has_model(call.now):
        answer["deployedModels"] = [_show_deployed_model(endpoint)]
        answer["trafficSplit"] = {endpoint.deployed: 100}
    return answer


def _show_deployed_model(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.deployed,
        "model": endpoint.write_name(f"models/{endpoint.model}@{endpoint.version}"),
        "modelVersionId": str(endpoint.version),
        "displayName": endpoint.fields["displayName"],
        "checkpointId": endpoint.checkpoint,
        "createTime": format_time(endpoint.born or 0),
    }
