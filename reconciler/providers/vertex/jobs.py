"""Which jobs there are, which of them live, and how one is found again. Reading only.

A job cannot be deleted: after its model is gone, or after it failed, it is history. History is not listed;
a record still finds it by its name, and learns why it failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from reconciler.errors import ForbiddenError, NotFoundError, ServiceError
from reconciler.model import Live, Odd, Status
from reconciler.providers import Handle
from reconciler.providers.google.json import (
    JsonObject,
    about_another,
    as_object,
    listed_of,
    objects_of,
    text_of,
)
from reconciler.providers.google.pages import pages
from reconciler.providers.vertex import codec, labels, names
from reconciler.providers.vertex.fields import PROJECT
from reconciler.providers.vertex.regions import Regions

PAGE_SIZE = 100
JOBS, MODELS, ENDPOINTS = "tuningJobs", "models", "endpoints"


class Registry:
    """Reads jobs, models and endpoints.

    Args:
        regions: the transports.
        places: (project, location) that manifests name, "" for the default of either; what is recorded
            elsewhere is found by its name.
        page_size: entries that a list call asks for.
    """

    def __init__(
        self, regions: Regions, places: frozenset[tuple[str, str]], page_size: int = PAGE_SIZE
    ) -> None:
        self._regions = regions
        self._places = places
        self._asked: dict[str, set[str]] = {}
        self._tried: set[tuple[str, str]] = set()
        self._page_size = page_size

    def places(self) -> list[tuple[str, str]]:
        """Where to look for models."""
        named = {self._regions.place(project, location) for project, location in self._places}
        default = {self._regions.place()} if self._regions.has_default or not named else set()
        return sorted(named | default)

    def _placed(self, live: Live) -> Live:
        """With every name of its project: the service's own (a number as a rule), then those asked for."""
        own = names.parsed(live.name, JOBS).project
        known = (own, *sorted(self._asked.get(own, set()) - {own}))
        return replace(live, attributes={**live.attributes, PROJECT: known[-1]}, aliases={PROJECT: known})

    def learn_names(self, job: JsonObject) -> None:
        """Ask for a job under each other name of a project that manifests use, once for each two names."""
        if not (self._places or self._regions.has_default):
            return
        name = names.parsed(text_of(job, "name"), JOBS)
        for project, _ in self.places():
            if project.isdigit() == name.project.isdigit() or (name.project, project) in self._tried:
                continue
            self._tried.add((name.project, project))
            if project in self._asked.get(name.project, ()):
                continue
            again = f"projects/{project}/locations/{name.location}/{JOBS}/{name.id}"
            try:
                found = self._regions.at(name.location).call("GET", f"v1/{again}")
            except (NotFoundError, ForbiddenError):
                continue
            if text_of(found, "name") == text_of(job, "name"):
                self._asked.setdefault(name.project, set()).add(project)

    def resource(self, name: str, collection: str = "") -> JsonObject | None:
        """One resource, None on 404; ServiceError where the answer is about another one."""
        place = names.parsed(name, collection)
        try:
            found = self._regions.at(place.location).call("GET", f"v1/{name}")
        except NotFoundError:
            return None
        version = text_of(found, "versionId") or place.version
        if not names.answers(name, text_of(found, "name")) or (place.version and version != place.version):
            raise about_another("GET", name, found.get("name"))
        return found

    def listed(
        self,
        place: tuple[str, str],
        collection: str,
        query: Mapping[str, str] | None = None,
        *,
        key: str = "",
        odd: list[Odd] | None = None,
    ) -> Iterator[JsonObject]:
        """Every resource of a collection; `key` is what the answer calls it, where that is something else.

        Entries that are no such resource are left out and put into `odd`; without it they end the list.
        One that stands on two pages in two conditions is asked for: they changed while they were read.
        """
        project, location = place
        path = f"v1/projects/{project}/locations/{location}/{collection}"
        transport = self._regions.at(location)
        seen: dict[tuple[str, str], JsonObject] = {}
        twice: set[tuple[str, str]] = set()
        for page in pages(transport, path, query or {}, page_size=self._page_size):
            for entry in listed_of(page, key or collection, path):
                try:
                    one = as_object(entry, path, "an entry")
                    name = names.parsed(text_of(one, "name"), key or collection)
                    if name.location != location:
                        raise about_another(path, f"the location {location}", one.get("name"))
                except ServiceError as error:
                    if odd is None:
                        raise
                    odd.append(Odd("", ascii(entry)[:60], error.summary))
                    continue
                which = (name.key, text_of(one, "versionId") if key else "")
                if seen.setdefault(which, one) != one:
                    twice.add(which)
        for which, one in seen.items():
            told = self.resource(text_of(one, "name")) if which in twice and not key else one
            if told is not None:
                yield told

    # ---------------------------------------------------------------- what lives

    def living(self, place: tuple[str, str]) -> list[Live | Odd]:
        """Models, and trainings under way; each under an id of its own.

        Of several under one label the oldest has the id, because it was accepted first; the others are shown
        under their numbers, so that none is lost. What cannot be understood of one stops no other.
        """
        odd: list[Odd] = []

        def listed(collection: str) -> list[JsonObject]:
            return list(self.listed(place, collection, odd=odd))

        with ThreadPoolExecutor(max_workers=3) as pool:
            jobs, models, endpoints = pool.map(listed, (JOBS, MODELS, ENDPOINTS))
        model_of = {names.parsed(text_of(one, "name")).key: one for one in models}
        endpoint_of = {names.parsed(text_of(one, "name")).key: one for one in endpoints}
        found: dict[str, Live] = {}
        for job in sorted(jobs, key=_age):
            try:
                live = _listed_live(job, model_of, endpoint_of, endpoints)
            except ServiceError as error:
                odd.append(_odd(job, error))
                continue
            if live is not None:
                number = live.name.rpartition("/")[2]
                id = live.id if live.id not in found else number
                found[id] = _under(live, id)
        for one in found.values():
            self._asked.setdefault(names.parsed(one.name, JOBS).project, set()).add(place[0])
        return [*(self._placed(one) for one in found.values()), *odd]

    def live(self, job: JsonObject) -> Live | None:
        """One job as the model that it is, its failure included; None when its model was deleted."""
        if not codec.is_finished(job):
            live = codec.live(job, None, None)
        else:
            model = codec.model_of(job)
            found = self.resource(model, MODELS) if model else None
            live = codec.live(job, found, None if found is None else self.endpoint(job, found))
        if live is None:
            return None
        return self._placed(live)

    def endpoint(self, job: JsonObject, model: JsonObject | None = None) -> JsonObject | None:
        """What a job's model can be called on: its own endpoint, else one that somebody deployed it to.

        A job tells of the endpoints that it made, and of nothing that was done to them since
        (https://cloud.google.com/vertex-ai/generative-ai/docs/models/tuning-checkpoints); the registry does.
        Nothing is deployed here for a lost one: no document says what a tuned model's deployModel asks for,
        and resources cost money that nobody approved.
        """
        name = codec.endpoint_of(job)
        own = self.resource(name, ENDPOINTS) if name else None
        if own is not None or not codec.model_of(job):
            return own
        model = model or self.resource(codec.model_of(job), MODELS)
        others = [self.resource(other, ENDPOINTS) for other in codec.deployments_of(model or {})]
        return _stand_in(job, [one for one in others if one is not None])

    # ---------------------------------------------------------------- finding one again

    def job(self, handle: Handle) -> JsonObject | None:
        """The job of a record: by its name, else by its label, else by its number."""
        if "/" in handle.name:
            return self.resource(handle.name, JOBS)
        found = self.labelled(handle.id)
        if found:
            return self.chosen(found)
        if handle.id.isdigit():
            for project, location in self.places():
                job = self.resource(f"projects/{project}/locations/{location}/{JOBS}/{handle.id}", JOBS)
                if job is not None:
                    return job
        return None

    def labelled(self, id: str, place: tuple[str, str] | None = None) -> list[JsonObject]:
        """Every job with our label, oldest first."""
        query = {"filter": f'labels.{labels.ID}="{id}"'}
        found = [
            job
            for where in ([place] if place else self.places())
            for job in self.listed(where, JOBS, query)
            if codec.labels_of(job).get(labels.ID) == id
        ]
        return sorted(found, key=_age)

    def chosen(self, jobs: list[JsonObject]) -> JsonObject | None:
        """Of several jobs the oldest that lives, else the last that failed; cancelled ones are history."""
        alive = self.alive(jobs)
        if alive is not None:
            return alive
        failed = [job for job in jobs if codec.error_of(job) and codec.state_of(job) != "CANCELLED"]
        return failed[-1] if failed else None

    def alive(self, jobs: list[JsonObject]) -> JsonObject | None:
        """The oldest that trains, or whose model is there."""
        for job in jobs:
            if codec.is_under_way(job):
                return job
            if codec.is_finished(job) and self.live(job) is not None:
                return job
        return None

    def training(self, job: JsonObject) -> Status:
        """How far a job is, without a look at its model."""
        if codec.is_under_way(job):
            return Status.CREATING
        return Status.ACTIVE if codec.is_finished(job) else Status.FAILED


