"""Creates a model exactly once, whatever happens to the reply.

We choose the id, so a get after a lost reply says whether the create arrived. If the same POST is sent twice,
the service refuses the second one as a duplicate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from reconciler import errors
from reconciler.http import Transport
from reconciler.model.data import Example
from reconciler.model.desired import Desired
from reconciler.model.live import Live
from reconciler.providers import Accepted, Fence, Handle
from reconciler.providers.gemini import codec, operations
from reconciler.providers.gemini.codec import COLLECTION
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.gemini.reader import Reader, name_of
from reconciler.providers.google.exactly_once import create_once, explain_failed_look, look_until
from reconciler.providers.google.refusals import Asked, explain

_ABOUT_US = frozenset({"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "SERVICE_DISABLED", "USER_PROJECT_DENIED"})
"""Reasons of a 403 that are about the caller's login or project, not about the model."""


class Creation(Struct, frozen=True):
    """Sends creates; see `GeminiProvider.create`."""

    transport: Transport
    reader: Reader
    lag_seconds: float

    def create(
        self, desired: Desired, id: str, source: str, examples: Mapping[str, Iterable[Example]], fence: Fence
    ) -> Accepted:
        """POST once. After a lost reply or a 5xx, look for the model, and POST again only if it is absent.

        Raises:
            AlreadyExistsError: see `providers.Provider`.
            ReplyLostError, UnavailableError: see `exactly_once`.
        """
        name = name_of(Handle(id))
        body = codec.create_body(desired.attributes, source, examples[desired.data[0].field])

        def send(attempt: int) -> Accepted | None:
            if attempt > 1:
                # A 404 may only be lag. A second POST is harmless: it is refused if the first one arrived.
                self.transport.wait(2.0 ** (attempt - 2), f"creating {name} again")
            query = {"tunedModelId": id}
            reply = self.transport.call(
                "POST", f"v1beta/{COLLECTION}", query=query, body=body, slow=True, fence=fence
            )
            return operations.read_accepted(reply, name)

        def find(failed: errors.ServiceError) -> Accepted | None:
            found = self._look(name, failed)
            return None if found is None else self._accept_existing(desired, source, found)

        def settle(refused: errors.ServiceError, attempt: int) -> Accepted:
            if refused.status == 409:
                return self._settle_conflict(desired, name, source, refused, again=attempt > 1)
            made = {"tuned_model_id": f"the id is {id}, made from metadata.name; or pin metadata.id"}
            raise explain(refused, Asked(TUNED_MODEL, desired.attributes, source, made)) from refused

        return create_once(send, find, settle, name, "an operation")

    def _look(self, name: str, failed: errors.ServiceError) -> Live | None:
        """Look whether a create arrived. ReplyLostError if that cannot be found out."""
        with explain_failed_look(name, failed):
            try:
                return self.reader.get_model(name)
            except errors.ForbiddenError as error:
                if error.reason in _ABOUT_US:
                    raise
                foreign = error
        raise errors.AlreadyExistsError(
            f"{name} exists and belongs to somebody else: {foreign.summary}",
            "Choose another metadata.id or name, or use the credential of the project that owns it.",
            visible=True,
            reason=foreign.reason,
        ) from foreign

    def _settle_conflict(
        self, desired: Desired, name: str, source: str, refused: errors.ServiceError, *, again: bool
    ) -> Accepted:
        """Find out after a 409 whether the model is ours, belongs to somebody else, or is invisible to us.

        `again`: an earlier POST of this call may have arrived. Then a model that
        we cannot see is most likely ours, and another generation of the id would train a second model.
        """
        found = look_until(lambda: self._look(name, refused), self.transport, self.lag_seconds, name)
        if found is not None:
            return self._accept_existing(desired, source, found)
        if again:
            raise errors.ReplyLostError(
                f"{name} was probably created, but cannot be seen after {self.lag_seconds:g} s",
                "Run the command again later: it looks for the model first, and creates nothing twice.",
            ) from refused
        raise errors.AlreadyExistsError(
            f"The service says that {name} exists, but it cannot be seen after {self.lag_seconds:g} s",
            "The id may belong to a model that was deleted, or to somebody else: pin another metadata.id, or "
            "change metadata.name.",
            visible=False,
            reason=refused.reason,
        ) from refused

    def _accept_existing(self, desired: Desired, source: str, found: Live) -> Accepted:
        different = codec.find_differences(desired.attributes, source, found)
        if different:
            raise errors.AlreadyExistsError(
                f"{found.name} exists already and is another model: {', '.join(different)} differ",
                "Choose another metadata.id, or remove it so that an id is made from what is declared.",
                visible=True,
            )
        known: Accepted | None = None
        with suppress(errors.ServiceError):  # the model exists, and poll looks for the operation again
            operation = self.reader.find_operation(found.name)
            known = None if operation is None else operations.read_accepted(operation, found.name)
        return replace(known or Accepted(found.name), create_time=found.create_time)
