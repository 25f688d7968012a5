"""Finds a recorded copy, the operation that makes it, and what it is deployed to. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from reconciler.errors import NotFoundError
from reconciler.model.endpoint import LiveEndpoint
from reconciler.providers import Handle
from reconciler.providers.google.json import JsonObject, read_text
from reconciler.providers.vertex import codec, copy_codec, copy_refusals, labels, names
from reconciler.providers.vertex.copy_creation import Operations, read_begin, read_failure
from reconciler.providers.vertex.resources import ENDPOINTS, MODELS, Resources


class CopyReader(Struct, frozen=True):
    """Reads copies by their handles; implements `endpoints.Deployables`."""

    _resources: Resources
    _operations: Operations

    def find_model(self, handle: Handle) -> JsonObject | None:
        """Find the model of a record by its name, or by its id in each place. None if it does not show."""
        for name in self._list_names(handle):
            found = self._resources.get_resource(name, MODELS)
            if found is not None:
                return self.choose_version(found)
        return None

    def choose_version(self, model: JsonObject) -> JsonObject:
        """Return the version of a model that is the copy. The service answers with the default version.

        Under an id of ours it is the first one. Somebody may have copied other versions into our model.
        """
        name = names.parse(read_text(model, "name"), MODELS)
        if copy_codec.is_first(model) or not copy_codec.has_our_shape(name.id):
            return model
        first = self._resources.get_resource(f"{name.resource}@{copy_codec.FIRST}", MODELS)
        return first or model

    def get_operation(self, handle: Handle) -> JsonObject | None:
        """Return the recorded operation. None if none is recorded, or the service has forgotten it."""
        return self._operations.get(handle.operation) if handle.operation else None

    def find_operation(self, handle: Handle) -> JsonObject | None:
        """Find the operation that makes, or made, a copy: the recorded one, else the last under its name."""
        recorded = self.get_operation(handle)
        if recorded is not None:
            return recorded
        found = filter(None, map(self._operations.find_last, self._list_names(handle)))
        return max(found, key=read_begin, default=None)

    def _list_names(self, handle: Handle) -> Iterator[str]:
        if "/" in handle.name:
            yield handle.name
            return
        for project, location in self._resources.list_places():
            yield f"projects/{project}/locations/{location}/{MODELS}/{handle.id}"

    def find_deployable(self, model: Handle) -> str:
        """See `Deployables`."""
        found = self.find_model(model)
        return copy_codec.read_deployable(found) if found is not None else ""

    def find_own_place(self, model: Handle) -> str:
        """Return the name of the copy itself, because its endpoint belongs beside it. See `Deployables`."""
        found = self.find_model(model)
        return names.parse(read_text(found, "name"), MODELS).resource if found is not None else ""

    def find_own_endpoint(self, model: JsonObject) -> str:
        """Find the endpoint for a copy's checks: it has the copy's id, and a label of ours. "" if none."""
        found = self._resources.get_resource(write_own_endpoint(model), ENDPOINTS)
        is_ours = found is not None and labels.ENDPOINT in codec.read_labels(found)
        return write_own_endpoint(model) if is_ours else ""


def explain_failure(operation: JsonObject) -> str:
    """Say why a copy failed. "" if it did not, or is still being made."""
    place = names.parse(read_text(operation, "name"))
    return read_failure(operation, copy_refusals.Asked("", place.project, place.location))


def explain_missing(handle: Handle) -> NotFoundError:
    """Return the error for a copy that does not show."""
    return NotFoundError(
        f"{handle.name or handle.id} does not exist",
        "It was never copied, was deleted, or is in another project or location: check both.",
        status=404,
    )


def write_own_endpoint(model: JsonObject) -> str:
    """Write the name of the endpoint for a copy's checks."""
    name = names.parse(read_text(model, "name"), MODELS)
    return f"projects/{name.project}/locations/{name.location}/{ENDPOINTS}/{name.id}"


def list_other_endpoints(model: JsonObject) -> list[str]:
    """List the endpoints that a copy is deployed to, by the Model Registry, except the one for its checks."""
    own = names.parse(write_own_endpoint(model)).key
    return [name for name in codec.read_deployments(model) if names.parse(name).key != own]


def measure_share(endpoint: LiveEndpoint | str | None, model: JsonObject) -> int:
    """Return the percentage of an endpoint's requests that a copy gets; 0 if it does not show."""
    if not isinstance(endpoint, LiveEndpoint):
        return 0
    wanted = copy_codec.read_deployable(model)
    return sum(one.traffic for one in endpoint.deployments if one.is_of(wanted))


def may_send(endpoint: LiveEndpoint | str | None, model: JsonObject) -> bool:
    """Return whether an endpoint may send a copy requests. One that we may not read may do so."""
    return isinstance(endpoint, str) or measure_share(endpoint, model) > 0


def may_have(endpoint: LiveEndpoint | str | None, model: JsonObject) -> bool:
    """Return whether a copy may be deployed to an endpoint. It may be to one that we may not read."""
    if endpoint is None or isinstance(endpoint, str):
        return endpoint is not None
    wanted = copy_codec.read_deployable(model)
    return any(one.is_of(wanted) for one in endpoint.deployments)
