"""Endpoints of tuned models: create, get, list, patch, deployModel, undeployModel, delete.

An endpoint is deleted by a long-running operation, and only when nothing is deployed to it.
"""

import dataclasses
import hashlib
import re
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError, failed_precondition, invalid
from reconciler.emulator.gemini.progress import six_digits
from reconciler.emulator.update_masks import apply_mask, check_etag
from reconciler.emulator.vertex.listing import page
from reconciler.emulator.vertex.messages import DEPLOY, ENDPOINT, UNDEPLOY
from reconciler.emulator.vertex.names import check_display_name, check_labels, full_name, new_id, place
from reconciler.emulator.vertex.operations import begin, done_at_once
from reconciler.emulator.vertex.records import Endpoint, Records
from reconciler.emulator.vertex.versions import ALIVE, HERE, find_version

_COLUMNS = {
    "endpoint": "id",
    "displayName": "json_extract(fields, '$.displayName')",
    "baseModelName": "json_extract(system, '$.base')",
}


def create(call: Call) -> Reply:
    """endpoints.create: an empty one."""
    call.parameters("endpoint_id")
    asked = call.message(ENDPOINT, "endpoint")
    fields = {key: asked[key] for key in ("displayName", "description", "labels") if asked.get(key)}
    if "displayName" not in fields:
        raise invalid("display_name is required.", field="display_name")
    check_display_name(fields["displayName"], "display_name")
    check_labels(fields.get("labels", {}))
    made = Endpoint(
        id=new_id(),
        **place(call),
        job=0,
        model="",
        version=0,
        checkpoint="",
        deployed="",
        fields=fields,
        system={"labels": {}},
        born=call.now,
        undeployed=0,
    )
    Records(call.store.connection).add(made)
    call.effect = True
    response = {"@type": "Endpoint", **_shown(made, call.now)}
    return Reply(payload=done_at_once(call, "CreateEndpoint", f"endpoints/{made.id}", response))


def deploy(call: Call) -> Reply:
    """endpoints.deployModel: of a tuned model, or of one of its checkpoints."""
    call.parameters()
    asked = call.message(DEPLOY, "deploy_model_request").get("deployedModel", {})
    records = Records(call.store.connection)
    endpoint = find_endpoint(call, records)
    if is_deployed(endpoint, call.now):
        raise failed_precondition("The emulator deploys one model to an endpoint.")
    match = re.fullmatch(
        r"projects/[^/]+/locations/[^/]+/models/([^/@]+)(?:@([^/@]+))?", asked.get("model", "")
    )
    if match is None:
        raise invalid("Invalid model name.", field="deployed_model.model")
    version = find_version(call, records, match[1], match[2] or "")
    known = [item["checkpointId"] for item in version.system["checkpoints"]]
    checkpoint = asked.get("checkpointId") or known[-1]
    if checkpoint not in known:
        raise invalid("The checkpoint does not exist.", field="deployed_model.checkpoint_id")
    deployed = dataclasses.replace(
        endpoint,
        job=version.job,
        model=version.id,
        version=version.version,
        checkpoint=checkpoint,
        deployed=asked.get("id") or new_id(),
        system={**version.system, "labels": {}},
        updated=call.now,
        undeployed=None,
    )
    records.put(deployed)
    call.effect = True
    (shown,) = _shown(deployed, call.now)["deployedModels"]
    response = {"@type": "DeployModelResponse", "deployedModel": shown}
    return Reply(payload=done_at_once(call, "DeployModel", f"endpoints/{endpoint.id}", response))


def get(call: Call) -> Reply:
    """endpoints.get."""
    call.parameters()
    return Reply(payload=_shown(find_endpoint(call, Records(call.store.connection)), call.now))


def list_endpoints(call: Call) -> Reply:
    """endpoints.list: the newest first."""
    names = ("filter", "page_size", "page_token", "order_by", "read_mask", "gdc_zone")
    return page(
        call,
        Endpoint,
        call.parameters(*names),
        key="endpoints",
        columns=_COLUMNS,
        where=ALIVE,
        shown=lambda endpoint: _shown(endpoint, call.now),
    )


