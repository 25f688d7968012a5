"""Deletes a tuned model or a copy: cancels, undeploys, deletes its endpoints, deletes the model.

Rule: every step looks before it acts, and a missing resource counts as deleted. So the next run completes a
deletion that a crash interrupted. Models that others deployed on our endpoint are kept, and so are other
versions of our model. A model that stands on an endpoint of somebody else is kept with its own endpoints: the
service would refuse to delete it, and leave it without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from msgspec import Struct

from reconciler import errors
from reconciler.providers import Fence
from reconciler.providers.google.calls import get_or_none
from reconciler.providers.google.exactly_once import count_looks
from reconciler.providers.google.json import (
    JsonObject,
    explain_another,
    read_list,
    read_objects,
    read_text,
    require_object,
)
from reconciler.providers.vertex import codec, names
from reconciler.providers.vertex.jobs import Jobs
from reconciler.providers.vertex.regions import Regions, is_beside
from reconciler.providers.vertex.resources import ENDPOINTS, JOBS, MODELS, Resources
from reconciler.redaction import make_printable

CANCEL_SECONDS = 20.0
"""A cancelled job is watched for this time. If it takes longer, a later run deletes it."""
OPERATION_SECONDS = 600.0
"""The time limit of one step."""
BUSY_SECONDS = 30.0
"""A call that the resource's state forbids is repeated for this time, because an operation may end."""
_NOT_FOUND = 5
"""google.rpc.Code."""


class Deletion(Struct, frozen=True):
    """Deletes a model with the endpoints that are its own. Calls `fence` before each sending."""

    _regions: Regions
    _resources: Resources
    _fence: Fence

    def delete_model(self, ours: str, made: Iterable[str]) -> None:
        """Delete these endpoints, then the model.

        Args:
            ours: the model's name with its version. "" for no model.
            made: its own endpoints. One that has other models too is kept.
        """
        for endpoint in made:
            self._retry_while_busy(self._delete_endpoint, endpoint, ours)
        if ours:
            self._retry_while_busy(self._delete_model, ours)

    def cancel_operation(self, name: str) -> None:
        """Cancel an operation, and wait until it has ended.

        Raises:
            StillTrainingError: it has not ended. Try again later.
        """
        transport = self._regions.open_location(names.parse(name).location)
        with suppress(errors.InvalidArgumentError, errors.NotFoundError, errors.AlreadyExistsError):
            transport.call("POST", f"v1/{name}:cancel", body={}, repeatable=True, fence=self._fence)
        for _ in count_looks(transport, CANCEL_SECONDS, f"looking whether {name} has ended"):
            found = get_or_none(transport, f"v1/{name}")
            if found is None or found.get("done"):
                return
        raise errors.StillTrainingError(
            f"{name} goes on though it was cancelled",
            "It stays recorded as deposed; `reconciler wait` deletes it later.",
            status=409,
        )

    def _retry_while_busy(self, step: Callable[..., object], name: str, *rest: str) -> None:
        """Do a step. Repeat it while another operation is running there, perhaps one of a run that died."""
        transport = self._regions.open_location(names.parse(name).location)
        until, pause = transport.clock() + BUSY_SECONDS, 0.25
        while True:
            try:
                step(name, *rest)
                return
            except (errors.WrongStateError, errors.NotReadyError):
                if transport.clock() >= until:
                    raise
            transport.wait(pause, f"asking for {name} again")
            pause = min(pause * 2, 5.0)

    def _delete_endpoint(self, name: str, ours: str) -> None:
        if self._undeploy(name, ours):
            self._step("DELETE", name)

    def _undeploy(self, name: str, ours: str) -> bool:
        """Undeploy our model from an endpoint. Returns whether the endpoint exists and has no other model."""
        endpoint = self._resources.get_resource(name, ENDPOINTS)
        if endpoint is None:
            return False
        deployed = read_objects(endpoint, "deployedModels", name)
        mine = [deployment for deployment in deployed if is_deployment_of(deployment, ours)]
        for deployment in mine:
            self._step("POST", f"{name}:undeployModel", {"deployedModelId": read_text(deployment, "id")})
        return len(mine) == len(deployed)

    def _delete_model(self, name: str) -> None:
        place = names.parse(name, MODELS)
        versions = self._list_versions(place)
        if versions is None:
            return
        mine = [version for version in versions if is_version(version, place.version)]
        if mine:
            whole = len(mine) == len(versions)
            self._step("DELETE", place.resource if whole else f"{name}:deleteVersion")

    def _list_versions(self, place: names.Name) -> list[JsonObject] | None:
        """Return every version of a model. None if there is no such model."""
        parent = (place.project, place.location)
        try:
            return list(
                self._resources.list_resources(parent, f"{MODELS}/{place.id}:listVersions", key=MODELS)
            )
        except errors.NotFoundError:
            return None

    def _step(self, method: str, path: str, body: JsonObject | None = None) -> None:
        """Send one changing call, and wait for its operation. A resource that is gone is success."""
        transport = self._regions.open_to_begin(_find_location(path))
        try:
            operation = transport.call(method, f"v1/{path}", body=body, repeatable=True, fence=self._fence)
        except errors.NotFoundError:
            return
        name = _read_operation_name(operation, path)
        there = self._regions.open_location(names.parse(name).location) if name else transport
        for look in count_looks(transport, OPERATION_SECONDS, f"looking whether {path} is done"):
            if look:
                found = get_or_none(there, f"v1/{name}")
                if found is None:  # an operation may be deleted together with its resource
                    return
                operation = found
                if not names.is_answer(name, read_text(operation, "name")):
                    raise explain_another("operations", name, operation.get("name"))
            if operation.get("done"):
                break
        else:
            raise errors.ServiceError(
                f"{method} {path} was accepted, but has not ended",
                "Run the command again: it continues where this one stopped.",
            )
        error = require_object(operation.get("error"), path, "error")
        if error and error.get("code") != _NOT_FOUND:
            said = make_printable(read_text(error, "message")) or codec.NO_REASON
            raise errors.ServiceError(
                f"{method} {path} failed: {said}",
                "Run the command again: it continues where this one stopped.",
            )


