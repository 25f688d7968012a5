"""Makes a copy exactly once. We choose its id, so the service refuses the same request a second time.

A copy does not show before its operation has ended. So a look finds the copy, or the operation that makes it:
operations of a copy are listed under its name. A copy that failed leaves nothing, and its id is free again.
"""

from __future__ import annotations

from msgspec import Struct

from reconciler import errors
from reconciler.model.names import Attributes
from reconciler.providers import Accepted, Fence
from reconciler.providers.google.calls import list_pages
from reconciler.providers.google.exactly_once import create_once, explain_failed_look, look_until
from reconciler.providers.google.json import (
    JsonObject,
    explain_another,
    read_objects,
    read_text,
    read_time,
    require_object,
)
from reconciler.providers.vertex import copy_codec, copy_refusals, names
from reconciler.providers.vertex.fields import SERVICE_ACCOUNT
from reconciler.providers.vertex.regions import Regions
from reconciler.providers.vertex.resources import MODELS, Resources
from reconciler.redaction import make_printable

NO_REASON = "the service gave no reason"
_COPY = "CopyModelOperationMetadata"


class Operations(Struct, frozen=True):
    """Reads the operations that make copies."""

    regions: Regions

    def get(self, name: str) -> JsonObject | None:
        """Return an operation, from the host of its own location. None if it is forgotten."""
        place = names.parse(name)
        try:
            found = self.regions.open_location(place.location).call("GET", f"v1/{name}")
        except errors.NotFoundError:
            return None
        if not names.is_answer(name, read_text(found, "name")):
            raise explain_another("operations", name, found.get("name"))
        return found

    def find_last(self, model: str) -> JsonObject | None:
        """Return the last operation that makes, or made, the model with this name. None if there is none."""
        transport = self.regions.open_location(names.parse(model, MODELS).location)
        try:
            pages = list(list_pages(transport, f"v1/{model}/operations", {}, page_size=100))
        except errors.NotFoundError:
            return None
        found = [one for page in pages for one in read_objects(page, "operations", model) if _is_copy(one)]
        return max(found, key=read_begin, default=None)


def read_begin(operation: JsonObject) -> str:
    """Return when an operation began."""
    metadata = require_object(operation.get("metadata"), "operations", "metadata")
    generic = require_object(metadata.get("genericMetadata"), "operations", "genericMetadata")
    return read_time(generic, "createTime")


def read_failure(operation: JsonObject, asked: copy_refusals.Asked) -> str:
    """Return why an operation failed. "" if it did not, or has not ended."""
    error = require_object(operation.get("error"), read_text(operation, "name"), "error")
    if not error:
        return ""
    said = make_printable(read_text(error, "message")) or NO_REASON
    return copy_refusals.explain_operation(error.get("code"), said, asked)


def _is_copy(operation: JsonObject) -> bool:
    metadata = require_object(operation.get("metadata"), "operations", "metadata")
    return read_text(metadata, "@type").endswith(_COPY)


class Copying(Struct, frozen=True):
    """The copy that is asked for.

    Attributes:
        id: our id.
        project, location: of the copy.
        attributes: the declared fields.
        source: the model to copy, with its version and perhaps its checkpoint.
    """

    id: str
    project: str
    location: str
    attributes: Attributes
    source: str

    @property
    def parent(self) -> str:
        """The name of its place."""
        return f"projects/{self.project}/locations/{self.location}"

    @property
    def name(self) -> str:
        """Its name, with the project as it was declared."""
        return f"{self.parent}/{MODELS}/{self.id}"

    def explain(self, error: errors.ServiceError) -> errors.ServiceError:
        """Return a refusal with advice on copies."""
        account = str(self.attributes.get(SERVICE_ACCOUNT, ""))
        source, _ = copy_codec.split_source(self.source)
        return copy_refusals.explain(error, copy_refusals.Asked(source, self.project, self.location, account))


