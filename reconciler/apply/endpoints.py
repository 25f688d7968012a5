"""Makes the calls of the steps that are about a stable endpoint. See `execute`."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from msgspec.structs import replace

from reconciler.apply.subject import Subject
from reconciler.model.endpoint import Serving
from reconciler.model.live import Status
from reconciler.observe import make_handle
from reconciler.plan import steps
from reconciler.plan.recording import Deploying, Done, EndpointReady, Outcome, list_undeployed
from reconciler.providers import EndpointHandle, Endpoints, Fence, Handle, Provider, Training
from reconciler.state.values import Record, RecordedEndpoint, RecordedModel

EndpointStep: TypeAlias = (
    steps.CreateEndpoint
    | steps.Deploy
    | steps.AwaitDeployment
    | steps.AwaitDrain
    | steps.Undeploy
    | steps.DeleteEndpoint
    | steps.SetDefaultCheckpoint
)


def execute_at_endpoint(step: EndpointStep, provider: Provider, subject: Subject, fence: Fence) -> Outcome:
    """Execute a step at the stable endpoint of an address.

    Raises:
        ServiceError: see `providers.Endpoints`.
    """
    endpoints, record = require_endpoints(provider), subject.record
    match step:
        case steps.CreateEndpoint():
            return _create(step, endpoints, subject, fence)
        case steps.Deploy():
            model = find_role(record, step.of)
            checkpoint = step.checkpoint or find_checkpoint(record, step.of)
            handle = make_endpoint_handle(record, trial=step.trial)
            return Deploying(endpoints.deploy(handle, model, checkpoint, fence=fence))
        case steps.AwaitDeployment():
            return look_at_deployment(step, provider, record)
        case steps.AwaitDrain():
            return Training(Status.ACTIVE)
        case steps.Undeploy():
            endpoints.undeploy(
                make_endpoint_handle(record, step.endpoint), list_undeployed(step, record), fence=fence
            )
        case steps.SetDefaultCheckpoint():
            if checkpoint := find_checkpoint(record, step.of):
                endpoints.set_default_checkpoint(find_role(record, step.of), checkpoint, fence=fence)
        case steps.DeleteEndpoint():
            _delete(step, endpoints, record, fence)
        case _:
            assert_never(step)
    return Done()


def make_endpoint_handle(record: Record, id: str = "", *, trial: bool = False) -> EndpointHandle:
    """Make the handle of the recorded endpoint with this id, by default of the address's own.

    `trial`: of the one for checks.
    """
    endpoint = _find_endpoint(record, id, trial=trial)
    return EndpointHandle(endpoint.id, endpoint.name, endpoint.location)


def _delete(step: steps.DeleteEndpoint, endpoints: Endpoints, record: Record, fence: Fence) -> None:
    if step.trial and record.trial is None:
        return
    found = _find_endpoint(record, step.id, trial=step.trial)
    if found.name:
        handle = EndpointHandle(found.id, found.name, found.location)
        ids = (found.deployed,) if step.trial and found.deployed else step.ids
        endpoints.undeploy(handle, ids, fence=fence)
        endpoints.delete(handle, fence=fence)


def _find_endpoint(record: Record, id: str = "", *, trial: bool = False) -> RecordedEndpoint:
    """Return the recorded endpoint with this id, by default the address's own."""
    found = next((one for one in record.endpoints if one.id == id), record.endpoint if not id else None)
    found = record.trial if trial else found
    if found is None:
        raise AssertionError(f"{record.address}: no endpoint {id} is recorded")
    return found


def find_role(record: Record, role: steps.Role) -> Handle:
    """Return the handle of the model in this role."""
    return make_handle(require_model(record, role))


def find_checkpoint(record: Record, role: steps.Role) -> str:
    """Return the chosen checkpoint of the model in this role. "" if none was chosen."""
    return require_model(record, role).checkpoint


def require_model(record: Record, role: steps.Role) -> RecordedModel:
    """Return the model in this role, which is recorded by now."""
    model = record.candidate if role is steps.Role.CANDIDATE else record.serving
    if model is None:
        raise AssertionError(f"{record.address}: no {role} model is recorded")
    return model


def require_endpoints(provider: Provider) -> Endpoints:
    """Return the provider's endpoints. Only a kind that has them may declare one."""
    endpoints = provider.endpoints
    if endpoints is None:
        raise AssertionError(f"{provider.kind.name} has no endpoints")
    return endpoints


def _create(
    step: steps.CreateEndpoint, endpoints: Endpoints, subject: Subject, fence: Fence
) -> EndpointReady:
    if subject.desired is None:
        raise AssertionError(f"{subject.record.address}: no endpoint is created that no manifest declares")
    recorded = _find_endpoint(subject.record, trial=step.trial)
    desired = subject.desired
    if step.trial:  # it is where the copy is
        desired = replace(desired, serving=Serving(recorded.id))
    handle = endpoints.make_handle(desired)
    location = recorded.location or handle.location
    handle = replace(handle, id=recorded.id, name=recorded.name, location=location)
    is_ours = step.adopts or bool(recorded.name)
    live = endpoints.create(handle, subject.find_handle(), step.owner, is_ours=is_ours, fence=fence)
    return EndpointReady(live.name, live.location)


def look_at_deployment(step: steps.AwaitDeployment, provider: Provider, record: Record) -> Training:
    """Read how a deployment goes."""
    operation = _find_endpoint(record, trial=step.trial).operation
    handle = make_endpoint_handle(record, trial=step.trial)
    return require_endpoints(provider).poll(
        handle,
        find_role(record, step.of),
        operation,
        step.checkpoint or find_checkpoint(record, step.of),
    )
