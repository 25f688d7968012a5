"""Endpoints: create, get, list, patch, delete.

Creating one is a long-running operation. Deleting one is too, and is done only when no model is deployed.
"""

import dataclasses
import re
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.clock import format_time
from reconciler.emulator.errors import ApiError, ArgumentError, PreconditionError
from reconciler.emulator.vertex import lookup, messages, operations, places, serving
from reconciler.emulator.vertex.fields import (
    check_display_name,
    check_etag,
    check_labels,
    patch_fields,
    read_patch_mask,
)
from reconciler.emulator.vertex.records import Deployment, Endpoint

_MUTABLE = ("displayName", "description", "labels")
_ID = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?|[1-9][0-9]{0,8}"
# With one of these an endpoint is not a shared public one, and no tuned Gemini model can be deployed to it.
NOT_SHARED = (
    "dedicatedEndpointEnabled",
    "network",
    "enablePrivateServiceConnect",
    "privateServiceConnectConfig",
)
_COLUMNS = {
    "endpoint": "id",
    "displayName": "json_extract(fields, '$.displayName')",
    "baseModelName": (
        "(SELECT json_extract(system, '$.base') FROM vertex_deployments WHERE endpoint = vertex_endpoints.seq"
        " AND born <= :now AND (died IS NULL OR died > :now))"
    ),
}


def create(call: Call) -> Reply:
    """Answer endpoints.create, with an endpoint without a model. The caller may choose its id."""
    message = call.read_message(messages.ENDPOINT, "endpoint")
    fields = {key: message[key] for key in _MUTABLE if message.get(key)}
    check_display_name(fields.get("displayName", ""), "display_name", is_required=True)
    check_labels(fields.get("labels", {}))
    here = lookup.read_location(call)
    chosen = call.parameters.get("endpoint_id", "")
    if chosen:
        _check_id(call, chosen)
    system = {key: message[key] for key in (*NOT_SHARED, "encryptionSpec") if message.get(key)}
    endpoint = Endpoint(
        id=chosen or lookup.make_id(),
        **here._asdict(),
        fields=fields,
        system=system,
        born=None,
    )
    endpoint = call.database.add(endpoint)
    target = f"endpoints/{endpoint.id}"
    return operations.begin(
        call,
        "create",
        target,
        target,
        effect={"born": [endpoint]},
        seconds=call.settings.vertex_create_endpoint_seconds,
        response={"name": endpoint.name, **endpoint.fields},
    )


def get(call: Call) -> Reply:
    """Answer endpoints.get."""
    return Reply(payload=_show(call, find_endpoint(call)))


def list_endpoints(call: Call) -> Reply:
    """Answer endpoints.list, the newest first unless asked otherwise."""
    return lookup.list_page(call, Endpoint, "endpoints", _COLUMNS, "1", show=_show)


def patch(call: Call) -> Reply:
    """Answer endpoints.patch, at once. Labels are replaced as a whole."""
    mutable = (*_MUTABLE, "trafficSplit")
    message = call.read_message(messages.ENDPOINT, "endpoint")
    names = read_patch_mask(call, message, messages.ENDPOINT, mutable)
    endpoint = find_endpoint(call)
    present = serving.find_deployed(call, endpoint)
    check_etag(message, _make_etag(endpoint, present, serving.read_shares(call, endpoint)))
    fields = patch_fields(endpoint, [name for name in names if name in _MUTABLE], message)
    if "trafficSplit" in names:
        staying = {item.id for item in present if item.died is None}
        shares = serving.check_shares(message.get("trafficSplit"), staying)
        serving.add_split(call, endpoint, shares, call.now)
    updated = max(call.now, endpoint.last_changed + 1)
    changed = dataclasses.replace(endpoint, fields=fields, updated=updated)
    call.database.update(changed)
    return Reply(payload=_show(call, changed))


def delete(call: Call) -> Reply:
    """Answer endpoints.delete."""
    endpoint = find_endpoint(call)
    if deployed := serving.find_present(call, endpoint):
        raise PreconditionError(
            f'The Endpoint "{endpoint.name}" has deployed or being-deployed DeployedModel(s): '
            f"{', '.join(item.id for item in deployed)}. Undeploy them first."
        )
    return operations.begin(
        call,
        "delete",
        f"endpoints/{endpoint.id}",
        "",
        effect={"died": [endpoint]},
        seconds=call.settings.vertex_delete_endpoint_seconds,
    )


def find_endpoint(call: Call) -> Endpoint:
    """Return the endpoint in the path."""
    endpoint_id = call.path["endpoint"]
    name, missing = f"endpoints/{endpoint_id}", "Endpoint `{}` not found."
    return lookup.find_one(call, Endpoint, name, "id = :id", missing, id=endpoint_id)


def _check_id(call: Call, chosen: str) -> None:
    """Raise a 400 for an id that no endpoint can have, and a 409 for one that is taken.

    No document has the texts, nor says whether ids can be chosen in multi-regions.
    """
    here = lookup.read_location(call)
    if not re.fullmatch(_ID, chosen):
        raise ArgumentError(
            f"Invalid endpoint_id: {chosen[:80]}. An id that begins with a letter has at most 63 of "
            "[a-z0-9-], the last of which is a letter or digit. One that begins with a digit has at most 9 "
            "digits, without a leading zero.",
            field="endpoint_id",
        )
    if here.location in places.MULTI_REGIONS and call.settings.vertex_endpoint_ids == "regions":
        raise ArgumentError(f"endpoint_id is not supported in {here.location}.", field="endpoint_id")
    where = "id = :id AND project = :project AND location = :location"
    is_alive = "born IS NOT NULL AND (died IS NULL OR died > :now)"
    if call.database.count(Endpoint, f"{where} AND {is_alive}", id=chosen, now=call.now, **here._asdict()):
        name = here.write_name(f"endpoints/{chosen}")
        raise ApiError(409, f"Endpoint {name} already exists.")


def _make_etag(endpoint: Endpoint, deployed: list[Deployment], shares: dict[str, int]) -> str:
    """Return the etag, which a patch, a deployed model and a split of the traffic change."""
    return endpoint.make_etag([item.seq for item in deployed], shares)


def _show(call: Call, endpoint: Endpoint) -> dict[str, Any]:
    """Return the Endpoint as it is now."""
    deployed, shares = serving.find_deployed(call, endpoint), serving.read_shares(call, endpoint)
    answer: dict[str, Any] = {
        "name": endpoint.name,
        **endpoint.fields,
        "deployedModels": [serving.show_deployed_model(item) for item in deployed],
        "trafficSplit": shares,
        "etag": _make_etag(endpoint, deployed, shares),
        "createTime": format_time(endpoint.born or 0),
        "updateTime": format_time(endpoint.last_changed),
        **{key: endpoint.system[key] for key in (*NOT_SHARED, "encryptionSpec") if key in endpoint.system},
    }
    return {key: value for key, value in answer.items() if value}