class CopyCreation(Struct, frozen=True):
    """Sends the requests for copies; see `CopyProvider.create`."""

    regions: Regions
    resources: Resources
    operations: Operations
    lag_seconds: float

    def create(self, copying: Copying, *, attempted: bool, fence: Fence) -> Accepted:
        """Copy the model with one POST, unless the copy exists or is being made.

        Args:
            copying: what is asked for.
            attempted: an earlier run may have sent this request. It is looked for before it is sent.
            fence: called before each sending.

        Raises:
            AlreadyExistsError: see `providers.Provider`.
            ReplyLostError, UnavailableError: see `exactly_once`.
            ServiceError: the service refused the copy. The advice names the reasons that are known.
        """
        transport = self.regions.open_location(copying.location)
        body = copy_codec.create_body(copying.attributes, copying.id, copying.source)
        path = f"v1/{copying.parent}/{MODELS}:copy"

        def look_again(failed: errors.ServiceError) -> Accepted | None:
            with explain_failed_look(copying.name, failed):
                found = self._look(copying)  # once, because a second POST is refused if the first one arrived
            return self._accept(copying, found)

        def send(attempt: int) -> Accepted | None:
            if attempt > 1:
                transport.wait(2.0 ** (attempt - 2), f"copying to {copying.name} again")
            beginning = self.regions.open_to_begin(copying.location)
            reply = beginning.call("POST", path, body=body, slow=True, repeatable=False, fence=fence)
            return read_accepted(reply, copying.name)

        def settle(refused: errors.ServiceError, attempt: int) -> Accepted:
            # no document says how a taken id is refused, so a 400 is looked into too
            if isinstance(refused, (errors.AlreadyExistsError, errors.InvalidArgumentError)):
                return self._settle(copying, refused, again=attempt > 1)
            raise copying.explain(refused) from refused

        accepted = self._accept(copying, self._look(copying)) if attempted else None
        return accepted or create_once(send, look_again, settle, copying.name, "an operation")

    def _look(self, copying: Copying) -> JsonObject | None:
        """Find the copy, or the operation that makes it now."""
        found = self.resources.get_resource(copying.name, MODELS)
        if found is not None:
            return found
        last = self.operations.find_last(copying.name)
        return None if last is None or last.get("done") else last

    def _settle(self, copying: Copying, refused: errors.ServiceError, *, again: bool) -> Accepted:
        """Find out after a refusal whether the id is taken, and by what.

        `again`: an earlier POST of this call may have arrived.
        """
        name, is_taken = copying.name, isinstance(refused, errors.AlreadyExistsError)
        transport = self.regions.open_location(copying.location)
        lag = self.lag_seconds if is_taken else 0.0
        with explain_failed_look(name, refused):
            found = look_until(lambda: self._look(copying), transport, lag, name)
        accepted = self._accept(copying, found)
        if accepted is not None:
            return accepted
        if not is_taken:
            raise copying.explain(refused) from refused
        if again:
            raise errors.ReplyLostError(
                f"{name} was probably copied, but cannot be seen after {lag:g} s",
                "Run the command again later: it looks for the copy first, and copies nothing twice.",
            ) from refused
        raise errors.AlreadyExistsError(
            f"The service says that {name} exists, but it cannot be seen after {lag:g} s",
            "The id may belong to a model that was deleted. Change metadata.name.",
            visible=False,
            reason=refused.reason,
        ) from refused

    def _accept(self, copying: Copying, found: JsonObject | None) -> Accepted | None:
        """Accept what `_look` found: an operation, or a model if it is the copy that was asked for."""
        if found is None:
            return None
        name = copying.name
        if "/operations/" in read_text(found, "name"):
            return read_accepted(found, name)
        if not copy_codec.is_first(found):
            found = self.resources.get_resource(f"{name}@{copy_codec.FIRST}", MODELS) or found
        different = copy_codec.find_differences(copying.attributes, copying.source, found)
        if different:
            origin = copy_codec.read_origin(found)
            raise errors.AlreadyExistsError(
                f"{name} exists already and is another model: {', '.join(different)} differ. "
                + (f"It was copied from {origin}" if origin else "It names no model that it was copied from"),
                "Give the manifest another metadata.name, or delete that model.",
                visible=True,
            )
        made = names.parse(read_text(found, "name"), MODELS).resource
        last = self.operations.find_last(name)
        operation = read_text(last, "name") if last is not None else ""
        return Accepted(made, operation, create_time=read_begin(last or {}) or read_time(found, "createTime"))


def read_accepted(operation: JsonObject, name: str) -> Accepted | None:
    """Read the answer to a request for a copy. None if it is about something else.

    Raises:
        ServiceError: the answer says that the copy has failed already.
    """
    found = read_text(operation, "name")
    wanted = names.parse(name, MODELS)
    try:
        said = names.parse(found)
    except errors.ServiceError:
        return None
    if "/operations/" not in found or said.location != wanted.location:
        return None
    if said.collection == MODELS and said.id != wanted.id:
        return None
    if operation.get("error"):
        asked = copy_refusals.Asked("", said.project, said.location)
        raise errors.ServiceError(f"{found} failed: {read_failure(operation, asked)}", "Nothing was copied.")
    made = said.resource if said.collection == MODELS else wanted.resource
    return Accepted(made, found, create_time=read_begin(operation))
