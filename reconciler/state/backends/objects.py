"""State as two objects of a bucket: KEY.json, and KEY.lock with a lease; S3, GCS and Azure alike.

Rules: every write is conditional on the version that it replaces, so a store that does not honour
conditions is refused. The lock object is never deleted (no store deletes conditionally everywhere): a
free lock is one that says so. A conditional write that was repeated after a lost reply can win and be
told that it lost, so a refusal is believed only after the object was read back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from reconciler import bounds
from reconciler.errors import (
    LockLostError,
    NotJSONError,
    StateError,
    StateLockedError,
    StateMovedError,
    StateStoreError,
    is_panic,
)
from reconciler.redaction import hide_secrets, make_printable
from reconciler.settings import Settings
from reconciler.settings.tls import Trust
from reconciler.state.backends import UNCHANGED, UNKNOWN, LockInfo, Stored
from reconciler.state.backends.gate import complaint
from reconciler.state.backends.lease import Watch, new_nonce
from reconciler.strictjson import loads

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import AzureStore, GCSStore, S3Store

_TRIES = 5
_NO_CREDENTIAL = "The operation lacked valid authentication credentials for path "
_UNTRUSTED = ("invalid peer certificate", "UnknownIssuer", "InvalidCertificate")
"""In what the client tells of its innermost cause."""
_REFUSED = re.compile(
    r"status code: 403|\b403 Forbidden|PermissionDenied|AccessDenied|lacked the necessary priv"
)
_NEEDS = {
    "gs": "roles/storage.objectUser on the bucket",
    "s3": "s3:ListBucket on the bucket, and s3:GetObject and s3:PutObject on its objects",
    "az": "the role Storage Blob Data Contributor on the container",
}
"""Scheme of the address to what its account must be granted; the locks are objects like the state."""
_CHECK = "Check the network, the name of the bucket, and that the credential may read and write its objects."
_NO_BUCKET = ("NoSuchBucket", "specified bucket does not exist", "ContainerNotFound")


class _ConflictError(Exception):
    """A condition was not met: the object is not the one that was expected."""


class ObjectBackend:
    """One document under one key.

    Args:
        store: of the bucket.
        place: how to name the document to a person.
        key: without the ending.
        lease: seconds; what our own locks promise.
        clock: seconds that only grow; judges other people's leases.
        settings: that it was opened with, for messages: what to hide, what to correct.
    """

    commit_interval = 1.0

    def __init__(
        self,
        store: S3Store | GCSStore | AzureStore,
        *,
        place: str,
        key: str,
        lease: float,
        clock: Callable[[], float],
        settings: Settings | None = None,
    ) -> None:
        self._store = store
        self._place = place
        self._key, self._lock_key = f"{key}.json", f"{key}.lock"
        self._lease = lease
        self._settings = settings or Settings({})
        self._watch = Watch(clock)
        self._held: tuple[str, str] | None = None  # our lock's id, and its object's version as we wrote it

    @property
    def place(self) -> str:
        """How to name it to a person."""
        return self._place

    @property
    def lease(self) -> float | None:
        """See Backend.lease."""
        return self._lease

    def read(self) -> Stored | None:
        """See Backend.read."""
        return self._get(self._key)

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend.write."""
        try:
            return self._put_or_find(self._key, data, expected)
        except _ConflictError:
            raise StateMovedError(
                f"{self.place}: the state is not the one that was read: somebody else wrote it meanwhile",
                "Nothing was overwritten. Run the command again.",
            ) from None

    def lock(self, info: LockInfo) -> None:
        """See Backend.lock; takes over a lock that we have seen unrenewed for its lease."""
        for _ in range(_TRIES):
            stored = self._get(self._lock_key)
            holder, nonce, lease = self._lock_document(stored)
            if stored is not None and holder is not None and holder.id == info.id:
                self._held = (info.id, stored.version)  # an earlier try arrived, and only its answer was lost
                return
            if holder is not None:
                unchanged = self._watch.measure_unchanged(nonce)
                if unchanged < lease:
                    seen = f"; no sign of life for {unchanged:.0f} s of {lease:g} s" if unchanged > 1 else ""
                    raise StateLockedError(
                        f"{self.place}: the state is locked by {holder}{seen}",
                        f"Wait: a lock that is not renewed for {lease:g} s while we look is taken over. "
                        f"If that run is dead for sure: reconciler force-unlock {holder.word}",
                    )
            if self._write_lock(info, stored.version if stored else None):
                if stored is None:
                    self._refuse_unconditional_store(info)
                return
        raise StateLockedError(f"{self.place}: the state's lock changes hands faster than we can take it")

    def renew(self, info: LockInfo) -> None:
        """See Backend.renew."""
        for _ in range(_TRIES):
            held = self._held
            if held is not None and held[0] == info.id and self._write_lock(info, held[1]):
                return
            stored = self._get(self._lock_key)
            holder, _, _ = self._lock_document(stored)
            if stored is None or holder is None or holder.id != info.id:
                now = f"{holder} holds it now" if holder else "it expired or was forced open"
                raise LockLostError(
                    f"{self.place}: the lock {info.id} is not ours any more: {now}",
                    "Nothing of theirs was overwritten. Run the command again when they have finished.",
                )
            self._held = (info.id, stored.version)
        raise StateStoreError(f"{self.place}: the lock could not be renewed: it changes under our hands")

    def unlock(self, info: LockInfo) -> None:
        """See Backend.unlock."""
        held, self._held = self._held, None
        if held is not None and held[0] == info.id and self._write_lock(None, held[1]):
            return
        for _ in range(_TRIES):
            stored = self._get(self._lock_key)
            holder, _, _ = self._lock_document(stored)
            if stored is None or holder is None or holder.id != info.id:
                return
            if self._write_lock(None, stored.version):
                return
        raise StateStoreError(f"{self.place}: the lock could not be given back: it changes under our hands")

    def force_unlock(self, lock_id: str) -> LockInfo:
        """See Backend.force_unlock."""
        for _ in range(_TRIES):
            stored = self._get(self._lock_key)
            holder, _, _ = self._lock_document(stored)
            if stored is None or holder is None:
                raise StateError(f"{self.place}: the state is not locked", "Run the command again.")
            if holder.id != lock_id:
                raise StateError(
                    f"{self.place}: the lock {lock_id} is gone; the state is locked by {holder}",
                    f"If that run is dead for sure: reconciler force-unlock {holder.word}",
                )
            if self._write_lock(None, stored.version):
                return holder
        raise StateError(f"{self.place}: the holder of {lock_id} is alive and renews it", "Let it finish.")

    # ------------------------------------------------------------------------------ the lock object

    def _write_lock(self, holder: LockInfo | None, expected: str | None) -> bool:
        """Whether the lock object is now ours as we want it: held by `holder`, or free."""
        nonce = new_nonce()
        document = holder.to_json() | {"Path": self.place} if holder else {"ID": ""}
        data = json.dumps(document | {"Nonce": nonce, "Lease": self._lease}, allow_nan=False).encode()
        try:
            version = self._put_or_find(self._lock_key, data, expected)
        except _ConflictError:
            return False
        if holder:
            self._held = (holder.id, version)
        return True

    def _lock_document(self, stored: Stored | None) -> tuple[LockInfo | None, str, float]:
        """Who holds it (None: free), its nonce, and the lease that the holder promised to keep."""
        if stored is None:
            return None, "", self._lease
        try:
            document = loads(stored.data, most=bounds.LOCK)
        except NotJSONError as error:
            raise self._no_lock() from error
        if not isinstance(document, dict):
            raise self._no_lock()
        lease, nonce = document.get("Lease"), document.get("Nonce")
        if (
            not isinstance(lease, (int, float))
            or not 1 <= lease <= bounds.DELAY
            or not isinstance(nonce, str)
        ):
            raise self._no_lock()
        info = LockInfo.from_json(document)
        return (info if info.id else None), nonce, lease

    def _no_lock(self) -> StateStoreError:
        return StateStoreError(
            f"{self.place}: the object {self._lock_key} beside the state is not a lock of ours",
            "If nobody is running, delete that object and run the command again.",
        )

    def _refuse_unconditional_store(self, info: LockInfo) -> None:
        """Once in the life of a state: two writes that must be refused; some stores refuse only one."""
        first = self._held[1] if self._held else None
        self.renew(info)
        stored = self._get(self._lock_key)
        refused = 0
        for expected in (None, first):  # a create of what exists; a write over a version that is gone
            try:
                self._put(self._lock_key, stored.data if stored else b"", expected)
            except _ConflictError:
                refused += 1
        if refused == 2:
            return
        raise StateStoreError(
            f"{self.place}: this store ignores conditions on writes, so two runs could overwrite each other",
            "Use a store that honours If-Match and If-None-Match (Amazon S3, GCS, Azure, a recent MinIO).",
        )

    # ------------------------------------------------------------------------------------- the store

    def _get(self, key: str) -> Stored | None:
        with self._named_errors("read"):
            try:
                result = obstore.get(self._store, key)
                most = bounds.STATE if key == self._key else bounds.LOCK
                if result.meta["size"] > most:
                    raise StateStoreError(
                        f"{self.place}: the object {key} is larger than {most // bounds.MB} MB",
                        "No state and no lock is that large. Check the address.",
                    )
                data = bytes(result.bytes())
            except FileNotFoundError as error:
                if any(sign in str(error) for sign in _NO_BUCKET):
                    raise
                return None
            return Stored(data, _version(result.meta["e_tag"], result.meta["version"]))

    def _put_or_find(self, key: str, data: bytes, expected: str | None) -> str:
        """`_put`, but a refusal is believed only where the object is not what was to be written."""
        try:
            return self._put(key, data, expected)
        except (_ConflictError, StateStoreError) as error:
            if isinstance(error, StateStoreError) and not _was_answered(error):
                raise
            try:
                stored = self._get(key)
            except StateStoreError as unread:
                said = error if isinstance(error, StateStoreError) else unread
                told = said.detail.replace(UNCHANGED, UNKNOWN)
                raise StateStoreError(said.summary, told) from said.__cause__
            if stored is not None and stored.data == data:
                return stored.version
            if isinstance(error, StateStoreError) and (stored.version if stored else None) == expected:
                known = error.detail.replace(UNKNOWN, UNCHANGED)
                raise StateStoreError(error.summary, known) from error.__cause__
            raise

    def _put(self, key: str, data: bytes, expected: str | None) -> str:
        mode: PutMode = "create" if expected is None else json.loads(expected)
        with self._named_errors("write"):
            try:
                result = obstore.put(self._store, key, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError) as error:
                raise _ConflictError from error
            except FileNotFoundError as error:
                if expected is None or any(sign in str(error) for sign in _NO_BUCKET):
                    raise
                raise _ConflictError from error
            return _version(result["e_tag"], result["version"])

    @contextmanager
    def _named_errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError, TimeoutError) as error:
            raise self._named(error, verb) from error
        except BaseException as error:
            if not is_panic(error):
                raise
            raise StateStoreError(
                f"{self.place}: cannot {verb} the state: the store's client gave up",
                "Check the store's settings in the environment: endpoint, region, credentials. "
                f"{UNKNOWN if verb == 'write' else UNCHANGED}",
            ) from error

    def _named(self, error: Exception, verb: str) -> StateStoreError:
        text, _, inner = str(error).partition("\n\nDebug source")
        fate = UNKNOWN if verb == "write" else UNCHANGED
        if any(sign in text for sign in _NO_BUCKET):
            return StateStoreError(
                f"{self.place}: the bucket does not exist, or is another account's",
                "Create it, or check the name given with --state.",
            )
        if any(sign in inner for sign in _UNTRUSTED):
            return StateStoreError(
                f"{self.place}: cannot {verb} the state: the TLS certificate of the store is not trusted",
                f"{Trust.of(self._settings).advice} {UNCHANGED}",
            )
        if stopped := complaint():
            stopped = make_printable(hide_secrets(stopped, self._settings.secrets))
            return StateStoreError(
                f"{self.place}: cannot {verb} the state: {stopped}",
                f"Check the store's endpoint and the proxy. {fate}",
            )
        said = hide_secrets(_short(text), self._settings.secrets)
        advice = _CHECK
        if _REFUSED.search(text):
            needs = _NEEDS[self.place.partition(":")[0]]
            advice = (
                f"Grant the account of this credential {needs}. A store may answer the same where there is "
                "none: check its name too."
            )
        return StateStoreError(f"{self.place}: cannot {verb} the state: {said}", f"{advice} {fate}")


def _was_answered(error: StateStoreError) -> bool:
    """Whether the store said something, so that it can be asked what it did."""
    return "status code: " in str(error.__cause__)


def _version(e_tag: str | None, version: str | None) -> str:
    """Both halves where there are both: GCS compares generations, the others etags."""
    both = {key: one for key, one in (("e_tag", e_tag), ("version", version)) if one is not None}
    return json.dumps(both, allow_nan=False)


def _short(text: str) -> str:
    """The server's own words, without a query (a signature may stand there), never long."""
    text = text[: bounds.EXCERPT].replace(_NO_CREDENTIAL, "no valid credential: ")
    message = re.search(r"<Message>(.*?)</Message>|\"message\":\s*\"(.*?)\"", text, re.DOTALL)
    status = re.search(r"status code: (\d{3}[^:]*)", text)
    if message:
        text = f"{status[1]}: {message[1] or message[2]}" if status else (message[1] or message[2])
    return make_printable(re.sub(r"\?[^\s:]*", "", text))
