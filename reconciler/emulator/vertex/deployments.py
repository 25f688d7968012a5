"""Deploying models: deployModel, undeployModel and mutateDeployedModel, which are long-running operations.

A tuned Gemini model is deployed to a shared public endpoint. It runs on Google's own machines, so a request
has no machine resources.
"""

import dataclasses
import re
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.clock import SECOND
from reconciler.emulator.errors import ApiError, ArgumentError, PreconditionError
from reconciler.emulator.protojson import read_mask, to_camel
from reconciler.emulator.vertex import endpoints, lookup, messages, models, operations, places, serving
from reconciler.emulator.vertex.fields import check_display_name
from reconciler.emulator.vertex.records import Deployment, Endpoint, ModelVersion

_RESOURCES = ("automaticResources", "dedicatedResources", "sharedResources")
_MUTABLE = ("disableContainerLogging",)
# What a request calls the model that it deploys.
_NEW = "0"


def deploy(call: Call) -> Reply:
    """Answer endpoints.deployModel, of a tuned model or of one of its checkpoints."""
    message = call.read_message(messages.DEPLOY, "deploy_model_request")
    asked = message.get("deployedModel", {})
    endpoint = endpoints.find_endpoint(call)
    version = _find_model(call, asked.get("model", ""))
    operations.check_idle(call, f"endpoints/{endpoint.id}")
    present = serving.find_present(call, endpoint)
    _check_place(call, endpoint, is_empty=not present)
    if not places.can_serve(call.settings, version.system["base"], endpoint.location):
        text = (
            f"Models tuned from {version.system['base']} serve only in {' and '.join(places.MULTI_REGIONS)}."
        )
        raise PreconditionError(text)
    if resources := [name for name in _RESOURCES if name in asked]:
        raise PreconditionError(f"A tuned Gemini model is deployed without {resources[0]}.")
    check_display_name(asked.get("displayName", ""), "deployed_model.display_name")
    deployed_id = _choose_id(asked.get("id", ""), {item.id for item in present})
    shares = serving.check_shares(message.get("trafficSplit"), {_NEW, *(item.id for item in present)})
    deployment = Deployment(
        id=deployed_id,
        project=endpoint.project,
        location=endpoint.location,
        fields={"displayName": asked.get("displayName") or version.fields["displayName"]},
        system={**version.knowledge, "followsDefault": not asked.get("checkpointId")},
        born=None,
        endpoint=endpoint.seq,
        model=version.name,
        checkpoint=_choose_checkpoint(version, asked.get("checkpointId", "")),
    )
    deployment = call.database.add(deployment)
    begun: list[Any] = [deployment]
    if shares:
        named = {deployed_id if key == _NEW else key: share for key, share in shares.items()}
        begun.append(serving.add_split(call, endpoint, named, None))
    seconds = call.settings.vertex_deploy_seconds
    born = call.now + round(seconds * SECOND)
    shown = serving.show_deployed_model(dataclasses.replace(deployment, born=born))
    return operations.begin(
        call,
        "deploy",
        *_name_target(endpoint),
        effect={"born": begun},
        seconds=seconds,
        response={"deployedModel": shown},
    )


def undeploy(call: Call) -> Reply:
    """Answer endpoints.undeployModel: of a model without traffic, or whose traffic goes elsewhere."""
    message = call.read_message(messages.UNDEPLOY, "undeploy_model_request")
    wanted = message.get("deployedModelId", "")
    endpoint = endpoints.find_endpoint(call)
    deployment = _find_deployment(call, endpoint, wanted)
    operations.check_idle(call, f"endpoints/{endpoint.id}")
    deployed = {item.id for item in serving.find_deployed(call, endpoint)}
    shares = serving.check_shares(message.get("trafficSplit"), deployed)
    is_last = deployed == {wanted}
    present = shares or serving.read_shares(call, endpoint)
    if wanted in present and not is_last:
        text = (
            f'DeployedModel "{wanted}" of Endpoint "{endpoint.name}" has {present[wanted]} % of the traffic. '
            "Give its traffic to others in traffic_split."
        )
        raise PreconditionError(text)
    effect: dict[str, list[Any]] = {"died": [deployment]}
    if shares or is_last:
        effect["born"] = [serving.add_split(call, endpoint, {} if is_last else shares, None)]
    seconds = call.settings.vertex_operation_seconds
    return operations.begin(call, "undeploy", *_name_target(endpoint), effect=effect, seconds=seconds)


