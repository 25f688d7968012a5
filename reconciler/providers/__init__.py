"""The protocol of a provider: one API, translated to and from the values of `model`.

A provider turns model values into requests, and JSON into model values. Rule: it decides nothing and records
nothing, and it repeats a request only if that is harmless (`http`). Its methods are called from several
threads at once. The core does not know which APIs there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from reconciler.kind import Kind
from reconciler.model.checks import Prompt
from reconciler.model.data import Example
from reconciler.model.desired import Desired
from reconciler.model.endpoint import LiveEndpoint
from reconciler.model.live import Live, Odd, Snapshot, Status
from reconciler.model.names import Attributes
from reconciler.model.permission import Permission

Fence: TypeAlias = Callable[[], None]
"""Checks that a request which changes something may still be sent; raises if not, which ends the call.

Minutes can pass between the decision to call and the request itself: the call waits for its turn, for a rate
limit, for a list that lags behind, or the whole process is suspended. Rule: whoever starts a changing call
passes a fence. The transport calls it on the same thread, right before it sends such a request, each time.
"""


class Accepted(Struct, frozen=True):
    """A create that the service accepted. The training is running or has ended.

    Attributes:
        name: the API's resource name.
        operation: name of the long-running operation; "" if the service has none or it is unknown.
        total_steps: the steps of the training; None if the service does not say.
    """

    name: str
    operation: str = ""
    total_steps: int | None = None
    create_time: str = ""


class Training(Struct, frozen=True):
    """The state of a training, or of a deployment, as one poll found it.

    Attributes:
        billed_tokens: 0 until the service tells them.
        deployment: of a model that is deployed, the id of the deployment.
    """

    status: Status
    percent: float | None = None
    step: int | None = None
    total_steps: int | None = None
    snapshots: tuple[Snapshot, ...] = ()
    error: str = ""
    live: Live | None = None
    billed_tokens: int = 0
    deployment: str = ""


class Handle(Struct, frozen=True):
    """The recorded names of a model, by which a provider finds it again."""

    id: str
    name: str = ""
    operation: str = ""


class BaseModels(Struct, frozen=True):
    """The base models that can be tuned.

    Attributes:
        tunable: their names.
        assumed: the list is from documentation, because the service has none. So a plan only warns about a
            base model that is not in it.
    """

    tunable: frozenset[str]
    assumed: bool = False


class Ended(Struct, frozen=True):
    """A training of which no model is left. `has_failed`: there never was a model."""

    name: str
    has_failed: bool


class EndpointHandle(Struct, frozen=True):
    """What is known of a stable endpoint, by which a provider finds it.

    Attributes:
        id: the endpoint's id, which is ours.
        name: its resource name. "" if it is not known. With a name, nothing else is needed.
        location: where it is or is to be. "" for the location of its model's own endpoint.
        project: "" for the project of the model.
        near: where its model is trained. An endpoint without a location may be there, or in a wider region.
    """

    id: str
    name: str = ""
    location: str = ""
    project: str = ""
    near: str = ""


class Endpoints(Protocol):
    """Creates stable endpoints and deploys models to them.

    Rule: each method looks before it acts, at the endpoint and at what runs there, and makes only the calls
    that are missing. Every method may raise errors.ServiceError or errors.CredentialError.
    """

    def make_handle(self, desired: Desired) -> EndpointHandle:
        """Return the handle of the endpoint that a manifest declares. Asks nothing."""

    def find(self, handles: Sequence[EndpointHandle]) -> Sequence[LiveEndpoint | str | None]:
        """Look at endpoints. Each answer is the endpoint, why it may not be read, or None for no endpoint."""

    def create(
        self, handle: EndpointHandle, model: Handle, owner: str, *, is_ours: bool, fence: Fence
    ) -> LiveEndpoint:
        """Create an endpoint under our id, and wait until it is there. One that is there is labelled.

        Args:
            handle: its id, and its place if it is declared.
            model: the model that it is for.
            owner: the digest to label it with.
            is_ours: an endpoint of this id that has another label or none may be taken.
            fence: called before each request that changes something.

        Raises:
            ServiceError: there is an endpoint of this id, and it is not ours.
        """

    def deploy(self, handle: EndpointHandle, model: Handle, checkpoint: str = "", *, fence: Fence) -> str:
        """Begin to deploy a model with all traffic, or give all traffic to one that is deployed.

        With a `checkpoint`, a deployment of another one of the same model counts as another deployment.
        Returns the operation that does so; "" if nothing is left to do. An operation that an earlier run
        began is returned, and not begun again.
        """

    def poll(self, handle: EndpointHandle, model: Handle, operation: str, checkpoint: str = "") -> Training:
        """Ask how a deployment goes: ACTIVE once the model, or its checkpoint, has all the traffic.

        Raises:
            NotFoundError: nothing is under way, and the model does not have all the traffic.
        """

    def set_default_checkpoint(self, model: Handle, checkpoint: str, *, fence: Fence) -> None:
        """Make a checkpoint the model's default. Does nothing if it is."""

    def undeploy(self, handle: EndpointHandle, ids: Collection[str], *, fence: Fence) -> None:
        """Undeploy deployments. One that is not there counts as undeployed."""

    def delete(self, handle: EndpointHandle, *, fence: Fence) -> None:
        """Delete an endpoint to which nothing is deployed. A missing one counts as deleted."""

    def generate(self, name: str, prompt: Prompt, *, temperature: float | None = None) -> str:
        """Return the answer of the endpoint with this resource name, as text."""


