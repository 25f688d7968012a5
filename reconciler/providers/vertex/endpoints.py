"""Creates stable endpoints, deploys models to them, moves their traffic, and deletes them.

Rule: every method looks before it acts, at the endpoint and at the operations that run on it, and makes only
the call that is missing. So a run that died, a lost reply or a second runner leads to no second deployment.
What the service does is written in the discovery document aiplatform v1, revision 20261106.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from msgspec import Struct

from reconciler import errors
from reconciler.model.checks import Prompt
from reconciler.model.desired import Desired
from reconciler.model.endpoint import Deployment, LiveEndpoint
from reconciler.model.live import Status
from reconciler.providers import EndpointHandle, Fence, Handle, Training
from reconciler.providers.google.calls import ask_model, get_or_none, list_pages
from reconciler.providers.google.exactly_once import count_looks
from reconciler.providers.google.json import (
    JsonObject,
    explain_another,
    read_count,
    read_objects,
    read_text,
    require_object,
)
from reconciler.providers.vertex import codec, labels, names
from reconciler.providers.vertex.fields import LOCATION, PROJECT
from reconciler.providers.vertex.regions import Regions, find_multi_region
from reconciler.providers.vertex.resources import ENDPOINTS, MODELS, Resources
from reconciler.redaction import make_printable

OPERATION_SECONDS = 600.0
"""The time limit of one operation that a call waits for. A deployment is not waited for, but polled."""
_ATTEMPTS = 4
_MANY = 8
"""More endpoints than this in one place are looked up in a list."""
_LOOKS = 8
"""Endpoints that are looked at at once."""
_DEPLOY = "DeployModelOperationMetadata"
_NOT_FOUND = 5
"""google.rpc.Code."""
_AGAIN = "Run the command again: it continues where this one stopped."


def make_deployment_id(endpoint: str, model: str, attempt: int, checkpoint: str = "") -> str:
    """Choose the id of a deployment: 10 digits, which follow from what is deployed where.

    An id that the service refuses, because it was used before, is followed by that of the next attempt.
    """
    what = f"{model}#{checkpoint}" if checkpoint else model
    digest = hashlib.sha256(f"{endpoint}\n{what}\n{attempt}".encode()).digest()
    return str(10**9 + int.from_bytes(digest[:8]) % (9 * 10**9))


class Deployables(Protocol):
    """Finds what a record's model is called where it is deployed. Each kind of model has its own way."""

    def find_deployable(self, model: Handle) -> str:
        """Return the resource name of the model with its version. "" if there is no model yet."""

    def find_own_place(self, model: Handle) -> str:
        """Return the name of the resource beside which its endpoint is created. "" if there is none yet."""


