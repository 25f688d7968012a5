"""Calls the Gemini API's tunedModels (v1beta; operations are polled and cancelled on v1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from reconciler import errors
from reconciler.http import Transport
from reconciler.kind import Kind
from reconciler.model.checks import Prompt
from reconciler.model.data import Example
from reconciler.model.desired import Desired
from reconciler.model.live import LAG_SECONDS, Live, Odd, Status
from reconciler.model.names import Attributes
from reconciler.model.permission import Permission
from reconciler.providers import Accepted, BaseModels, Ended, Fence, Handle, Training
from reconciler.providers.gemini import codec
from reconciler.providers.gemini.codec import COLLECTION
from reconciler.providers.gemini.creation import Creation
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.gemini.grants import Grants
from reconciler.providers.gemini.operations import describe_training, read_training
from reconciler.providers.gemini.reader import PAGE_SIZE, Reader, is_path, name_of
from reconciler.providers.google.calls import ask_model, merge_pages
from reconciler.providers.google.json import explain_another, read_list, read_objects, require_object


class GeminiProvider:
    """Serves `kind: TunedModel`; implements `providers.Provider`.

    Args:
        transport: the transport to the Gemini API.
        login: the same transport without an API key; None if `transport` itself has none.
        lag_seconds: how long an accepted change may stay invisible.
        page_size: how many models a list call asks for.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        login: Transport | None = None,
        lag_seconds: float = LAG_SECONDS,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._transport = transport
        self._reader = Reader(transport, page_size)
        self._creation = Creation(transport, self._reader, lag_seconds)
        self._grants = Grants(Reader(login or transport, page_size))

    @property
    def kind(self) -> Kind:
        """The kind TunedModel."""
        return TUNED_MODEL

    @property
    def endpoints(self) -> None:
        """None: programs call a tuned model by its own name."""

    def list(self, *, own: bool = False, progress: bool = False) -> Iterator[Live | Odd]:
        """Yield each model that we can see. `get` returns all snapshots."""
        query = {"filter": "owner:me"} if own else {}
        entry = codec.WITH_CURVE if progress else codec.WITHOUT_CURVE
        odd: list[Odd] = []

        def read_pages() -> Iterator[tuple[str, Live]]:
            for page in self._reader.list_pages(f"v1beta/{COLLECTION}", query, f"{COLLECTION}({entry})"):
                for document in read_list(page, COLLECTION, COLLECTION):
                    try:
                        found = codec.read_model(require_object(document, COLLECTION, "a model"), curve=False)
                        yield found.id, found
                    except errors.NotUnderstoodError as error:
                        odd.append(codec.build_odd(document, error.summary))

        def ask_again(id: str, found: Live) -> Live | None:
            try:
                return self._reader.get_model(found.name)
            except errors.NotUnderstoodError as error:
                odd.append(Odd(id, found.name, error.summary))
                return None

        for live in merge_pages(read_pages(), ask_again):
            yield replace(live, snapshots=live.snapshots[-1:] if progress else ())
        yield from odd

    def list_states(self) -> Iterator[Mapping[str, Status]]:
        """Yield the states of a page of models."""
        for page in self._reader.list_pages(f"v1beta/{COLLECTION}", {}, f"{COLLECTION}({codec.STATE})"):
            yield codec.read_states(read_list(page, COLLECTION, COLLECTION))

    def list_ended(self) -> Iterator[Ended]:
        """Yield nothing: a failed training is listed as a model, and a deleted model leaves nothing."""
        yield from ()

    def get(self, handle: Handle) -> Live | None:
        """Return one model with its whole loss curve. None on a 404, ForbiddenError if it is not ours."""
        return self._reader.get_model(name_of(handle))

    def poll(self, handle: Handle) -> Training:
        """Poll the operation, which has the percentage and the reason of a failure, or else the model."""
        name = name_of(handle)
        if handle.operation:
            operation = self._reader.get_operation(handle.operation)
            told = None if operation is None else read_training(operation, name)
            if told is not None:
                return told
        found = self._reader.get_model(name)
        if found is None:
            raise errors.NotFoundError(
                f"Neither {name} nor an operation that creates it exists",
                "It was deleted, or its create never arrived.",
                status=404,
            )
        # No operation is recorded, or the operation knows less than the model.
        operation = (
            None if found.status is Status.ACTIVE or handle.operation else self._reader.find_operation(name)
        )
        told = None if operation is None else read_training(operation, name)
        return told if told is not None and told.status is found.status else describe_training(found)

    def list_base_models(self) -> BaseModels:
        """Return the models that offer createTunedModel. Since May 2025 no model of Google's does."""
        tunable = set()
        fields = "models(name,supportedGenerationMethods)"
        for page in self._reader.list_pages("v1beta/models", {}, fields):
            for document in read_objects(page, "models", "models"):
                methods, name = document.get("supportedGenerationMethods"), document.get("name")
                if isinstance(methods, Sequence) and "createTunedModel" in methods and isinstance(name, str):
                    tunable.add(name)
        return BaseModels(frozenset(tunable))

    def find_endpoint(self, handle: Handle) -> str:
        """Return the model's resource name, because generateContent is called on the model itself."""
        return name_of(handle)

    def generate(self, handle: Handle, prompt: Prompt, *, temperature: float | None = None) -> str:
        """See `calls.ask_model`."""
        return ask_model(self._transport, f"v1beta/{name_of(handle)}", prompt, temperature)

    def measure_data(self, desired: Sequence[Desired]) -> Sequence[Desired]:
        """Measure nothing, because training data is sent with the create."""
        return desired

    def read_data(self, uri: str) -> None:
        """Return None, because no data lies at the service."""
        del uri

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
        """See `Creation.create`."""
        del attempted  # a second POST of the same id is refused
        return self._creation.create(desired, id, source, examples, fence)

    def update(self, handle: Handle, attributes: Attributes, *, fence: Fence) -> None:
        """Send a PATCH with a mask of just these fields."""
        name = name_of(handle)
        mask, body = codec.patch(attributes)
        reply = self._transport.call(
            "PATCH", f"v1beta/{name}", query={"updateMask": mask}, body=body, fence=fence
        )
        if reply.get("name", name) != name:
            raise explain_another("PATCH", name, reply.get("name"))

    def delete(self, handle: Handle, *, fence: Fence) -> None:
        """Cancel a running training, then delete the model. A 404 is success.

        Raises:
            StillTrainingError: the service does not delete a model in training; try it again later.
        """
        name = name_of(handle)
        found = self._reader.get_model(name)
        training = found is not None and found.status is Status.CREATING
        if training:
            self._cancel(handle, name, fence)
        try:
            self._transport.call("DELETE", f"v1beta/{name}", fence=fence)
        except errors.NotFoundError:
            return
        except (errors.InvalidArgumentError, errors.AlreadyExistsError, errors.NotReadyError) as error:
            # no document says how the service refuses to delete a model that is training
            if not training:
                raise
            raise errors.StillTrainingError(
                f"{name} is not deleted while its training ends: {error.summary}",
                "It stays recorded as deposed; `reconciler wait` deletes it later.",
                status=error.status,
                reason=error.reason,
            ) from error

    def list_permissions(self, handle: Handle) -> tuple[Permission, ...]:
        """Return all permissions but the owner's, sorted. CredentialError if there is only an API key."""
        return self._grants.list_granted(name_of(handle))

    def set_permissions(self, handle: Handle, desired: Sequence[Permission], *, fence: Fence) -> None:
        """Make the permissions equal to `desired`. CredentialError if there is only an API key."""
        self._grants.set_granted(name_of(handle), desired, fence)

    def _cancel(self, handle: Handle, name: str, fence: Fence) -> None:
        """Ask the service to stop a training. It may be over already, or impossible to stop."""
        operation = handle.operation
        try:
            if not operation:
                found = self._reader.find_operation(name)
                operation = str(found["name"]) if found else ""
            if is_path(operation):
                self._transport.call("POST", f"v1/{operation}:cancel", body={}, repeatable=True, fence=fence)
        except (errors.UnavailableError, errors.NotUnderstoodError):
            raise
        except errors.ServiceError:  # the training is over, or the service does not let us stop it
            return