def patch(call: Call) -> Reply:
    """endpoints.patch."""
    parameters = call.parameters("update_mask")
    asked = call.message(ENDPOINT, "endpoint")
    records = Records(call.store.connection)
    endpoint = find_endpoint(call, records)
    check_etag(asked, _etag(endpoint))
    fields = apply_mask(
        parameters.get("update_mask", ""),
        asked,
        endpoint.fields,
        ENDPOINT,
        ("displayName", "description", "labels"),
    )
    fields["labels"] = {**fields.get("labels", {}), **endpoint.system["labels"]}
    updated = max(call.now, _updated(endpoint) + 1)
    changed = dataclasses.replace(endpoint, fields=fields, updated=updated)
    records.put(changed)
    call.effect = True
    return Reply(payload=_shown(changed, call.now))


def undeploy(call: Call) -> Reply:
    """endpoints.undeployModel."""
    call.parameters()
    asked = call.message(UNDEPLOY, "undeploy_model_request")
    records = Records(call.store.connection)
    endpoint = find_endpoint(call, records)
    wanted = asked.get("deployedModelId", "")
    if not wanted:
        raise invalid("deployed_model_id is required.", field="deployed_model_id")
    if wanted != endpoint.deployed or not is_deployed(endpoint, call.now):
        name = _name(endpoint)
        raise ApiError(404, f'DeployedModel "{wanted[:40]}" is not found in Endpoint "{name}".')
    effect = {"undeployed": {"vertex_endpoints": [endpoint.seq]}}
    target = f"endpoints/{endpoint.id}"
    return Reply(payload=begin(call, records, "undeploy", target, target, effect=effect))


def delete(call: Call) -> Reply:
    """endpoints.delete."""
    call.parameters()
    records = Records(call.store.connection)
    endpoint = find_endpoint(call, records)
    if is_deployed(endpoint, call.now):
        raise failed_precondition(
            f'The Endpoint "{_name(endpoint)}" has deployed or being-deployed DeployedModel(s): '
            f"{endpoint.deployed}. Undeploy them first."
        )
    effect = {"died": {"vertex_endpoints": [endpoint.seq]}}
    return Reply(payload=begin(call, records, "delete", f"endpoints/{endpoint.id}", "", effect=effect))


def find_endpoint(call: Call, records: Records) -> Endpoint:
    """Return the endpoint of the path."""
    where, here = f"id = :id AND {HERE} AND {ALIVE}", place(call)
    found = records.find(Endpoint, where, id=call.path["endpoint"], now=call.now, **here)
    if not found:
        name = full_name(here["project"], here["location"], f"endpoints/{call.path['endpoint']}")
        raise ApiError(404, f"Endpoint `{name}` not found.")
    return found[0]


def is_deployed(endpoint: Endpoint, now: int) -> bool:
    """Whether the endpoint still has its model."""
    return endpoint.undeployed is None or endpoint.undeployed > now


def _name(endpoint: Endpoint) -> str:
    return full_name(endpoint.project, endpoint.location, f"endpoints/{endpoint.id}")


def _updated(endpoint: Endpoint) -> int:
    return max(endpoint.updated or 0, endpoint.born or 0)


def _etag(endpoint: Endpoint) -> str:
    seen = f"{endpoint.seq}/{_updated(endpoint)}/{endpoint.undeployed}"
    return "AMEw9y" + hashlib.blake2b(seen.encode(), digest_size=12).hexdigest()


def _shown(endpoint: Endpoint, now: int) -> dict[str, Any]:
    """Return the Endpoint as it is at *now*."""
    born = six_digits(endpoint.born or 0)
    answer: dict[str, Any] = {
        "name": _name(endpoint),
        **endpoint.fields,
        "etag": _etag(endpoint),
        "createTime": born,
        "updateTime": six_digits(_updated(endpoint)),
    }
    if "encryptionSpec" in endpoint.system:
        answer["encryptionSpec"] = endpoint.system["encryptionSpec"]
    if not is_deployed(endpoint, now):
        return answer
    deployed = {
        "id": endpoint.deployed,
        "model": full_name(
            endpoint.project, endpoint.location, f"models/{endpoint.model}@{endpoint.version}"
        ),
        "modelVersionId": str(endpoint.version),
        "displayName": endpoint.fields["displayName"],
        "checkpointId": endpoint.checkpoint,
        "createTime": born,
    }
    return {**answer, "deployedModels": [deployed], "trafficSplit": {endpoint.deployed: 100}}
