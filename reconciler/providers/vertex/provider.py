"""Calls Vertex AI's supervised and preference tuning (aiplatform v1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from reconciler.bases import override_bases
from reconciler.errors import InvalidArgumentError, NotFoundError, ServiceError
from reconciler.model.checks import Prompt
from reconciler.model.data import DataSet, Example
from reconciler.model.desired import Desired
from reconciler.model.live import LAG_SECONDS, Live, Odd, Status
from reconciler.model.names import Attributes
from reconciler.model.stack import DeclaredBase
from reconciler.providers import Accepted, BaseModels, Ended, Fence, Handle, StoredData, Training
from reconciler.providers.google.calls import ask_model
from reconciler.providers.google.json import JsonObject, explain_another, read_text
from reconciler.providers.google.refusals import Asked, explain
from reconciler.providers.vertex import codec, labels, names
from reconciler.providers.vertex.bucket import Bucket, is_object
from reconciler.providers.vertex.creation import Creation
from reconciler.providers.vertex.deletion import JobDeletion
from reconciler.providers.vertex.endpoints import VertexEndpoints
from reconciler.providers.vertex.fields import DISPLAY_NAME, LOCATION, PARENT, PROJECT, TUNING_JOB
from reconciler.providers.vertex.jobs import Jobs
from reconciler.providers.vertex.regional import RegionalProvider
from reconciler.providers.vertex.regions import Regions
from reconciler.providers.vertex.resources import ENDPOINTS, JOBS, MODELS, PAGE_SIZE

_LOOKS = 8
"""Objects measured at once."""


class VertexProvider(RegionalProvider):
    """Serves `kind: TuningJob`; implements `providers.Provider`.

    Args:
        regions: open the transports.
        bucket: holds the training data.
        places: the (project, location) pairs of the manifests, "" for a default.
        tunable: base models that can be tuned; None for the documented ones.
        declared: what the Stack says about single base models.
        lag_seconds: how long an accepted change may stay invisible.
        page_size: how many entries a list call asks for.
    """

    def __init__(
        self,
        regions: Regions,
        bucket: Bucket,
        *,
        places: frozenset[tuple[str, str]] = frozenset(),
        tunable: Sequence[str] | None = None,
        declared: Sequence[DeclaredBase] = (),
        lag_seconds: float = LAG_SECONDS,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._jobs = Jobs(regions, places, page_size)
        super().__init__(TUNING_JOB, regions, VertexEndpoints(regions, self._jobs, self._jobs))
        self._bucket = bucket
        self._tunable = tunable
        self._declared = declared
        self._creation = Creation(regions, self._jobs, lag_seconds)
        self._called: dict[str, str] = {}

    def list(self, *, own: bool = False, progress: bool = False) -> Iterator[Live | Odd]:
        """Yield every tuned model and every training in progress. All of them count as ours."""
        del own, progress
        # two places may be the same, with the project's id and with its number
        places = self._jobs.list_places()
        found = {live.name: live for place in places for live in self._jobs.list_living(place)}
        yield from found.values()

    def list_states(self) -> Iterator[Mapping[str, Status]]:
        """Yield the states of a page of jobs."""
        for place in self._jobs.list_places():
            yield from self._jobs.list_states(place)

    def list_ended(self) -> Iterator[Ended]:
        """Yield each job that failed, and each whose model was deleted."""
        for place in self._jobs.list_places():
            yield from self._jobs.list_ended(place)

    def get(self, handle: Handle) -> Live | None:
        """Return one model; a failed or cancelled job is FAILED. None if the model was deleted."""
        job = self._jobs.find_job(handle)
        if job is None:
            return None
        self._jobs.learn_names(job)
        return self._jobs.build_live(job)

    def poll(self, handle: Handle) -> Training:
        """Poll the job. It never tells a percentage, and tells its steps only after it has read its data."""
        job = self._get_job(handle)
        return Training(
            self._jobs.read_status(job),
            total_steps=codec.read_steps(job),
            error=codec.read_error(job),
            billed_tokens=codec.read_billed_tokens(job),
        )

    def list_base_models(self) -> BaseModels:
        """Return the Stack's list, else the documented one, because no call lists the tunable base models."""
        if self._tunable is not None:
            declared = (base.name for base in self._declared if base.tunable)
            return BaseModels(frozenset(codec.strip_prefix(name) for name in (*self._tunable, *declared)))
        bases = override_bases(TUNING_JOB.bases, self._declared)
        return BaseModels(frozenset(base.name for base in bases.values() if base.tunable), assumed=True)

    def measure_data(self, desired: Sequence[Desired]) -> Sequence[Desired]:
        """Fill in each model's place, and measure each object in Cloud Storage (one GET each).

        For a data set of Vertex AI, the digest stays that of its name, because no call shows its content.
        """
        placed = [self._set_place(model) for model in desired]
        uris = sorted({data.uri for model in placed for data in model.data if is_object(data.uri)})
        if not uris:
            return placed
        with ThreadPoolExecutor(max_workers=min(_LOOKS, len(uris))) as pool:
            measured = dict(zip(uris, pool.map(self._bucket.measure, uris), strict=True))
        return [
            replace(model, data=tuple(_add_measure(data, measured.get(data.uri)) for data in model.data))
            for model in placed
        ]

    def read_data(self, uri: str) -> StoredData | None:
        """Find an object in Cloud Storage. None for a data set of Vertex AI, which no call returns."""
        return self._bucket.read(uri) if is_object(uri) else None

    def find_endpoint(self, handle: Handle) -> str:
        """Return the endpoint to call: the job's, or one that somebody replaced it with."""
        known = self._called.get(handle.name)
        if known:
            return known
        job = self._get_job(handle)
        is_finished = codec.is_finished(job)  # before that, the job names the endpoints of checkpoints
        endpoint = read_text(self._jobs.find_endpoint(job) or {}, "name") if is_finished else ""
        if not endpoint and is_finished and (lost := codec.read_endpoint_name(job)):
            raise self._explain_lost_endpoint(lost, codec.read_model_name(job))
        if not endpoint:
            raise ServiceError(
                f"{read_text(job, 'name')} has no endpoint yet ({codec.read_state(job)})",
                "Wait until its training has ended: reconciler wait",
            )
        self._called[handle.name] = endpoint
        return endpoint

    def _explain_lost_endpoint(self, lost: str, model: str) -> NotFoundError:
        if model and self._jobs.get_resource(model, MODELS) is None:
            return NotFoundError(
                f"{model} was deleted, and so was its endpoint {lost}",
                "reconciler plan shows what an apply would do about it.",
                status=404,
            )
        return NotFoundError(
            f"{lost} does not exist, and {model} is deployed to no other endpoint",
            "Deploy it to an endpoint in the console's Model Registry; that needs no training.",
            status=404,
        )

    def generate(self, handle: Handle, prompt: Prompt, *, temperature: float | None = None) -> str:
        """See `calls.ask_model`."""
        endpoint = self.find_endpoint(handle)
        transport = self._regions.open_location(names.parse(endpoint, ENDPOINTS).location)
        return ask_model(transport, f"v1/{endpoint}", prompt, temperature)

    def create(
        self,
        desired: Desired,
        id: str,
        source: str,
        examples: Mapping[str, Iterable[Example]],
        *,
        fence: Fence,
        attempted: bool = False,
    ) -> Accepted:
        """Upload the data, look for our label, then POST. See `creation`.

        Raises:
            AlreadyExistsError, NoCapacityError: see `providers.Provider`.
            ReplyLostError, UnavailableError: see `exactly_once`.
            ServiceError: data in a bucket has changed since the plan was made.
        """
        attributes = desired.attributes
        place = self._regions.place(attributes.get(PROJECT), attributes.get(LOCATION))
        origin, parent = self._find_origin(attributes, source)
        uris = {
            data.field: data.uri or self._bucket.put(data, examples[data.field], fence=fence)
            for data in desired.data
        }
        for data in desired.data:
            if is_object(data.uri) and data.digest and self._bucket.read_digest(data.uri) != data.digest:
                raise ServiceError(
                    f"{data.uri} has changed since the plan was made", "Nothing was created. Make a new plan."
                )
        body = codec.create_body(attributes, id, origin, uris, parent=parent)
        try:
            return self._creation.create(
                id, place, attributes, origin, body, attempted=attempted, fence=fence
            )
        except (InvalidArgumentError, NotFoundError) as error:
            project, location = place
            raise explain(
                error,
                Asked(
                    TUNING_JOB,
                    attributes,
                    source,
                    _list_made(desired, id),
                    f"project {project}, location {location}",
                    desired.data[0].field.partition(".")[0],
                ),
            ) from error

    def _find_origin(self, attributes: Attributes, source: str) -> tuple[dict[str, str], str]:
        """Return the API's name of the model to tune, and our id if the model is ours."""
        if PARENT not in attributes:
            return {"baseModel": source}, ""
        if f"/{MODELS}/" in source:
            return {"preTunedModel": source}, ""
        job = self._get_job(Handle(source, source if "/" in source else ""))
        model = codec.read_model_name(job)
        if not model:
            raise ServiceError(
                f"{read_text(job, 'name')} has no model to tune from ({codec.read_state(job)})",
                "Apply again when its training has ended.",
            )
        return {"preTunedModel": model}, codec.read_labels(job).get(labels.ID, "")

    def update(self, handle: Handle, attributes: Attributes, *, fence: Fence) -> None:
        """Send a PATCH of these fields to the model, then to its endpoint, unless that is a stable one."""
        job = self._get_job(handle)
        endpoint, parts = self._jobs.find_endpoint(job), [(codec.read_model_name(job), MODELS)]
        if endpoint is None or not codec.is_stable_endpoint(endpoint):
            parts.append((read_text(endpoint or {}, "name"), ENDPOINTS))
        for name, collection in parts:
            before = self._jobs.get_resource(name, collection) if name else None
            if before is None:
                raise NotFoundError(
                    f"{read_text(job, 'name')} has no {collection.removesuffix('s')} to update",
                    "It is still in training, or it was deleted: make a new plan.",
                    status=404,
                )
            mask, body = codec.patch(attributes, before)
            place = names.parse(name, collection)
            reply = self._regions.open_location(place.location).call(
                "PATCH", f"v1/{place.resource}", query={"updateMask": mask}, body=body, fence=fence
            )
            if not names.is_answer(place.resource, read_text(reply, "name") or place.resource):
                raise explain_another("PATCH", place.resource, reply.get("name"))

    def delete(self, handle: Handle, *, fence: Fence) -> None:
        """Cancel the job, undeploy, delete its endpoints and its model. A missing resource counts as deleted.

        Raises:
            StillTrainingError: the job was cancelled but has not ended. Try again later.
            InUseError: the model stands on an endpoint that is not ours. Nothing was deleted.
        """
        if "/" in handle.name:
            job = self._jobs.get_resource(handle.name, JOBS)
            jobs = [] if job is None else [job]
        else:
            jobs = self._jobs.list_labelled(handle.id)
        deletion = JobDeletion(self._regions, self._jobs, fence)
        for job in jobs:
            deletion.delete(job)

    def _get_job(self, handle: Handle) -> JsonObject:
        job = self._jobs.find_job(handle)
        if job is None:
            raise NotFoundError(
                f"{handle.name or handle.id} does not exist",
                "It was never created, or it is in another project or location: check both.",
                status=404,
            )
        return job


def _add_measure(data: DataSet, measured: tuple[str, int] | None) -> DataSet:
    if measured is None:
        return data
    digest, size = measured
    return replace(data, digest=digest, size=size)


def _list_made(desired: Desired, id: str) -> dict[str, str]:
    """Map each value of a create that is not in the manifest to its origin. Keys are the service's names."""
    found = {labels.ID: f"the label is {id}, made from metadata.name and what is trained"}
    if DISPLAY_NAME not in desired.attributes:
        found[DISPLAY_NAME.rpartition(".")[2]] = (
            f"it is {id}, made from metadata.name; declare spec.{DISPLAY_NAME}"
        )
    for data in desired.data:
        if data.file:
            name = data.field.rpartition(".")[2]
            found[name] = f"{data.shown} was uploaded there, to the Stack's spec.bucket"
    return found
