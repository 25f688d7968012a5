"""Lists the copies in the Model Registry of a place, with the endpoints that send them requests.

The registry also has the models of tuning jobs, and those that people uploaded. They are no copies, and are
left out. Rule: a list costs one request for each page, and none for a single model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import NotUnderstoodError, ServiceError
from reconciler.identity import is_generation_of
from reconciler.model.endpoint import LiveEndpoint
from reconciler.model.live import Live, Odd
from reconciler.providers import EndpointHandle
from reconciler.providers.google.json import JsonObject, read_text
from reconciler.providers.vertex import copy_codec, names
from reconciler.providers.vertex.copy_reader import CopyReader, list_other_endpoints, may_send
from reconciler.providers.vertex.endpoints import VertexEndpoints
from reconciler.providers.vertex.resources import MODELS, Resources


class CopyListing(Struct, frozen=True):
    """Lists copies. `declared` has metadata.name of each declared copy."""

    _resources: Resources
    _reader: CopyReader
    _endpoints: VertexEndpoints
    _declared: frozenset[str]

    def list_place(self, place: tuple[str, str]) -> list[Live | Odd]:
        """List the copies of tuned models in a (project, location)."""
        odd: list[Odd] = []
        models: list[JsonObject] = []
        for listed in self._resources.list_resources(place, MODELS, odd=odd):
            name = names.parse(read_text(listed, "name"), MODELS)
            with suppress(NotUnderstoodError):  # whoever reads it says so
                if not copy_codec.is_copy(listed):
                    if any(is_generation_of(declared, name.id) for declared in self._declared):
                        odd.append(Odd(name.id, name.resource, "it has the id of a copy, and is none"))
                    continue
            if copy_codec.is_tuned(listed):
                models.append(self._reader.choose_version(listed))
        found = {}
        for model in models:
            try:
                list_other_endpoints(model)
                found[read_text(model, "name")] = model, copy_codec.read_copy(model, ())
            except ServiceError as error:
                name = names.parse(read_text(model, "name"), MODELS)
                odd.append(Odd(name.id, name.resource, error.summary))
        traffics = self.list_traffic([model for model, _ in found.values()])
        copies = [
            replace(live, traffic=traffic)
            for (_, live), traffic in zip(found.values(), traffics, strict=True)
        ]
        for live in copies:
            self._resources.note_project(place[0], live.name)
        return [*copies, *odd]

    def list_traffic(self, models: Sequence[JsonObject]) -> list[tuple[str, ...]]:
        """List the endpoints that send each model requests, except the one for its checks.

        An endpoint that we may not read counts as one with traffic: a wrong deletion cannot be undone.
        """
        deployed = [list_other_endpoints(model) for model in models]
        answers = self.look_at({name for found in deployed for name in found})
        return [
            tuple(name for name in found if may_send(answers[name], model))
            for model, found in zip(models, deployed, strict=True)
        ]

    def look_at(self, endpoints: Iterable[str]) -> dict[str, LiveEndpoint | str | None]:
        """Look at endpoints by their names. See `Endpoints.find`.

        One that cannot be understood is answered with the reason. It hides no other.
        """
        looked = sorted(endpoints)
        handles = [EndpointHandle(name.rpartition("/")[2], name) for name in looked]
        try:
            return dict(zip(looked, self._endpoints.find(handles), strict=True))
        except NotUnderstoodError:
            return dict(zip(looked, map(self._look, handles), strict=True))

    def _look(self, handle: EndpointHandle) -> LiveEndpoint | str | None:
        try:
            (found,) = self._endpoints.find([handle])
        except NotUnderstoodError as error:
            return error.summary
        return found