class JobDeletion(Deletion, frozen=True):
    """Deletes what a job made. See `VertexProvider.delete`."""

    _resources: Jobs

    def delete(self, job: JsonObject) -> None:
        """Cancel the job if it is running, then delete what it made.

        Raises:
            StillTrainingError: the service has not ended the job yet. Try again later.
            InUseError: the model stands on endpoints that are not ours. Nothing was deleted.
        """
        if codec.is_under_way(job):
            job = self._cancel(job)
        ours = codec.read_model_name(job)
        made = codec.read_endpoint_names(job)
        serving = read_text(self._resources.find_endpoint(job) or {}, "name")
        users = [user for user in self._resources.list_users(job) if not _is_same_endpoint(user, serving)]
        if users:
            raise errors.InUseError(
                f"it stands on {', '.join(users)}, which the tuning service did not make for it",
                f"Undeploy {ours} there, then run the command again.",
            )
        if serving and names.parse(serving).key not in {names.parse(endpoint).key for endpoint in made}:
            # Somebody deployed the model by hand to replace a lost endpoint. Undeploy it, but keep their
            # endpoint.
            self._retry_while_busy(self._undeploy, serving, ours)
        self.delete_model(ours, made)

    def _cancel(self, job: JsonObject) -> JsonObject:
        """Ask the service to cancel a job, and wait until it has ended. Returns the job as it ended."""
        name = read_text(job, "name")
        transport = self._regions.open_location(names.parse(name).location)
        if codec.read_state(job) != "CANCELLING":
            # The job may have ended just now.
            with suppress(errors.InvalidArgumentError, errors.NotFoundError, errors.AlreadyExistsError):
                transport.call("POST", f"v1/{name}:cancel", body={}, repeatable=True, fence=self._fence)
        for _ in count_looks(transport, CANCEL_SECONDS, f"looking whether {name} has ended"):
            found = self._resources.get_resource(name, JOBS)
            if found is None:
                return {"name": name}
            job = found
            if not codec.is_under_way(job):
                return job
        raise errors.StillTrainingError(
            f"{name} is still {codec.read_state(job)} though it was cancelled",
            "It stays recorded as deposed; `reconciler wait` deletes it later.",
            status=409,
        )


def _is_same_endpoint(name: str, other: str) -> bool:
    return bool(other) and names.parse(name).key == names.parse(other).key


def is_deployment_of(deployment: JsonObject, model: str) -> bool:
    """Return whether a deployed model is ours. If its name has an alias, `modelVersionId` is the version."""
    name, version = read_text(deployment, "model"), read_text(deployment, "modelVersionId")
    if not (model and name.startswith("projects/") and names.is_same(name, model)):  # else a publisher's
        return False
    return not version or names.parse(model).number in {"", version}


def is_version(version: JsonObject, wanted: str) -> bool:
    """Return whether a version of a model has this number or alias; "" means every version."""
    aliases = read_list(version, "versionAliases", "a version of a model")
    return not wanted or wanted == read_text(version, "versionId") or wanted in aliases


def _find_location(path: str) -> str:
    """Return the location in a path: a resource name, perhaps with a custom method behind it."""
    return path.split("/")[3]


def _read_operation_name(operation: JsonObject, path: str) -> str:
    """Return the checked name of the operation that a call began. "" if it is done and has no name."""
    name = read_text(operation, "name")
    if not name and operation.get("done"):
        return ""
    # no document says where the operations of a multi-region are, so those of its regions are accepted
    known = "/operations/" in name and is_beside(names.parse(name).location, _find_location(path))
    if not known:
        raise explain_another("operations", f"an operation on {path}", operation.get("name"))
    return name
