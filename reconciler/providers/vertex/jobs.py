"""Lists jobs, finds out which of them have a model, and finds a recorded job. Changes nothing.

The service never deletes a job. A job that failed, or whose model was deleted, is not listed as a model. But
a record has the job's name, so the job, and the reason of its failure, can still be found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from msgspec.structs import replace

from reconciler.errors import ForbiddenError, ServiceError
from reconciler.model.live import Live, Odd, Status
from reconciler.providers import Ended, Handle
from reconciler.providers.google.json import JsonObject, read_list, read_text
from reconciler.providers.vertex import codec, labels, names
from reconciler.providers.vertex.resources import ENDPOINTS, JOBS, MODELS, Resources

MOST_STATES = 1000
"""Jobs on a page of states."""


class Jobs(Resources):
    """Reads tuning jobs, and the models and endpoints that they made. See `Resources`."""

    def list_living(self, place: tuple[str, str]) -> list[Live | Odd]:
        """List models and running trainings, each with a unique id.

        If several jobs have one label, the oldest gets the label's id, because it was accepted first. The
        others get their numbers as ids. A job that cannot be read does not hide the others.
        """
        odd: list[Odd] = []
        jobs, found_in = self._list_with_jobs(place, (MODELS, ENDPOINTS), odd)
        models, endpoints = found_in[MODELS], found_in[ENDPOINTS]
        endpoints += self._list_far_endpoints(jobs, models, endpoints)
        model_of = {names.parse(read_text(model, "name")).key: model for model in models}
        endpoint_of = {names.parse(read_text(endpoint, "name")).key: endpoint for endpoint in endpoints}
        users_of = _index_by_model(endpoints, odd)
        found: dict[str, Live] = {}
        for job in sorted(jobs, key=_find_age):
            try:
                live = _build_listed(job, model_of, endpoint_of, users_of)
            except ServiceError as error:
                odd.append(_build_odd(job, error))
                continue
            if live is not None:
                id = live.name.rpartition("/")[2] if live.id in found else live.id
                found[id] = replace(live, id=id)
        for model in found.values():
            self.note_project(place[0], model.name)
        return [*(self.add_project_names(model) for model in found.values()), *odd]

    def _list_with_jobs(
        self, place: tuple[str, str], collections: tuple[str, ...], odd: list[Odd]
    ) -> tuple[list[JsonObject], dict[str, list[JsonObject]]]:
        """List the jobs of a place, and these collections in the locations that the jobs name.

        A location is listed once, and as soon as a page of jobs names it. So nothing is asked about a
        multi-region that has no model of these jobs.

        Returns:
            The jobs, and the resources of each collection.
        """
        project, begun = place[0], dict[tuple[str, str], Future[list[JsonObject]]]()

        def list_all(collection: str, location: str) -> list[JsonObject]:
            return list(self.list_resources((project, location), collection, odd=odd))

        with ThreadPoolExecutor(max_workers=4) as pool:

            def begin(job: JsonObject) -> None:
                for wanted in _find_locations(job):
                    if wanted[0] in collections and wanted not in begun:
                        begun[wanted] = pool.submit(list_all, *wanted)

            jobs = list(self.list_resources(place, JOBS, odd=odd, tell=begin))
        found: dict[str, list[JsonObject]] = {collection: [] for collection in collections}
        for (collection, _), listing in begun.items():
            found[collection] += listing.result()
        return jobs, found

    def _list_far_endpoints(
        self, jobs: Iterable[JsonObject], models: Iterable[JsonObject], endpoints: Iterable[JsonObject]
    ) -> list[JsonObject]:
        """Get the endpoints of other locations that models are deployed to, except those that jobs made.

        The Model Registry names them. They are mostly none, so a list mostly asks for nothing more. One that
        we may not read is left out here; the look right before a deletion does not leave it out.
        """
        deployed: set[str] = set()
        for model in models:
            with suppress(ServiceError):
                deployed |= set(codec.read_deployments(model))
        known = {names.parse(read_text(endpoint, "name")).key for endpoint in endpoints}
        for job in jobs if deployed else ():
            with suppress(ServiceError):
                known |= {names.parse(name).key for name in codec.read_endpoint_names(job)}
        found = []
        for name in sorted(deployed):
            with suppress(ServiceError):
                if names.parse(name).key not in known and (far := self.get_resource(name, ENDPOINTS)):
                    found.append(far)
        return found

    def list_states(self, place: tuple[str, str]) -> Iterator[dict[str, Status]]:
        """Yield the states of a page of jobs, by name. Asks for long pages.

        No document names the longest page of this list, and https://google.aip.dev/158 lets a service return
        fewer than it was asked for.
        """
        for page in self.list_pages(place, JOBS, page_size=MOST_STATES, fields=f"{JOBS}(name,state)"):
            jobs = [job for job in read_list(page, JOBS, JOBS) if isinstance(job, dict)]
            yield {read_text(job, "name"): self.read_status(job) for job in jobs}

    def list_ended(self, place: tuple[str, str]) -> Iterator[Ended]:
        """Yield each job that failed or was cancelled, and each whose model was deleted."""
        jobs, found_in = self._list_with_jobs(place, (MODELS,), [])
        known = {names.parse(read_text(model, "name")).key for model in found_in[MODELS]}
        for job in jobs:
            name, model = read_text(job, "name"), codec.read_model_name(job)
            if codec.is_finished(job):
                if not model or names.parse(model).key not in known:
                    yield Ended(name, has_failed=False)
            elif not codec.is_under_way(job):
                yield Ended(name, has_failed=True)

    def build_live(self, job: JsonObject) -> Live | None:
        """Read one job as a model, or as its failure. None if its model was deleted."""
        name = codec.read_model_name(job) if codec.is_finished(job) else ""
        model = self.get_resource(name, MODELS) if name else None
        live = codec.read_model(job, None, None) if model is None else self._build_finished(job, model)
        return None if live is None else self.add_project_names(live)

    def _build_finished(self, job: JsonObject, model: JsonObject) -> Live | None:
        """Read a finished job whose model exists. Asks for the endpoints of others that the model names.

        Mostly there are none. The Model Registry also names those in other locations, which no list of the
        model's location shows. An endpoint that we may not read counts as one with traffic, because a wrong
        deletion cannot be undone.
        """
        name = codec.read_endpoint_name(job)
        own = self.get_resource(name, ENDPOINTS) if name else None
        others, hidden = [], []
        for other in _list_others(job, model):
            try:
                found = self.get_resource(other, ENDPOINTS)
            except ForbiddenError:
                if own is None:
                    raise
                hidden.append(other)
            else:
                others += [] if found is None else [found]
        live = codec.read_model(job, model, own or _find_substitute(job, others))
        return None if live is None else replace(live, traffic=(*_list_traffic(job, others), *hidden))

    def find_endpoint(self, job: JsonObject) -> JsonObject | None:
        """Return the endpoint to call a job's model on: its own, or else one that somebody deployed it to.

        A job names the endpoints that it made, but not what has happened to them since
        (https://cloud.google.com/vertex-ai/generative-ai/docs/models/tuning-checkpoints). The Model Registry
        knows that. We do not replace a lost endpoint: no document says what deployModel needs for a tuned
        model, and nobody has approved what the resources would cost.
        """
        name = codec.read_endpoint_name(job)
        own = self.get_resource(name, ENDPOINTS) if name else None
        if own is not None or not codec.read_model_name(job):
            return own
        model = self.get_resource(codec.read_model_name(job), MODELS)
        others = [self.get_resource(other, ENDPOINTS) for other in _list_others(job, model or {})]
        return _find_substitute(job, [resource for resource in others if resource is not None])

    def list_users(self, job: JsonObject) -> list[str]:
        """List the endpoints of others to which a job's model is deployed, with or without traffic.

        An endpoint that we may not read is listed too.
        """
        name = codec.read_model_name(job)
        found: list[str] = []
        for other in _list_others(job, self.get_resource(name, MODELS) or {}) if name else ():
            try:
                endpoint = self.get_resource(other, ENDPOINTS)
            except ForbiddenError:
                found.append(other)
            else:
                found += [other] if endpoint and any(_find_users(job, [endpoint])) else []
        return found

    def find_job(self, handle: Handle) -> JsonObject | None:
        """Find the job of a record by its name, else by its label, else by its number."""
        if "/" in handle.name:
            return self.get_resource(handle.name, JOBS)
        found = self.list_labelled(handle.id)
        if found:
            return self.choose(found)
        if handle.id.isdigit():
            for project, location in self.list_places():
                job = self.get_resource(f"projects/{project}/locations/{location}/{JOBS}/{handle.id}", JOBS)
                if job is not None:
                    return job
        return None

    def find_deployable(self, model: Handle) -> str:
        """Return the name of a record's model, with its version. "" if it has none yet. See `Deployables`."""
        job = self.find_job(model)
        return codec.read_model_name(job) if job is not None else ""

    def find_own_place(self, model: Handle) -> str:
        """Return the name of the endpoint that the service made for a model, else that of the model."""
        job = self.find_job(model)
        return (codec.read_endpoint_name(job) or codec.read_model_name(job)) if job is not None else ""

    def list_labelled(self, id: str, place: tuple[str, str] | None = None) -> list[JsonObject]:
        """Return every job with our label, oldest first."""
        query = {"filter": f'labels.{labels.ID}="{id}"'}
        found = [
            job
            for where in ([place] if place else self.list_places())
            for job in self.list_resources(where, JOBS, query)
            if codec.read_labels(job).get(labels.ID) == id
        ]
        return sorted(found, key=_find_age)

    def choose(self, jobs: list[JsonObject]) -> JsonObject | None:
        """Choose the oldest job that trains or has a model, else the last that failed; no cancelled job."""
        alive = self.find_alive(jobs)
        if alive is not None:
            return alive
        failed = [job for job in jobs if codec.read_error(job) and codec.read_state(job) != "CANCELLED"]
        return failed[-1] if failed else None

    def find_alive(self, jobs: list[JsonObject]) -> JsonObject | None:
        """Return the oldest job that trains or has a model."""
        for job in jobs:
            if codec.is_under_way(job):
                return job
            if codec.is_finished(job) and self.build_live(job) is not None:
                return job
        return None

    def read_status(self, job: JsonObject) -> Status:
        """Read the status of a job, without asking for its model."""
        if codec.is_under_way(job):
            return Status.CREATING
        return Status.ACTIVE if codec.is_finished(job) else Status.FAILED


def _find_locations(job: JsonObject) -> Iterator[tuple[str, str]]:
    """Find the (collection, location) pairs that show what became of a job. None before it has a model.

    Endpoints are wanted where the model is too, because others may have deployed it there.
    """
    if not codec.is_finished(job):
        return
    with suppress(ServiceError):  # whoever builds the model says what is wrong with the name
        if model := codec.read_model_name(job):
            location = names.parse(model, MODELS).location
            yield from ((MODELS, location), (ENDPOINTS, location))
        if endpoint := codec.read_endpoint_name(job):
            yield (ENDPOINTS, names.parse(endpoint, ENDPOINTS).location)


def _list_others(job: JsonObject, model: JsonObject) -> list[str]:
    """List the endpoints that a job's model is deployed to, except those that the job made."""
    made = {names.parse(endpoint).key for endpoint in codec.read_endpoint_names(job)}
    return [name for name in codec.read_deployments(model) if names.parse(name).key not in made]


def _index_by_model(endpoints: Iterable[JsonObject], odd: list[Odd]) -> dict[str, list[JsonObject]]:
    """Map each model to the endpoints that it is deployed to. Keys are `Name.key`.

    An endpoint that cannot be read goes into `odd`. The look right before a deletion does not skip it.
    """
    found: dict[str, list[JsonObject]] = {}
    for endpoint in endpoints:
        name = read_text(endpoint, "name")
        try:
            models = {model.key for model, _ in codec.read_deployed(endpoint)}
        except ServiceError as error:
            odd.append(Odd("", name, error.summary))
            continue
        for model in models:
            found.setdefault(model, []).append(endpoint)
    return found


def _find_users(job: JsonObject, endpoints: Iterable[JsonObject]) -> Iterator[tuple[JsonObject, bool]]:
    """Find which of these endpoints have the job's model deployed, and whether they send it requests.

    Skips endpoints that the job made, because other checkpoints are deployed to them.
    """
    name = codec.read_model_name(job)
    if not name:
        return
    model = names.parse(name, MODELS)
    made = {names.parse(endpoint).key for endpoint in codec.read_endpoint_names(job)}
    for endpoint in endpoints:
        if names.parse(read_text(endpoint, "name")).key in made:
            continue
        mine = [sends for other, sends in codec.read_deployed(endpoint) if names.may_be_same(model, other)]
        if mine:
            yield endpoint, any(mine)


def _find_substitute(job: JsonObject, endpoints: Iterable[JsonObject]) -> JsonObject | None:
    """Find the first of these endpoints that somebody else deployed the job's model to."""
    return next((endpoint for endpoint, _ in _find_users(job, endpoints)), None)


def _list_traffic(job: JsonObject, endpoints: Iterable[JsonObject]) -> tuple[str, ...]:
    """List which of these endpoints send the job's model requests, except those that the job made."""
    return tuple(read_text(endpoint, "name") for endpoint, sends in _find_users(job, endpoints) if sends)


def _build_listed(
    job: JsonObject,
    model_of: Mapping[str, JsonObject],
    endpoint_of: Mapping[str, JsonObject],
    users_of: Mapping[str, list[JsonObject]],
) -> Live | None:
    """Read a listed job with its listed model and endpoint. None if it has no model now.

    `endpoint_of` and `users_of` have the endpoints of other locations too, if a listed model names them.
    """
    if codec.is_under_way(job):
        return codec.read_model(job, None, None)
    if not codec.is_finished(job):
        return None
    own = _find(endpoint_of, codec.read_endpoint_name(job))
    name = codec.read_model_name(job)
    users = users_of.get(names.parse(name).key, []) if name else []
    live = codec.read_model(job, _find(model_of, name), own or _find_substitute(job, users))
    return None if live is None else replace(live, traffic=_list_traffic(job, users))


def _build_odd(job: JsonObject, error: ServiceError) -> Odd:
    name = read_text(job, "name")
    with suppress(ServiceError):
        return Odd(codec.read_id(job), name, error.summary)
    return Odd(name.rpartition("/")[2], name, error.summary)


def _find_age(job: JsonObject) -> tuple[str, str]:
    return (read_text(job, "createTime"), read_text(job, "name"))


def _find(known: Mapping[str, JsonObject], name: str) -> JsonObject | None:
    return known.get(names.parse(name).key) if name else None