def mutate(call: Call) -> Reply:
    """Answer endpoints.mutateDeployedModel, which does not change the checkpoint.

    A model without machines of its own has only its logging to change.
    """
    message = call.read_message(messages.MUTATE, "mutate_deployed_model_request")
    asked = message.get("deployedModel", {})
    endpoint = endpoints.find_endpoint(call)
    deployment = _find_deployment(call, endpoint, asked.get("id", ""))
    mask = message.get("updateMask", "")
    if not mask:
        raise ArgumentError("update_mask is required.", field="update_mask")
    if any(to_camel(path.partition(".")[0].strip()) in _RESOURCES for path in mask.split(",")):
        raise PreconditionError("The DeployedModel has no machine resources of its own.")
    names = read_mask(mask, messages.DEPLOYED_MODEL, _MUTABLE)
    fields = {key: value for key, value in deployment.fields.items() if key not in names}
    changed = dataclasses.replace(
        deployment,
        fields={**fields, **{name: asked[name] for name in names if asked.get(name)}},
        system={"created": deployment.born, **deployment.system},
        born=None,
    )
    # The changed one takes the place of the present one when the operation ends.
    changed = call.database.add(changed)
    return operations.begin(
        call,
        "mutate",
        *_name_target(endpoint),
        effect={"died": [deployment], "born": [changed]},
        seconds=call.settings.vertex_operation_seconds,
        response={"deployedModel": serving.show_deployed_model(changed)},
    )


def _name_target(endpoint: Endpoint) -> tuple[str, str]:
    """Return what an operation on an endpoint works on, and what its name begins with: the endpoint."""
    return f"endpoints/{endpoint.id}", f"endpoints/{endpoint.id}"


def _find_model(call: Call, name: str) -> ModelVersion:
    """Return the version of a model that *name* means. The model may be in another location."""
    match = re.fullmatch(lookup.MODEL_NAME, name)
    if match is None:
        raise ArgumentError("Invalid model name.", field="deployed_model.model")
    there = lookup.read_location_of(name)
    if there.project != lookup.read_location(call).project:
        raise lookup.make_permission_error("aiplatform.models.get", name)
    version = models.find_version(call, match["model"], match["version"] or "", at=there)
    if version.died is not None:
        raise PreconditionError(f'The Model "{version.name}" is being deleted.')
    return version


def _check_place(call: Call, endpoint: Endpoint, *, is_empty: bool) -> None:
    """Raise a 400 if no tuned model, or no second one, can be deployed to an endpoint.

    Whether a second one can, no document says. So it is a setting, and the text is ours.
    """
    if private := [name for name in endpoints.NOT_SHARED if name in endpoint.system]:
        raise PreconditionError(
            f'The Endpoint "{endpoint.name}" has {private[0]}; '
            "a tuned Gemini model can be deployed only to a shared public endpoint."
        )
    policy, is_of_service = call.settings.vertex_second_model, bool(endpoint.job)
    if not is_empty and (policy == "refuse" or (policy == "refuse_on_service_endpoints" and is_of_service)):
        raise PreconditionError(
            f'The Endpoint "{endpoint.name}" already has a DeployedModel; '
            "a second tuned Gemini model cannot be deployed to it."
        )


def _choose_id(asked: str, taken: set[str]) -> str:
    """Return the id of a deployed model: 1 to 10 digits if the caller chose it, else 19."""
    if not asked:
        return lookup.make_id()
    if not re.fullmatch(r"[0-9]{1,10}", asked) or asked == _NEW:
        raise ArgumentError("A DeployedModel ID has 1 to 10 digits, and is not 0.", field="deployed_model.id")
    if asked in taken:
        raise ApiError(409, f"The DeployedModel ID {asked} already exists.")
    return asked


def _choose_checkpoint(version: ModelVersion, asked: str) -> str:
    checkpoint = asked or version.default_checkpoint
    if checkpoint and checkpoint not in version.checkpoint_ids:
        raise ArgumentError("The checkpoint does not exist.", field="deployed_model.checkpoint_id")
    return checkpoint


def _find_deployment(call: Call, endpoint: Endpoint, wanted: str) -> Deployment:
    if not wanted:
        raise ArgumentError("deployed_model_id is required.", field="deployed_model_id")
    for deployment in serving.find_deployed(call, endpoint):
        if deployment.id == wanted:
            return deployment
    raise ApiError(404, f'DeployedModel "{wanted[:40]}" is not found in Endpoint "{endpoint.name}".')
