"""Creates a model exactly once, whatever happens to the reply.

Rule: a create is answered by looking, never by hoping. Its id is ours, so after a lost reply a get says
whether it arrived, and a POST that is sent again can only be refused as a duplicate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.errors import (
    AlreadyExistsError,
    CredentialError,
    ForbiddenError,
    ReplyLostError,
    ServiceError,
    StoppedError,
    UnavailableError,
)
from reconciler.http import Transport
from reconciler.model import Desired, Example, Live
from reconciler.providers import Accepted, Fence, Handle
from reconciler.providers.gemini import codec, operations
from reconciler.providers.gemini.codec import COLLECTION
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.gemini.reader import Reader, name_of
from reconciler.providers.google.lookup import explain_not_understood, explain_unknown, look_until
from reconciler.providers.google.refusals import Asked, explain

_ATTEMPTS = 4
_ABOUT_US = frozenset({"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "SERVICE_DISABLED", "USER_PROJECT_DENIED"})
"""Reasons of a 403 that speak of the caller's login or project, not of the model."""


class Creation:
    """Sends creates; see `GeminiProvider.create`."""

    def __init__(self, transport: Transport, reader: Reader, lag_seconds: float) -> None:
        self._transport = transport
        self._reader = reader
        self._lag_seconds = lag_seconds

    def create(
        self, desired: Desired, id: str, source: str, examples: Mapping[str, Iterable[Example]], fence: Fence
    ) -> Accepted:
        """POST once; after a lost reply or a 5xx look, and POST again only when nothing is there.

        Raises:
            AlreadyExistsError: see `providers.Provider`.
            ReplyLostError: whether it was created could not be found out; the next run finds it by its id.
            UnavailableError: nothing was sent, or the service kept failing and there is no such model.
        """
        name = name_of(Handle(id))
        body = codec.create_body(desired.attributes, source, examples[desired.data[0].field])
        pause = 1.0
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                reply = self._transport.call(
                    "POST",
                    f"v1beta/{COLLECTION}",
                    query={"tunedModelId": id},
                    body=body,
                    slow=True,
                    fence=fence,
                )
                accepted = operations.read_accepted(reply, name)
                if accepted is not None:
                    return accepted
                failed: ServiceError = explain_not_understood(name, "operation")
            except ReplyLostError as error:
                failed = error
            except UnavailableError as error:
                if error.status is None and (attempt == 1 or isinstance(error, StoppedError)):
                    raise  # no connection: nothing was sent
                failed = error
            except ServiceError as error:
                if error.status != 409:
                    made = {"tuned_model_id": f"the id is {id}, made from metadata.name; or pin metadata.id"}
                    raise explain(error, Asked(TUNED_MODEL, desired.attributes, source, made)) from error
                return self._settle_conflict(desired, name, source, error, again=attempt > 1)
            found = self._look(name, failed)
            if found is not None:
                return self._accept_existing(desired, source, found)
            if attempt == _ATTEMPTS:
                raise failed
            # 404 may be lag; the id makes a second POST harmless: it is refused if the first arrived.
            self._transport.wait(pause, f"creating {name} again")
            pause *= 2
        raise AssertionError("unreachable")

    def _look(self, name: str, failed: ServiceError) -> Live | None:
        """Look whether a create arrived after all. ReplyLostError if that cannot be found out."""
        try:
            return self._reader.get_model(name)
        except ForbiddenError as error:
            if error.reason in _ABOUT_US:
                raise explain_unknown(name, failed, error) from failed
            raise _explain_foreign(name, error) from error
        except StoppedError:
            raise
        except (ServiceError, CredentialError) as error:
            raise explain_unknown(name, failed, error) from failed

    def _settle_conflict(
        self, desired: Desired, name: str, source: str, refused: ServiceError, *, again: bool
    ) -> Accepted:
        """Find out, after a 409, whether the model is ours, somebody else's, or cannot be seen at all.

        `again`: an earlier POST of this call may have arrived. Then what nobody can see is most likely our
        own training, and another generation of the id would be a second one: better to look again later.
        """
        found = look_until(lambda: self._look(name, refused), self._transport, self._lag_seconds, name)
        if found is not None:
            return self._accept_existing(desired, source, found)
        if again:
            raise ReplyLostError(
                f"{name} was probably created, and is not to be seen after {self._lag_seconds:g} s",
                "Run the command again later: it looks first and creates nothing twice.",
            ) from refused
        raise AlreadyExistsError(
            f"{name} is said to exist, and is not to be seen after {self._lag_seconds:g} s",
            "The id may belong to a model that was deleted, or to somebody else: pin another metadata.id, or "
            "change metadata.name.",
            visible=False,
            reason=refused.reason,
        ) from refused

    def _accept_existing(self, desired: Desired, source: str, found: Live) -> Accepted:
        different = codec.find_differences(desired.attributes, source, found)
        if different:
            raise AlreadyExistsError(
                f"{found.name} exists already and is another model: {', '.join(different)} differ",
                "Choose another metadata.id, or remove it so that an id is made from what is declared.",
                visible=True,
            )
        try:
            operation = self._reader.find_operation(found.name)
            known = None if operation is None else operations.read_accepted(operation, found.name)
        except ServiceError:  # it exists, and that is what matters; poll looks for the operation again
            known = None
        if known is None:
            return Accepted(found.name, "", None, found.create_time)
        return Accepted(known.name, known.operation, known.total_steps, found.create_time)


def _explain_foreign(name: str, error: ForbiddenError) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"{name} exists and belongs to somebody else: {error.summary}",
        "Choose another metadata.id or name, or use the credential of the project that owns it.",
        visible=True,
        reason=error.reason,
    )