class VertexEndpoints(Struct, frozen=True):
    """Implements `providers.Endpoints`.

    Args:
        is_wider: an endpoint without a declared location may also be in the multi-region of its model's
            manifest.
    """

    _regions: Regions
    _resources: Resources
    _models: Deployables
    is_wider: bool = True

    def make_handle(self, desired: Desired) -> EndpointHandle:
        """Make the handle of a declared endpoint. It is searched for near the place of the job."""
        serving = desired.serving
        if serving is None:
            raise AssertionError(f"{desired.address} declares no endpoint")
        declared = {**desired.effective, **desired.attributes}
        project, near = str(declared.get(PROJECT, "")), str(declared.get(LOCATION, ""))
        return EndpointHandle(serving.endpoint, location=serving.location, project=project, near=near)

    def find(self, handles: Sequence[EndpointHandle]) -> list[LiveEndpoint | str | None]:
        """Look at each endpoint: with a GET for each location that it may be in, or in a list of many."""
        candidates = [self._list_names(handle) for handle in handles]
        listed = self._list_places(name for names in candidates for name in names)

        def look(handle: EndpointHandle, candidates: Sequence[str]) -> LiveEndpoint | str | None:
            for name in candidates:
                known = listed.get(_find_place(name))
                found = known.get(name.rpartition("/")[2]) if known is not None else None
                try:
                    if found is None and (known is None or handle.name):  # a list may lag
                        found = self._get(name)
                except errors.ForbiddenError as error:
                    return error.summary
                if found is not None:
                    return _read(found)
            return None

        if not handles:
            return []
        with ThreadPoolExecutor(max_workers=min(_LOOKS, len(handles))) as pool:
            return list(pool.map(look, handles, candidates))

    def _list_places(self, candidates: Iterable[str]) -> dict[tuple[str, str], dict[str, JsonObject]]:
        """List the endpoints of each (project, location) that many of these names are in, by id."""
        counts = Counter(map(_find_place, candidates))
        return {
            place: {
                read_text(found, "name").rpartition("/")[2]: found
                for found in self._resources.list_resources(place, ENDPOINTS)
            }
            for place, count in counts.items()
            if count > _MANY
        }

    def create(
        self, handle: EndpointHandle, model: Handle, owner: str, *, is_ours: bool, fence: Fence
    ) -> LiveEndpoint:
        """Create an endpoint with our id and label, and wait until it is there."""
        name = handle.name or self._write_name(handle, model)
        place = names.parse(name, ENDPOINTS)
        body: JsonObject = {"displayName": handle.id, "labels": {labels.ENDPOINT: owner}}
        path = f"projects/{place.project}/locations/{place.location}/{ENDPOINTS}"
        for _ in self._try(name):
            found = self._get(name)
            if found is not None:
                return self._claim(found, owner, is_ours=is_ours, fence=fence)
            if self._wait_for_running(name):
                continue
            self._run("POST", path, body, query={"endpointId": handle.id}, about=name, fence=fence)
        raise _build_loss(f"The create of {name}")

    def deploy(self, handle: EndpointHandle, model: Handle, checkpoint: str = "", *, fence: Fence) -> str:
        """Begin to deploy a model with all traffic. Returns the operation; "" if nothing is left to do."""
        name, wanted, attempt = self._require_name(handle), self._find_model(model), 0
        for _ in self._try(name):
            endpoint = self._require(name)
            running = self._find_running(name)
            if running:
                if _is_deployment(running[0]):
                    return read_text(running[0], "name")  # perhaps of a run that died; poll tells
                self._wait_for(running[0], name)
                continue
            mine = _find_mine(endpoint, wanted, checkpoint)
            if any(one.traffic == 100 for one in mine):
                return ""
            if mine:
                self._shift(endpoint, mine[0].id, fence)
                continue
            body: JsonObject = {
                "deployedModel": {
                    "id": make_deployment_id(name.rpartition("/")[2], wanted, attempt, checkpoint),
                    "model": wanted,
                    "displayName": model.id,
                    **({"checkpointId": checkpoint} if checkpoint else {}),
                },
                "trafficSplit": {"0": 100},
            }
            try:
                begun = self._begin("POST", f"{name}:deployModel", body, fence=fence)
                if begun:
                    return _check_operation(read_text(begun, "name"), name)
            except errors.AlreadyExistsError:
                attempt += 1
            except errors.WrongStateError:
                if not self._find_running(name):
                    raise  # what is in the way is not an operation of somebody else
        raise _build_loss(f"The deployment of {model.id} to {name}")

    def poll(self, handle: EndpointHandle, model: Handle, operation: str, checkpoint: str = "") -> Training:
        """Ask whether a model is deployed and has the traffic."""
        name = self._require_name(handle)
        if operation:
            transport = self._regions.open_location(names.parse(name).location)
            found = get_or_none(transport, f"v1/{_check_operation(operation, name)}")
            if found is not None and not found.get("done"):
                return Training(Status.CREATING)
            if found is not None and (said := _read_error(found, name)):
                return Training(Status.FAILED, error=said)
        wanted, endpoint = self._find_model(model), self._require(name)
        mine = _find_mine(endpoint, wanted, checkpoint)
        serving = next((one for one in mine if one.traffic == 100), None)
        if serving is None:
            raise errors.NotFoundError(
                f"{name} has {model.id}{f' (checkpoint {checkpoint})' if checkpoint else ''} "
                f"{'without all of its traffic' if mine else 'not deployed'}",
                _AGAIN,
                status=404,
            )
        return Training(Status.ACTIVE, deployment=serving.id)

    def set_default_checkpoint(self, model: Handle, checkpoint: str, *, fence: Fence) -> None:
        """Make a checkpoint the default of the model's version. Changes nothing else of the model.

        The etag lets the service refuse the change if somebody else changed the model meanwhile.
        """
        name = self._find_model(model)
        for _ in self._try(name):
            found = self._resources.get_resource(name, MODELS)
            if found is None:
                raise errors.ServiceError(f"{name} does not exist any more", "Apply again.")
            if read_text(found, "defaultCheckpointId") == checkpoint:
                return
            with suppress(errors.AlreadyExistsError, errors.WrongStateError, errors.NotReadyError):
                self._patch({**found, "name": name}, {"defaultCheckpointId": checkpoint}, fence)
        raise _build_loss(f"Making checkpoint {checkpoint} the default of {name}")

    def undeploy(self, handle: EndpointHandle, ids: Collection[str], *, fence: Fence) -> None:
        """Undeploy these deployments, one after the other. One that is not there counts as undeployed."""
        name = self._require_name(handle)
        for id in ids:
            for _ in self._try(name):
                endpoint = self._get(name)
                if endpoint is None or id not in {one.id for one in _read(endpoint).deployments}:
                    break
                if not self._wait_for_running(name):
                    self._run(
                        "POST", f"{name}:undeployModel", {"deployedModelId": id}, about=name, fence=fence
                    )
            else:
                raise _build_loss(f"Undeploying {id} from {name}")

    def delete(self, handle: EndpointHandle, *, fence: Fence) -> None:
        """Delete an endpoint. One that is not there counts as deleted."""
        name = self._require_name(handle)
        for _ in self._try(name):
            if self._get(name) is None:
                return
            if not self._wait_for_running(name):
                self._run("DELETE", name, None, about=name, fence=fence)
        raise _build_loss(f"The deletion of {name}")

    def generate(self, name: str, prompt: Prompt, *, temperature: float | None = None) -> str:
        """See `calls.ask_model`."""
        transport = self._regions.open_location(names.parse(name, ENDPOINTS).location)
        return ask_model(transport, f"v1/{name}", prompt, temperature)

    # -- names -------------------------------------------------------------------------------------

    def _list_names(self, handle: EndpointHandle) -> list[str]:
        """List the names that an endpoint may have."""
        if handle.name:
            return [handle.name]
        project, near = self._regions.place(handle.project, handle.location or handle.near)
        wider = find_multi_region(near) if self.is_wider and not handle.location else ""
        return [
            f"projects/{project}/locations/{location}/{ENDPOINTS}/{handle.id}"
            for location in dict.fromkeys((near, wider or near))
        ]

    def _write_name(self, handle: EndpointHandle, model: Handle) -> str:
        """Write the name of an endpoint to create: in the location of the model's own endpoint."""
        own = self._models.find_own_place(model)
        place = names.parse(own) if own else None
        if place is None and not (handle.project and handle.location):
            raise errors.ServiceError(
                f"{model.id} has no model to deploy yet", "Wait until its training has ended: reconciler wait"
            )
        project = handle.project or (place.project if place else "")
        location = handle.location or (place.location if place else "")
        return f"projects/{project}/locations/{location}/{ENDPOINTS}/{handle.id}"

    def _require_name(self, handle: EndpointHandle) -> str:
        if not handle.name:
            raise errors.ServiceError(f"the endpoint {handle.id} was not created yet", "Apply again.")
        return handle.name

    def _find_model(self, model: Handle) -> str:
        name = self._models.find_deployable(model)
        if not name:
            raise errors.ServiceError(
                f"{model.id} has no model to deploy", "Wait until its training has ended: reconciler wait"
            )
        return name

    # -- calls -------------------------------------------------------------------------------------

    def _try(self, name: str) -> Iterator[int]:
        """Count tries. Each of them looks first, so one that follows a lost reply does nothing twice."""
        transport = self._regions.open_location(names.parse(name).location)
        for attempt in range(_ATTEMPTS * 2):
            if attempt >= _ATTEMPTS:
                transport.wait(1.0, f"looking at {name} again")
            yield attempt

    def _get(self, name: str) -> JsonObject | None:
        return self._resources.get_resource(name, ENDPOINTS)

    def _require(self, name: str) -> JsonObject:
        found = self._get(name)
        if found is None:
            raise errors.ServiceError(f"{name} does not exist any more", "Apply again: it is created again.")
        return found

    def _claim(self, found: JsonObject, owner: str, *, is_ours: bool, fence: Fence) -> LiveEndpoint:
        """Return an endpoint that is there, if it is ours. Add our label to one that is taken over."""
        if codec.read_labels(found).get(labels.ENDPOINT) == owner:
            return _read(found)
        name = read_text(found, "name")
        if not is_ours:
            raise errors.ServiceError(
                f"{name} exists and is not ours",
                "Declare another serving.endpoint, or take it over with serving.adopt: true.",
            )
        merged = {**codec.read_labels(found), labels.ENDPOINT: owner}
        return _read(self._patch(found, {"labels": merged}, fence))

    def _shift(self, endpoint: JsonObject, id: str, fence: Fence) -> None:
        """Give all traffic to a deployment. Does nothing if somebody changed the endpoint meanwhile."""
        try:
            self._patch(endpoint, {"trafficSplit": {id: 100}}, fence)
        except (errors.AlreadyExistsError, errors.WrongStateError, errors.NotReadyError):
            return  # the next try looks again

    def _patch(self, endpoint: JsonObject, change: JsonObject, fence: Fence) -> JsonObject:
        """Change an endpoint or a model as it was read: the etag lets the service refuse it otherwise."""
        name = read_text(endpoint, "name")
        transport = self._regions.open_location(names.parse(name).location)
        etag = read_text(endpoint, "etag")
        body = {**change, **({"etag": etag} if etag else {})}
        return transport.call(
            "PATCH", f"v1/{name}", query={"updateMask": ",".join(change)}, body=body, fence=fence
        )

    def _begin(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        *,
        fence: Fence,
        query: Mapping[str, str] | None = None,
    ) -> JsonObject:
        """Send one changing call. Returns {} if its effect is not known: then look again."""
        location = _find_location(path)
        transport = self._regions.open_to_begin(location)
        try:
            return transport.call(
                method, f"v1/{path}", query=query, body=body, slow=True, repeatable=False, fence=fence
            )
        except errors.StoppedError:
            raise
        except errors.ReplyLostError:
            return {}
        except errors.UnavailableError as error:
            if error.status is None:
                raise  # no connection: nothing was sent
            return {}

    def _run(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        *,
        about: str,
        fence: Fence,
        query: Mapping[str, str] | None = None,
    ) -> None:
        """Send one changing call and wait for its operation. The caller looks at the result."""
        try:
            operation = self._begin(method, path, body, query=query, fence=fence)
        except (errors.AlreadyExistsError, errors.NotFoundError):
            return  # somebody was faster
        except errors.WrongStateError:
            if not self._find_running(about):
                raise
            return  # somebody else's operation is in the way: the caller looks again
        if operation:
            self._wait_for(operation, about)

    def _find_running(self, name: str) -> list[JsonObject]:
        """Return the operations that run on an endpoint."""
        transport = self._regions.open_location(names.parse(name).location)
        try:
            pages = list(list_pages(transport, f"v1/{name}/operations", {}, page_size=100))
        except errors.NotFoundError:
            return []
        found = [operation for page in pages for operation in read_objects(page, "operations", name)]
        return [operation for operation in found if not operation.get("done")]

    def _wait_for_running(self, name: str) -> bool:
        """Wait for an operation that runs on an endpoint. Returns whether there was one."""
        running = self._find_running(name)
        for operation in running:
            self._wait_for(operation, name)
        return bool(running)

    def _wait_for(self, operation: JsonObject, name: str) -> None:
        """Wait until an operation has ended.

        Raises:
            StoppedError: the run is being stopped.
            ServiceError: the operation failed, or takes too long.
        """
        if operation.get("done") and not read_text(operation, "name"):
            return
        path = _check_operation(read_text(operation, "name"), name)
        transport = self._regions.open_location(names.parse(name).location)
        for look in count_looks(transport, OPERATION_SECONDS, f"looking whether {path} has ended"):
            if look:
                found = get_or_none(transport, f"v1/{path}")
                if found is None:  # an operation may be deleted together with its resource
                    return
                operation = found
            if operation.get("done"):
                if said := _read_error(operation, name):
                    raise errors.ServiceError(f"{path} failed: {said}", _AGAIN)
                return
        raise errors.ServiceError(f"{path} was accepted, and has not ended", _AGAIN)


