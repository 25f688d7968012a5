"""What stands on an endpoint: the models that are deployed to it, and the split of its traffic."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.emulator.call import Call
from reconciler.emulator.clock import format_time
from reconciler.emulator.errors import ArgumentError, PreconditionError
from reconciler.emulator.vertex import lookup
from reconciler.emulator.vertex.records import Deployment, Endpoint, ModelVersion, Split

_IS_DEPLOYED = "born <= :now AND (died IS NULL OR died > :now)"


def find_deployed(call: Call, endpoint: Endpoint) -> list[Deployment]:
    """Return what is deployed to an endpoint, in order."""
    where = f"endpoint = :endpoint AND {_IS_DEPLOYED}"
    return call.database.find(Deployment, where, endpoint=endpoint.seq, now=call.now)


def find_present(call: Call, endpoint: Endpoint) -> list[Deployment]:
    """Return what is deployed to an endpoint or being deployed to it, in order."""
    where = "endpoint = :endpoint AND born IS NOT NULL AND (died IS NULL OR died > :now)"
    return call.database.find(Deployment, where, endpoint=endpoint.seq, now=call.now)


def find_deployments(call: Call, version: ModelVersion) -> list[Deployment]:
    """Return where a version of a model is deployed or being deployed, in any location of its project."""
    where = "model = :model AND born IS NOT NULL AND (died IS NULL OR died > :now)"
    return call.database.find(Deployment, where, model=version.name, now=call.now)


def find_endpoint_names(call: Call, deployments: Sequence[Deployment]) -> list[str]:
    """Return the resource names of the endpoints of deployments, in their order."""
    numbers = ", ".join(str(item.endpoint) for item in deployments)
    names = {item.seq: item.name for item in call.database.find(Endpoint, f"rowid IN ({numbers})")}
    return [names[item.endpoint] for item in deployments]


def read_shares(call: Call, endpoint: Endpoint) -> dict[str, int]:
    """Return the percentage of the traffic that each deployed model gets, by its id."""
    where = "endpoint = :endpoint AND born <= :now"
    order = "born DESC, rowid DESC"
    splits = call.database.find(Split, where, order=order, limit=1, endpoint=endpoint.seq, now=call.now)
    return splits[0].shares if splits else {}


def add_split(call: Call, endpoint: Endpoint, shares: Mapping[str, int], born: int | None) -> Split:
    """Write down a split of an endpoint's traffic, which holds from *born* on; None for not yet."""
    return call.database.add(Split(endpoint=endpoint.seq, shares=dict(shares), born=born))


def check_shares(value: object, deployed: set[str]) -> dict[str, int]:
    """Return a trafficSplit of a request; a 400 if it is not one of models that are *deployed*.

    The percentages add up to 100, or there are none. No document has the texts of these errors but the one
    about ids that do not exist.
    """
    at = "traffic_split"
    shares = {key: _read_percentage(share) for key, share in value.items()} if isinstance(value, dict) else {}
    if not (value is None or isinstance(value, dict)) or not all(
        0 <= share <= 100 for share in shares.values()
    ):
        raise ArgumentError("A traffic split has percentages, 0 to 100, by DeployedModel ID.", field=at)
    if unknown := [key for key in shares if key not in deployed]:
        text = f"The following DeployedModel ID(s) [{', '.join(unknown)}] do not exist."
        raise ArgumentError(text[:500], field=at)
    total = sum(shares.values())
    if shares and total != 100:
        text = f"The percentages of the traffic split must add up to 100; they add up to {total}."
        raise ArgumentError(text, field=at)
    return {key: share for key, share in shares.items() if share}


def show_deployed_model(deployment: Deployment) -> dict[str, Any]:
    """Return the DeployedModel."""
    checkpoint = {"checkpointId": deployment.checkpoint} if deployment.checkpoint else {}
    return {
        "id": deployment.id,
        "model": deployment.model,
        "modelVersionId": deployment.model.rpartition("@")[2],
        **deployment.fields,
        **checkpoint,
        "createTime": format_time(deployment.system.get("created", deployment.born) or 0),
    }


def choose(call: Call, endpoint: Endpoint, prompt: str) -> Deployment:
    """Return the deployed model that answers a prompt; a 400 if the endpoint sends its traffic nowhere.

    It is drawn by the shares of the traffic. The same prompt at the same time draws the same one.
    """
    shares = read_shares(call, endpoint)
    deployed = [item for item in find_deployed(call, endpoint) if shares.get(item.id)]
    if not deployed:
        raise PreconditionError(f"Endpoint {endpoint.name} doesn't have traffic_split.")
    number = lookup.draw(f"{call.now}/{prompt}", 100)
    for item in deployed:
        number -= shares[item.id]
        if number < 0:
            return item
    return deployed[-1]


def _read_percentage(value: object) -> int:
    """Return an integer as JSON of protobuf may write it: a number, or text; -1 for anything else."""
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"[0-9]{1,3}", value) else -1
    is_whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    return int(value) if is_whole and isinstance(value, int | float) else -1
