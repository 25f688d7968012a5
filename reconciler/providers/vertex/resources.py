"""Reads the resources of Vertex AI: single ones, and lists by place. Changes nothing.

Also knows the names of projects. A manifest may name a project by its id, and the service answers with its
number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec.structs import replace

from reconciler.errors import ForbiddenError, NotFoundError, ServiceError
from reconciler.model.live import Live, Odd
from reconciler.providers.google.calls import get_or_none, list_pages, merge_pages
from reconciler.providers.google.json import (
    JsonObject,
    explain_another,
    read_list,
    read_text,
    require_object,
)
from reconciler.providers.google.partial import Partial
from reconciler.providers.vertex import names
from reconciler.providers.vertex.fields import PROJECT
from reconciler.providers.vertex.masks import LISTED
from reconciler.providers.vertex.regions import Regions

PAGE_SIZE = 100
JOBS, MODELS, ENDPOINTS = "tuningJobs", "models", "endpoints"


class Resources:
    """Reads jobs, models and endpoints.

    Args:
        regions: open the transports.
        places: the (project, location) pairs of the manifests, "" for a default. A model that is recorded in
            another place is found by its name.
        page_size: how many entries a list call asks for.
    """

    def __init__(
        self, regions: Regions, places: frozenset[tuple[str, str]], page_size: int = PAGE_SIZE
    ) -> None:
        self._regions = regions
        self._places = places
        self._asked: dict[str, set[str]] = {}
        self._tried: set[tuple[str, str]] = set()
        self._page_size = page_size
        self._partial = Partial()

    def list_places(self) -> list[tuple[str, str]]:
        """Return the (project, location) pairs to look for models in."""
        named = {self._regions.place(project, location) for project, location in self._places}
        default = {self._regions.place()} if all(self._regions.default) or not named else set()
        return sorted(named | default)

    def note_project(self, project: str, name: str) -> None:
        """Note that a list of this project has the resource `name`, which may name the project otherwise."""
        self._asked.setdefault(names.parse(name).project, set()).add(project)

    def add_project_names(self, live: Live) -> Live:
        """Add all names of the model's project: the service's (mostly a number), then the manifests'."""
        own = names.parse(live.name).project
        known = (own, *sorted(self._asked.get(own, set()) - {own}))
        return replace(live, attributes={**live.attributes, PROJECT: known[-1]}, aliases={PROJECT: known})

    def learn_names(self, resource: JsonObject) -> None:
        """Find out which names in manifests mean a resource's project. Asks once for each pair of names."""
        if not (self._places or all(self._regions.default)):
            return
        name = names.parse(read_text(resource, "name"))
        for project, _ in self.list_places():
            if project.isdigit() == name.project.isdigit() or (name.project, project) in self._tried:
                continue
            self._tried.add((name.project, project))
            if project in self._asked.get(name.project, ()):
                continue
            again = f"projects/{project}/locations/{name.location}/{name.collection}/{name.id}"
            try:
                found = self._regions.open_location(name.location).call("GET", f"v1/{again}")
            except (NotFoundError, ForbiddenError):
                continue
            if read_text(found, "name").partition("@")[0] == name.resource:
                self._asked.setdefault(name.project, set()).add(project)

    def get_resource(self, name: str, collection: str = "") -> JsonObject | None:
        """Return one resource. None on a 404. ServiceError if the reply is about another resource."""
        place = names.parse(name, collection)
        found = get_or_none(self._regions.open_location(place.location), f"v1/{name}")
        if found is None:
            return None
        version = read_text(found, "versionId") or place.version
        if not names.is_answer(name, read_text(found, "name")) or (place.number and version != place.number):
            raise explain_another("GET", name, found.get("name"))
        return found

    def list_pages(
        self, place: tuple[str, str], collection: str, *, page_size: int, fields: str
    ) -> Iterator[JsonObject]:
        """Yield every page of a list of these fields."""
        project, location = place
        path = f"v1/projects/{project}/locations/{location}/{collection}"
        transport = self._regions.open_location(location)
        return list_pages(transport, path, {}, page_size=page_size, partial=self._partial, fields=fields)

    def list_resources(
        self,
        place: tuple[str, str],
        collection: str,
        query: Mapping[str, str] | None = None,
        *,
        key: str = "",
        odd: list[Odd] | None = None,
        tell: Callable[[JsonObject], None] = lambda _resource: None,
    ) -> Iterator[JsonObject]:
        """Yield every resource of a collection. `key` is its name in the answer, if that differs.

        `tell` gets each resource as soon as its page has come. An entry that is not such a resource goes into
        `odd`; without `odd` it is an error. A resource that two pages show differently has changed meanwhile,
        so it is asked for again.

        A list of everything is asked for the fields that its readers read: see `masks`. One with a `query` or
        a `key` is short, and somebody creates or deletes by it, so it is asked for whole.
        """
        project, location = place
        path = f"v1/projects/{project}/locations/{location}/{collection}"
        transport = self._regions.open_location(location)

        def read_pages() -> Iterator[tuple[tuple[str, str], JsonObject]]:
            fields = "" if query or key else f"{collection}({LISTED[collection]})"
            for page in list_pages(
                transport,
                path,
                query or {},
                page_size=self._page_size,
                partial=self._partial,
                fields=fields,
            ):
                for entry in read_list(page, key or collection, path):
                    try:
                        resource = require_object(entry, path, "an entry")
                        name = names.parse(read_text(resource, "name"), key or collection)
                        if name.location != location:
                            raise explain_another(path, f"the location {location}", resource.get("name"))
                    except ServiceError as error:
                        if odd is None:
                            raise
                        odd.append(Odd("", ascii(entry)[:60], error.summary))
                    else:
                        tell(resource)
                        yield (name.key, read_text(resource, "versionId") if key else ""), resource

        def ask_again(_key: object, resource: JsonObject) -> JsonObject | None:
            return resource if key else self.get_resource(read_text(resource, "name"))

        yield from merge_pages(read_pages(), ask_again)