class StoredData(Struct, frozen=True):
    """Data that lies at a service.

    Attributes:
        version: as long as it is the same, so is the content. "" if the service does not tell it.
        parts: the content, in parts that are fetched as they are needed. Each may raise like every method.
    """

    version: str
    parts: Iterator[bytes]


class Provider(Protocol):
    """Serves one kind of model.

    Every method may raise errors.ServiceError or errors.CredentialError.
    """

    @property
    def kind(self) -> Kind:
        """The kind of model that it serves, with its field table."""

    @property
    def endpoints(self) -> Endpoints | None:
        """Its stable endpoints. None if the service has none."""

    def list(self, *, own: bool = False, progress: bool = False) -> Iterator[Live | Odd]:
        """Yield every model that the credential can see, with all its fields. `own` leaves out shared ones.

        With `progress`, a model has the last snapshot of its training, if the service shows it. No plan needs
        that, and it is most of what a list of many models sends.
        A model that cannot be understood is yielded as an Odd, so that it does not hide the others.
        """

    def list_states(self) -> Iterator[Mapping[str, Status]]:
        """Yield the states of trainings by resource name, and nothing else: a mapping for each request.

        For whoever waits for many trainings. So it takes as few requests and bytes as the API allows. A
        training may be left out; `list` and `poll` tell of it.
        """

    def list_ended(self) -> Iterator[Ended]:
        """Yield what `list` leaves out because no model came of it, or its model was deleted."""

    def get(self, handle: Handle) -> Live | None:
        """Return one model. None if it does not exist, ForbiddenError if we may not see it."""

    def measure_data(self, desired: Sequence[Desired]) -> Sequence[Desired]:
        """Fill in the digest of each data set that is stored at the service. Changes nothing there.

        A data set that does not exist keeps the digest "".
        """

    def read_data(self, uri: str) -> StoredData | None:
        """Find data that lies at the service. Its content is not fetched yet, and never kept.

        None if the service does not return such data.

        Raises:
            NotFoundError: there is no such data.
        """

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
        """Start a training under our `id`, and return as soon as the service has accepted it.

        Calling it again with the same id is safe. After a lost reply it looks for the model before it sends
        the request again. If our model with the same fields exists, the create has succeeded.

        Args:
            desired: the model that a manifest declares.
            id: chosen before the call.
            source: the resource name of the model to tune.
            examples: maps DataSet.field to the examples. Has no entry for data that is stored at the service.
                Each iteration reads them again, and raises StalePlanError before its end if they have
                changed.
            fence: called before each request that changes something.
            attempted: an earlier run may have sent this create. If the service accepts an id twice, the
                provider must then look for the model for as long as lists may lag behind.

        Raises:
            NoCapacityError: the service has no capacity now. Nothing was started.
            AlreadyExistsError: the id belongs to another model, or (if not `visible`) to something that
                we cannot see.
        """

    def update(self, handle: Handle, attributes: Attributes, *, fence: Fence) -> None:
        """Change these fields of a model, and no others."""

    def delete(self, handle: Handle, *, fence: Fence) -> None:
        """Delete a model. Cancels its training first if that is running. A missing model counts as deleted.

        Raises:
            StillTrainingError: the service refuses, because the training has not ended yet.
            InUseError: somebody else deployed it. Nothing was deleted.
        """

    def poll(self, handle: Handle) -> Training:
        """Ask for the state of a training: the operation if there is one, else the model.

        Raises:
            NotFoundError: neither the operation nor the model exists.
        """

    def list_permissions(self, handle: Handle) -> tuple[Permission, ...]:
        """Return who may use the model. Leaves out the owner, whom the service sets."""

    def set_permissions(self, handle: Handle, desired: Sequence[Permission], *, fence: Fence) -> None:
        """Make the permissions equal to `desired`. Does not touch the owner."""

    def generate(self, handle: Handle, prompt: Prompt, *, temperature: float | None = None) -> str:
        """Return the model's answer to a prompt, as text."""

    def list_base_models(self) -> BaseModels:
        """Return the base models that can be tuned now."""

    def find_endpoint(self, handle: Handle) -> str:
        """Return the resource name that a program calls for inference. "" if the model needs none."""


Providers = Mapping[str, Provider]
"""Maps the name of a kind to its provider."""
