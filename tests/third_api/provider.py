"""A made-up API with kind `Parrot`; the test copies this file to reconciler/providers/parrot.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler import http
from reconciler.errors import (
    AlreadyExistsError,
    CredentialError,
    ForbiddenError,
    NotFoundError,
    ServiceError,
    UnavailableError,
)
from reconciler.http import Reply, Signature
from reconciler.http.errors import parse_object
from reconciler.kind import Field, FieldRole, FieldType, Kind, OnChange
from reconciler.model.checks import Prompt
from reconciler.model.data import Example
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Odd, Status
from reconciler.model.names import Attributes
from reconciler.model.permission import Permission
from reconciler.providers import Accepted, BaseModels, Ended, Fence, Handle, Training
from reconciler.providers.api import Api, Setup, Target, find_service
from reconciler.redaction import make_printable
from reconciler.settings import Settings

ENDPOINT_VARIABLE, KEY_VARIABLE = "PARROT_BASE_URL", "PARROT_KEY"

FIELDS = (
    Field("base_model", FieldType.STRING, OnChange.REPLACE, role=FieldRole.SOURCE),
    Field("display_name", FieldType.STRING, OnChange.UPDATE, absent=""),
    Field("rounds", FieldType.INTEGER, OnChange.REPLACE, role=FieldRole.HYPERPARAMETER),
)
PARROT = Kind(
    name="Parrot",
    fields={field.path: field for field in FIELDS},
    data_field="training_data",
    api="parrots.example",
    pinned_ids=True,
    collection="parrots/",
    called_by_name=True,
)


class ParrotCredential:
    """A key in a header; implements `http.Credential`."""

    description = "parrot key"

    def __init__(self, environ: Settings) -> None:
        self._environ = environ

    def sign(self) -> Signature:
        """Sign with the key. Raise CredentialError without one."""
        key = self._environ.get(KEY_VARIABLE)
        if not key:
            raise CredentialError("No key for the parrots", f"Set {KEY_VARIABLE}.")
        return Signature({"x-parrot-key": key}, (key,))

    def renew(self, used: Signature) -> bool:
        """Return False, because there is only one key."""
        del used
        return False


class ParrotErrors:
    """Reads {"squawk": TEXT}; implements `http.ErrorReader`."""

    def read(self, reply: Reply, where: str, *, any_form: bool = False) -> ServiceError:
        """Choose the error by the status."""
        del any_form
        said = make_printable(str((parse_object(reply.body) or {}).get("squawk", "")))
        summary, status = f"{where} was refused ({reply.status}): {said}", reply.status
        match status:
            case 403:
                return ForbiddenError(summary, f"Set {KEY_VARIABLE}.", status=status)
            case 404:
                return NotFoundError(summary, status=status)
            case 409:
                return AlreadyExistsError(summary)
            case _:
                return (UnavailableError if status >= 500 else ServiceError)(summary, status=status)

    def find_private_texts(self, content: bytes) -> Iterable[str]:
        """Return nothing, because this service repeats no private text."""
        del content
        return ()


class ParrotProvider:
    """Serves `kind: Parrot`; implements `providers.Provider`."""

    kind = PARROT

    def __init__(self, transport: http.Transport) -> None:
        self._transport = transport

    @property
    def endpoints(self) -> None:
        """None, because parrots are called by name."""

    def list(self, *, own: bool = False, progress: bool = False) -> Iterator[Live | Odd]:
        """Yield every parrot."""
        del own, progress
        yield from map(_read, self._transport.call("GET", "parrots")["parrots"])

    def get(self, handle: Handle) -> Live | None:
        """Return one parrot."""
        try:
            return _read(self._transport.call("GET", f"parrots/{handle.id}"))
        except NotFoundError:
            return None

    def measure_data(self, desired: Sequence[Desired]) -> Sequence[Desired]:
        """Return the models unchanged, because training data is sent with the create."""
        return desired

    def read_data(self, uri: str) -> None:
        """Return None, because training data is sent with the create."""
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
        """Send a POST under our id. A second one finds the first."""
        del attempted
        words = [[one.text_input, one.output] for one in examples[desired.data[0].field]]
        body = {**desired.attributes, "id": id, "base_model": source, "words": words}
        try:
            self._transport.call("POST", "parrots", body=body, repeatable=True, fence=fence)
        except AlreadyExistsError:
            found = self.get(Handle(id))
            if found is None or dict(found.attributes) != dict(desired.attributes):
                raise
        return Accepted(f"parrots/{id}")

    def update(self, handle: Handle, attributes: Attributes, *, fence: Fence) -> None:
        """Send a PATCH."""
        self._transport.call("PATCH", f"parrots/{handle.id}", body=dict(attributes), fence=fence)

    def delete(self, handle: Handle, *, fence: Fence) -> None:
        """Delete a parrot. A 404 is success."""
        try:
            self._transport.call("DELETE", f"parrots/{handle.id}", fence=fence)
        except NotFoundError:
            return

    def poll(self, handle: Handle) -> Training:
        """Read the progress from the parrot itself."""
        found = _read(self._transport.call("GET", f"parrots/{handle.id}"))
        return Training(found.status, live=found)

    def list_permissions(self, handle: Handle) -> tuple[Permission, ...]:
        """Return nothing, because parrots have no permissions."""
        del handle
        return ()

    def set_permissions(self, handle: Handle, desired: Sequence[Permission], *, fence: Fence) -> None:
        """Do nothing, because parrots have no permissions."""
        del handle, desired, fence

    def generate(self, handle: Handle, prompt: Prompt, *, temperature: float | None = None) -> str:
        """Return what the parrot was taught."""
        del temperature
        reply = self._transport.call(
            "POST", f"parrots/{handle.id}:ask", body={"prompt": prompt.text}, repeatable=True
        )
        return str(reply["answer"])

    def list_ended(self) -> Iterator[Ended]:
        """Yield nothing, because nothing is left of a deleted parrot."""
        yield from ()

    def list_states(self) -> Iterator[Mapping[str, Status]]:
        """Yield the state of every parrot."""
        yield {live.name: live.status for live in self.list() if isinstance(live, Live)}

    def list_base_models(self) -> BaseModels:
        """Return the only one."""
        return BaseModels(frozenset({"macaw"}))

    def find_endpoint(self, handle: Handle) -> str:
        """Return the name of the parrot."""
        return f"parrots/{handle.id}"


def _read(document: Mapping[str, Any]) -> Live:
    id = str(document["id"])
    attributes = {field.path: document[field.path] for field in FIELDS if field.path in document}
    return Live(id, f"parrots/{id}", Status(document["state"]), attributes)


class ParrotConnection:
    """Implements `providers.api.Connection`."""

    location = ""

    def __init__(self, setup: Setup) -> None:
        named = setup.endpoint or setup.environ.get(ENDPOINT_VARIABLE, "")
        self.is_named = bool(named)
        self._transport = http.connect(
            base_url=named or "https://parrots.example",
            credential=ParrotCredential(setup.environ),
            errors=ParrotErrors(),
            environ=setup.environ,
            parallelism=setup.parallelism,
            stopping=setup.stopping,
        )

    def find_target(self, *, contact: bool) -> Target:
        """Return the one address of the service."""
        url = self._transport.base_url
        credential = self._transport.credential.description if contact else ""
        return Target(url, find_service(url, "parrots"), credential=credential)

    def open_providers(self) -> list[ParrotProvider]:
        """Open the provider of Parrot."""
        return [ParrotProvider(self._transport)]

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()


PARROTS = Api(
    kinds=(PARROT,),
    service="parrots",
    hosts=("parrots.example",),
    trusted_hosts=("parrots.example",),
    endpoint_variable=ENDPOINT_VARIABLE,
    variables=frozenset({ENDPOINT_VARIABLE, KEY_VARIABLE}),
    connect=ParrotConnection,
)