def _stand_in(job: JsonObject, endpoints: Iterable[JsonObject]) -> JsonObject | None:
    """The first of these endpoints that a job's model was deployed to by somebody.

    Those that the job made itself have its other checkpoints, which must not serve unasked.
    """
    model = codec.model_of(job)
    made = {names.parsed(one).key for one in codec.endpoints_of(job)}
    for one in endpoints if model else ():
        name = text_of(one, "name")
        deployed = objects_of(one, "deployedModels", name)
        mine = any(names.is_same(text_of(found, "model"), model) for found in deployed)
        if mine and names.parsed(name).key not in made:
            return one
    return None


def _listed_live(
    job: JsonObject,
    model_of: Mapping[str, JsonObject],
    endpoint_of: Mapping[str, JsonObject],
    endpoints: Iterable[JsonObject],
) -> Live | None:
    """A job of a list, with its model and endpoint of the lists beside it; None for history."""
    if codec.is_under_way(job):
        return codec.live(job, None, None)
    if not codec.is_finished(job):
        return None
    own = _at(endpoint_of, codec.endpoint_of(job))
    return codec.live(job, _at(model_of, codec.model_of(job)), own or _stand_in(job, endpoints))


def _odd(job: JsonObject, error: ServiceError) -> Odd:
    name = text_of(job, "name")
    with suppress(ServiceError):
        return Odd(codec.id_of(job), name, error.summary)
    return Odd(name.rpartition("/")[2], name, error.summary)


def _age(job: JsonObject) -> tuple[str, str]:
    return (text_of(job, "createTime"), text_of(job, "name"))


def _at(known: Mapping[str, JsonObject], name: str) -> JsonObject | None:
    return known.get(names.parsed(name).key) if name else None


def _under(live: Live, id: str) -> Live:
    return live if live.id == id else replace(live, id=id)
