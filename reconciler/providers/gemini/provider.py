"""The calls of the Gemini API's tunedModels (v1beta; operations are polled and cancelled on v1).

Rule: a create is answered by looking, never by hoping. Its id is ours, so after a lost reply a get says
whether it arrived, and a POST that is sent again can only be refused as a duplicate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reconciler.errors import (
    AlreadyExistsError,
    ForbiddenError,
    NotFoundError,
    ReplyLostError,
    ServiceError,
    StoppedError,
    UnavailableError,
)
from reconciler.model import Attributes, Desired, Example, Kind, Live, Permission, Status
from reconciler.providers import Accepted, BaseModels, Handle, Training
from reconciler.providers.gemini import codec
from reconciler.providers.gemini.codec import COLLECTION, JsonObject
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.transport import Transport

LAG_SECONDS = 30.0
"""How long a model that was just accepted may still be answered with 404."""
PAGE_SIZE = 1000
"""The service's cap; it may return fewer."""
_CREATE_ATTEMPTS = 4
_MOST_PAGES = 10_000

# Segments that stay what they are inside a URL: neither "..", nor "?" or "#".
_SEGMENT = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
_MODEL_NAME = re.compile(rf"{COLLECTION}/{_SEGMENT}")
_OPERATION_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


class GeminiProvider:
    """Serves `kind: TunedModel`; implements `providers.Provider`.

    Args:
        transport: to the Gemini API.
        lag_seconds: see LAG_SECONDS.
        page_size: models a list call asks for.
    """

    def __init__(
        self, transport: Transport, *, lag_seconds: float = LAG_SECONDS, page_size: int = PAGE_SIZE
    ) -> None:
        self._transport = transport
        self._lag_seconds = lag_seconds
        self._page_size = page_size

    @property
    def kind(self) -> Kind:
        """TunedModel."""
        return TUNED_MODEL

    # ---------------------------------------------------------------- reading

    def list(self, *, own: bool = False) -> Iterator[Live]:
        """Every model that we can see, each once; of its snapshots only the last (`get` has them all)."""
        seen: set[str] = set()
        query = {"filter": "owner:me"} if own else {}
        for page in self._pages(f"v1beta/{COLLECTION}", query):
            for document in codec.objects(page, COLLECTION, COLLECTION):
                found = codec.live(document, curve=False)
                if found.id not in seen:  # a model that moves between two pages comes twice
                    seen.add(found.id)
                    yield found

    def get(self, handle: Handle) -> Live | None:
        """One model with its whole loss curve; None on 404; ForbiddenError when it is somebody else's."""
        return self._get(_name(handle))

    def poll(self, handle: Handle) -> Training:
        """From the operation, which knows the percentage and a failure's reason; else from the model."""
        name = _name(handle)
        if handle.operation:
            operation = self._operation(handle.operation)
            told = None if operation is None else codec.training(operation, name)
            if told is not None:
                return told
        found = self._get(name)
        if found is None:
            raise NotFoundError(
                f"{name} does not exist, nor an operation that makes it",
                "It was deleted, or its create never arrived.",
                status=404,
            )
        # The name of the operation was never recorded, or it says less than the model by now.
        operation = None if found.status is Status.ACTIVE or handle.operation else self._operation_of(name)
        told = None if operation is None else codec.training(operation, name)
        return told if told is not None and told.status is found.status else codec.training_of_model(found)

    def base_models(self) -> BaseModels:
        """Models that offer createTunedModel. Since May 2025 Google's service offers none."""
        tunable = set()
        for page in self._pages("v1beta/models", {}):
            for document in codec.objects(page, "models", "models"):
                methods, name = document.get("supportedGenerationMethods"), document.get("name")
                if isinstance(methods, Sequence) and "createTunedModel" in methods and isinstance(name, str):
                    tunable.add(name)
        return BaseModels(frozenset(tunable))

    def endpoint(self, handle: Handle) -> str:
        """The resource name: generateContent is called on the model itself."""
        return _name(handle)

    def generate(self, handle: Handle, prompt: str, *, temperature: float | None = None) -> str:
        """The first candidate's text; repeated on 5xx and time-outs, because it changes nothing."""
        name = _name(handle)
        body: JsonObject = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
        if temperature is not None:
            body["generationConfig"] = {"temperature": temperature}
        reply = self._transport.call(
            "POST", f"v1beta/{name}:generateContent", body=body, slow=True, repeatable=True
        )
        return codec.reply_text(reply, name)

    # ---------------------------------------------------------------- changing

    def create(
        self, want: Desired, id: str, source: str, examples: Mapping[str, Sequence[Example]]
    ) -> Accepted:
        """POST once; after a lost reply or a 5xx look, and POST again only when nothing is there.

        Raises:
            AlreadyExistsError: see `providers.Provider`.
            ReplyLostError: whether it was created could not be found out; the next run finds it by its id.
            UnavailableError: nothing was sent, or the service kept failing and there is no such model.
        """
        name = _name(Handle(id))
        body = codec.create_body(want.attributes, source, examples[want.data[0].field])
        pause = 1.0
        for attempt in range(1, _CREATE_ATTEMPTS + 1):
            try:
                reply = self._transport.call(
                    "POST", f"v1beta/{COLLECTION}", query={"tunedModelId": id}, body=body, slow=True
                )
                accepted = codec.accepted(reply, name)
                if accepted is not None:
                    return accepted
                failed: ServiceError = ReplyLostError(
                    f"The create of {name} was answered by something that is no operation",
                    "Run the command again: it looks first.",
                )
            except ReplyLostError as error:
                failed = error
            except UnavailableError as error:
                if error.status is None:  # no connection: nothing was sent
                    raise
                failed = error
            except ServiceError as error:
                if error.status != 409:
                    raise
                return self._occupied(want, name, source, error)
            found = self._look(name, failed)
            if found is not None:
                return self._ours(want, source, found)
            if attempt == _CREATE_ATTEMPTS:
                raise failed
            # 404 may be lag; the id makes a second POST harmless: it is refused if the first arrived.
            self._transport.wait(pause, f"creating {name} again")
            pause *= 2
        raise AssertionError("unreachable")

    def update(self, handle: Handle, attributes: Attributes) -> None:
        """PATCH with a mask of just these fields."""
        mask, body = codec.patch(attributes)
        self._transport.call("PATCH", f"v1beta/{_name(handle)}", query={"updateMask": mask}, body=body)

    def delete(self, handle: Handle) -> None:
        """Cancel what still trains, then delete; 404 is success.

        Raises:
            ServiceError: the service does not delete a model in training; it must be tried again later.
        """
        name = _name(handle)
        found = self._get(name)
        if found is None:
            return
        if found.status is Status.CREATING:
            self._cancel(handle, name)
        try:
            self._transport.call("DELETE", f"v1beta/{name}")
        except NotFoundError:
            return
        except ServiceError as error:
            if found.status is not Status.CREATING or error.status not in {400, 409, 412}:
                raise
            raise ServiceError(
                f"{name} is not deleted while its training ends: {error.summary}",
                "It stays recorded as deposed; `reconciler wait` deletes it later.",
                status=error.status,
                reason=error.reason,
            ) from error

    def permissions(self, handle: Handle) -> tuple[Permission, ...]:
        """All but the owner's, sorted. Refuses API keys: CredentialError where nothing else is found."""
        return tuple(sorted(one for _, one in self._permissions(_name(handle)) if one.role != "OWNER"))

    def set_permissions(self, handle: Handle, want: Sequence[Permission]) -> None:
        """Bring them to `want`; looks again after a lost reply or when somebody else was quicker."""
        name = _name(handle)
        surprise: ServiceError | None = None
        for _ in range(3):
            surprise = self._set_permissions_once(name, want)
            if surprise is None:
                return
        raise ServiceError(
            f"The permissions of {name} do not become what is declared: {surprise.summary}"
            if surprise
            else f"The permissions of {name} do not become what is declared",
            "Somebody else may be changing them at the same time; run the command again.",
        ) from surprise

    # ---------------------------------------------------------------- pieces

    def _pages(self, path: str, query: Mapping[str, str], *, api_key: bool = True) -> Iterator[JsonObject]:
        token, tokens = "", set[str]()
        for _ in range(_MOST_PAGES):
            paged = {**query, "pageSize": str(self._page_size)} | ({"pageToken": token} if token else {})
            page = self._transport.call("GET", path, query=paged, api_key=api_key)
            yield page
            token = codec.next_page(page, path)
            if not token:
                return
            if token in tokens:
                break
            tokens.add(token)
        raise ServiceError(
            f"GET {path}: the service's pages go round in a circle (a page token came twice)",
            "The list is not complete, so nothing is decided on it. Run the command again.",
        )

    def _get(self, name: str) -> Live | None:
        try:
            return codec.live(self._transport.call("GET", f"v1beta/{name}"), curve=True)
        except NotFoundError:
            return None

    def _look(self, name: str, failed: ServiceError) -> Live | None:
        """Whether a create arrived after all; when even that cannot be found out, ReplyLostError."""
        try:
            return self._get(name)
        except ForbiddenError as error:
            raise _somebody_elses(name, error) from error
        except StoppedError:
            raise
        except UnavailableError as error:
            raise ReplyLostError(
                f"{failed.summary}; and whether {name} exists cannot be found out: {error.summary}",
                "Run the command again later: it looks first and creates nothing twice.",
            ) from failed

    def _occupied(self, want: Desired, name: str, source: str, refused: ServiceError) -> Accepted:
        """After a 409: ours, somebody's, or invisible even when the lag window is over."""
        clock = self._transport.clock
        until, pause = clock() + self._lag_seconds, 0.5
        while True:
            found = self._look(name, refused)
            if found is not None:
                return self._ours(want, source, found)
            left = until - clock()
            if left <= 0:
                break
            self._transport.wait(min(pause, left), f"looking for {name} again")
            pause = min(pause * 2, 5.0)
        raise AlreadyExistsError(
            f"{name} is said to exist, and is not to be seen after {self._lag_seconds:g} s",
            "The id may belong to a model that was deleted, or to somebody else: the next generation of the "
            "id is free.",
            visible=False,
            reason=refused.reason,
        ) from refused

    def _ours(self, want: Desired, source: str, found: Live) -> Accepted:
        different = codec.differences(want.attributes, source, found)
        if different:
            raise AlreadyExistsError(
                f"{found.name} exists already and is another model: {', '.join(different)} differ",
                "Choose another metadata.id, or remove it so that an id is made from what is declared.",
                visible=True,
            )
        try:
            operation = self._operation_of(found.name)
        except (ServiceError, StoppedError):
            operation = None
        known = None if operation is None else codec.accepted(operation, found.name)
        if known is None:
            return Accepted(found.name, "", None, found.create_time)
        return Accepted(known.name, known.operation, known.total_steps, found.create_time)

    def _operation(self, operation: str) -> JsonObject | None:
        """Google's guide polls v1, its SDKs v1beta: the second is asked when the first does not know it."""
        if not _OPERATION_NAME.fullmatch(operation):
            raise ServiceError(f"{operation[:80]!r} is not the name of an operation", "Correct the state.")
        for version in ("v1", "v1beta"):
            try:
                return self._transport.call("GET", f"{version}/{operation}")
            except NotFoundError:
                continue
        return None

    def _operation_of(self, name: str) -> JsonObject | None:
        """The operation that made a model, by the model's list of them; None when it has none."""
        for version in ("v1", "v1beta"):
            try:
                pages = self._pages(f"{version}/{name}/operations", {})
                operations = [one for page in pages for one in codec.objects(page, "operations", name)]
            except NotFoundError:
                continue
            return codec.operation_of_create(operations)
        return None

    def _cancel(self, handle: Handle, name: str) -> None:
        """Stop a training, as far as the service lets us: it may be over, or not to be stopped."""
        operation = handle.operation
        try:
            if not operation:
                found = self._operation_of(name)
                operation = str(found["name"]) if found else ""
            if _OPERATION_NAME.fullmatch(operation):
                self._transport.call("POST", f"v1/{operation}:cancel", body={}, repeatable=True)
        except ServiceError as error:
            if error.status is None or error.status >= 500:
                raise

    def _permissions(self, name: str) -> Iterator[tuple[str, Permission]]:
        for page in self._pages(f"v1beta/{name}/permissions", {}, api_key=False):
            for document in codec.objects(page, "permissions", name):
                yield str(document.get("name", "")), codec.permission(document, name)

    def _set_permissions_once(self, name: str, want: Sequence[Permission]) -> ServiceError | None:
        """One pass; answers what happened behind our back, so that the caller looks again."""
        current = {one.grantee: (path, one) for path, one in self._permissions(name)}
        wanted = {one.grantee: one for one in want}
        surprise: ServiceError | None = None
        for grantee, one in wanted.items():
            path, now = current.get(grantee, ("", None))
            if now is not None and now.role in {one.role, "OWNER"}:
                continue
            try:
                if now is None:
                    self._grant(name, one)
                else:
                    self._transport.call(
                        "PATCH",
                        f"v1beta/{path}",
                        query={"updateMask": "role"},
                        body={"role": one.role},
                        api_key=False,
                    )
            except (AlreadyExistsError, NotFoundError, ReplyLostError) as error:
                surprise = error
        for grantee, (path, now) in current.items():
            if grantee not in wanted and now.role != "OWNER":
                try:
                    self._transport.call("DELETE", f"v1beta/{path}", api_key=False)
                except NotFoundError:
                    continue
        return surprise

    def _grant(self, name: str, one: Permission) -> None:
        body: JsonObject = {"granteeType": one.grantee_type, "role": one.role}
        if one.email_address:
            body["emailAddress"] = one.email_address
        self._transport.call("POST", f"v1beta/{name}/permissions", body=body, api_key=False)


def _name(handle: Handle) -> str:
    name = handle.name or f"{COLLECTION}/{handle.id}"
    if not _MODEL_NAME.fullmatch(name):
        raise ServiceError(
            f"{name[:80]!r} is not the name of a tuned model",
            f"It must be {COLLECTION}/ID, the id made of letters, digits and '-'. Correct the id.",
        )
    return name


def _somebody_elses(name: str, error: ForbiddenError) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"{name} exists and belongs to somebody else: {error.summary}",
        "Choose another metadata.id or name, or use the credential of the project that owns it.",
        visible=True,
        reason=error.reason,
    )