def _read(endpoint: JsonObject) -> LiveEndpoint:
    """Read an endpoint. ServiceError if it does not have the form that is documented."""
    name = read_text(endpoint, "name")
    place = names.parse(name, ENDPOINTS)
    split = require_object(endpoint.get("trafficSplit"), name, "trafficSplit")
    found = []
    for deployed in read_objects(endpoint, "deployedModels", name):
        id, model = read_text(deployed, "id"), read_text(deployed, "model")
        version = read_text(deployed, "modelVersionId")
        if model.startswith("projects/") and version:
            model = f"{names.parse(model, 'models').resource}@{version}"
        traffic = read_count(split, id) if id in split else 0
        found.append(Deployment(id, model, read_text(deployed, "checkpointId"), traffic or 0))
    return LiveEndpoint(
        name=name,
        id=place.id,
        location=place.location,
        owner=codec.read_labels(endpoint).get(labels.ENDPOINT, ""),
        deployments=tuple(sorted(found, key=lambda deployment: deployment.id)),
    )


def _find_mine(endpoint: JsonObject, model: str, checkpoint: str) -> list[Deployment]:
    """Find the deployments of a model, or of one checkpoint of it.

    One that does not say its checkpoint may have the model's default of then or of now, so it does not count.
    """
    return [
        one
        for one in _read(endpoint).deployments
        if names.is_same(one.model, model) and (not checkpoint or one.checkpoint == checkpoint)
    ]


def _is_deployment(operation: JsonObject) -> bool:
    metadata = require_object(operation.get("metadata"), "operations", "metadata")
    return read_text(metadata, "@type").endswith(_DEPLOY)


def _read_error(operation: JsonObject, name: str) -> str:
    error = require_object(operation.get("error"), name, "error")
    if not error or error.get("code") == _NOT_FOUND:
        return ""
    return make_printable(read_text(error, "message")) or codec.NO_REASON


def _check_operation(operation: str, name: str) -> str:
    """Return an operation's name, checked: it goes into a URL."""
    if "/operations/" not in operation or names.parse(operation).location != names.parse(name).location:
        raise explain_another("operations", f"an operation on {name}", operation)
    return operation


def _find_place(name: str) -> tuple[str, str]:
    parsed = names.parse(name, ENDPOINTS)
    return parsed.project, parsed.location


def _find_location(path: str) -> str:
    """Return the location in a path: projects/P/locations/L and what follows."""
    return path.split("/")[3]


def _build_loss(what: str) -> errors.ServiceError:
    return errors.ReplyLostError(f"{what} was not answered, and nothing is to be seen of it", _AGAIN)
