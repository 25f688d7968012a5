"""Copies tuned models with Vertex AI's models.copy (aiplatform v1), and finds the copies again.

A copy is a model of its own in the Model Registry of its project and location. Deleting its source does not
touch it. It has no endpoint of its own: programs call the stable endpoint, and its checks call an endpoint
that has the copy's own id. That endpoint goes with the copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from reconciler.errors import InUseError, NotFoundError
from reconciler.model.checks import Prompt
from reconciler.model.data import Example
from reconciler.model.desired import Desired
from reconciler.model.live import LAG_SECONDS, Live, Odd, Status
from reconciler.model.names import Attributes
from reconciler.providers import Accepted, BaseModels, Ended, Fence, Handle, Training
from reconciler.providers.google.attributes import require_mutable
from reconciler.providers.google.json import JsonObject, read_text
from reconciler.providers.vertex import codec, copy_codec, names
from reconciler.providers.vertex.copy_creation import CopyCreation, Copying, Operations, read_begin
from reconciler.providers.vertex.copy_listing import CopyListing
from reconciler.providers.vertex.copy_reader import (
    CopyReader,
    explain_failure,
    explain_missing,
    list_other_endpoints,
    may_have,
    measure_share,
    write_own_endpoint,
)
from reconciler.providers.vertex.deletion import Deletion
from reconciler.providers.vertex.endpoints import VertexEndpoints
from reconciler.providers.vertex.fields import LOCATION, MODEL_COPY, PROJECT
from reconciler.providers.vertex.regional import RegionalProvider
from reconciler.providers.vertex.regions import Regions
from reconciler.providers.vertex.resources import MODELS, PAGE_SIZE, Resources

_PLACES_AT_ONCE = 4


class CopyProvider(RegionalProvider):
    """Serves `kind: ModelCopy`; implements `providers.Provider`.

    Args:
        regions: opens the transports.
        places: the (project, location) pairs of the manifests, "" for a default.
        declared: metadata.name of each declared copy.
        lag_seconds: how long an accepted change may stay invisible.
        page_size: how many entries a list call asks for.
    """

    def __init__(
        self,
        regions: Regions,
        *,
        places: frozenset[tuple[str, str]] = frozenset(),
        declared: frozenset[str] = frozenset(),
        lag_seconds: float = LAG_SECONDS,
        page_size: int = PAGE_SIZE,
    ) -> None:
        resources, operations = Resources(regions, places, page_size), Operations(regions)
        self._resources = resources
        self._copies = CopyReader(resources, operations)
        # A copy is in the location that its manifest says, and never in the multi-region around it.
        stable = VertexEndpoints(regions, resources, self._copies, is_wider=False)
        super().__init__(MODEL_COPY, regions, stable)
        self._creation = CopyCreation(regions, resources, operations, lag_seconds)
        self._listing = CopyListing(resources, self._copies, stable, declared)
        self._called: dict[str, str] = {}

    def list(self, *, own: bool = False, progress: bool = False) -> Iterator[Live | Odd]:
        """Yield every copy of a tuned model in the declared places and in the default one.

        The models of jobs and those that people uploaded are left out. If one of them has an id that a
        declared copy could get, it is yielded as an Odd, because that id is taken. A copy does not show
        before it has been made.
        """
        del own, progress
        places = self._resources.list_places()
        with ThreadPoolExecutor(max_workers=min(_PLACES_AT_ONCE, len(places))) as pool:
            listed = list(pool.map(self._listing.list_place, places))
        # One place may be listed twice: with the project's id and with its number.
        found = {one.name: one for place in listed for one in place if isinstance(one, Live)}
        yield from (self._resources.add_project_names(live) for live in found.values())
        yield from (one for place in listed for one in place if isinstance(one, Odd))

    def list_states(self) -> Iterator[Mapping[str, Status]]:
        """Yield nothing: no list shows a copy that is being made."""
        yield from ()

    def list_ended(self) -> Iterator[Ended]:
        """Yield nothing: a copy that failed or was deleted leaves nothing."""
        yield from ()

    def get(self, handle: Handle) -> Live | None:
        """Return one copy. CREATING while it is being made, FAILED if that failed, None if it was deleted.

        Raises:
            NotUnderstoodError: the model is not a copy.
        """
        model = self._copies.find_model(handle)
        if model is not None:
            self._resources.learn_names(model)
            (traffic,) = self._listing.list_traffic([model])
            return self._resources.add_project_names(copy_codec.read_copy(model, traffic))
        operation = self._copies.find_operation(handle)
        if operation is None:
            return None
        failure = explain_failure(operation)
        if operation.get("done") and not failure:
            return None  # it was made, and was deleted afterwards
        status = Status.FAILED if failure else Status.CREATING
        name = _find_made(handle, operation)
        unseen = copy_codec.build_unseen(name, status, read_begin(operation), failure)
        return self._resources.add_project_names(unseen)

    def poll(self, handle: Handle) -> Training:
        """Ask whether a copy is made. The service tells no percentage.

        Raises:
            NotFoundError: neither the copy nor an operation that makes it exists, or it was made a moment ago
                and does not show yet.
        """
        operation = self._copies.get_operation(handle)
        if operation is not None and not operation.get("done"):
            return Training(Status.CREATING)
        if self._copies.find_model(handle) is not None:
            return Training(Status.ACTIVE)
        operation = operation or self._copies.find_operation(handle)
        if operation is not None and not operation.get("done"):
            return Training(Status.CREATING)
        if operation is not None and (failure := explain_failure(operation)):
            return Training(Status.FAILED, error=failure)
        raise explain_missing(handle)

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
        """Copy the source with one POST. See `copy_creation`.

        `source` is projects/P/locations/L/models/M@V, perhaps with #CHECKPOINT behind it. models.copy takes
        no checkpoint: a copy has all of them, and the default one of its source.

        Raises:
            AlreadyExistsError: see `providers.Provider`.
            ReplyLostError, UnavailableError: see `exactly_once`.
            ServiceError: the service refused the copy. See `copy_refusals`.
        """
        del examples
        attributes = desired.attributes
        place = self._regions.place(attributes.get(PROJECT), attributes.get(LOCATION))
        copying = Copying(id, *place, attributes, source)
        return self._creation.create(copying, attempted=attempted, fence=fence)

    def update(self, handle: Handle, attributes: Attributes, *, fence: Fence) -> None:
        """Raise ValueError for any field, because no field of a copy can be changed."""
        del handle, fence
        require_mutable(attributes, MODEL_COPY.fields)

    def delete(self, handle: Handle, *, fence: Fence) -> None:
        """Cancel what makes the copy, delete its own endpoint and the copy. A missing one counts as deleted.

        Raises:
            StillTrainingError: it is still being made, though this was cancelled. Try again later.
            InUseError: it is deployed to an endpoint that is not its own. Nothing was deleted.
        """
        deletion = Deletion(self._regions, self._resources, fence)
        model = self._copies.find_model(handle)
        if model is None:
            operation = self._copies.find_operation(handle)
            if operation is None or operation.get("done"):
                return
            deletion.cancel_operation(read_text(operation, "name"))
            model = self._copies.find_model(handle)  # it may have been made just before
        if model is None:
            return
        copy_codec.read_copy(model, ())  # a model that is not a copy is not ours to delete
        answers = self._listing.look_at(list_other_endpoints(model))
        users = [name for name, answer in answers.items() if may_have(answer, model)]
        ours, own = copy_codec.read_deployable(model), self._copies.find_own_endpoint(model)
        if users:
            raise InUseError(
                f"it stands on {', '.join(users)}, which is not its own endpoint",
                f"Undeploy {ours} there, then run the command again.",
            )
        deletion.delete_model(ours, [own] if own else [])

    def find_endpoint(self, handle: Handle) -> str:
        """Return the endpoint that answers with the copy: its own for checks, or one that sends it requests.

        "" if no endpoint sends it requests, as for a copy that is only the source of another copy.

        Raises:
            NotFoundError: the copy does not exist.
        """
        known = self._called.get(handle.name or handle.id)
        if known:
            return known
        model = self._copies.find_model(handle)
        if model is None:
            raise explain_missing(handle)
        answers = self._listing.look_at(codec.read_deployments(model))
        shares = {name: measure_share(answer, model) for name, answer in answers.items()}
        own = names.parse(write_own_endpoint(model)).key
        called = sorted(
            (name for name, share in shares.items() if share),
            key=lambda name: (names.parse(name).key != own, -shares[name], name),
        )
        if not called:
            return ""
        self._called[handle.name or handle.id] = called[0]
        return called[0]

    def generate(self, handle: Handle, prompt: Prompt, *, temperature: float | None = None) -> str:
        """Ask the endpoint of `find_endpoint`. A stable endpoint is called by `endpoints.generate`.

        Raises:
            NotFoundError: no endpoint answers with the copy.
        """
        endpoint = self.find_endpoint(handle)
        if not endpoint:
            raise NotFoundError(
                f"{handle.name or handle.id} is deployed to no endpoint that sends it requests",
                "Declare serving.endpoint, and apply: that deploys it.",
                status=404,
            )
        try:
            return self._stable.generate(endpoint, prompt, temperature=temperature)
        except NotFoundError:
            # the endpoint for checks is deleted after the checks
            self._called.pop(handle.name or handle.id, None)
            raise

    def measure_data(self, desired: Sequence[Desired]) -> Sequence[Desired]:
        """Fill in each copy's place. A copy has no data."""
        return [self._set_place(model) for model in desired]

    def read_data(self, uri: str) -> None:
        """Return None: a copy has no data."""
        del uri

    def list_base_models(self) -> BaseModels:
        """Return no base models, because a copy trains nothing."""
        return BaseModels(frozenset(), assumed=True)


def _find_made(handle: Handle, operation: JsonObject) -> names.Name:
    """Find the name of the copy that an operation makes: it begins the operation's own name."""
    made = names.parse(read_text(operation, "name"))
    return made if made.collection == MODELS else names.parse(handle.name, MODELS)
