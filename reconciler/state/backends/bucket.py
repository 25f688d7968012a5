"""The objects of a bucket, read and written on conditions; and what their client's errors mean.

Rule: a refusal is believed only after the object was read back. A client that repeats a conditional write
after a lost reply gets a refusal, although its write succeeded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from reconciler import bounds
from reconciler.errors import StateStoreError, is_panic
from reconciler.redaction import hide_secrets, make_printable
from reconciler.settings import Settings
from reconciler.settings.tls import Trust
from reconciler.state.backends import UNCHANGED, UNKNOWN, Stored
from reconciler.state.backends.gate import get_gate

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import AzureStore, GCSStore, S3Store

LOCK_ENDING = ".lock"
_NO_CREDENTIAL = "The operation lacked valid authentication credentials for path "
_UNTRUSTED = ("invalid peer certificate", "UnknownIssuer", "InvalidCertificate")
"""The words of the client's error, in its innermost cause."""
_REFUSED = re.compile(
    r"status code: 403|\b403 Forbidden|PermissionDenied|AccessDenied|lacked the necessary priv"
)
_NEEDS = {
    "gs": "roles/storage.objectUser on the bucket",
    "s3": "s3:ListBucket on the bucket, and s3:GetObject and s3:PutObject on its objects",
    "az": "the role Storage Blob Data Contributor on the container",
}
"""For each scheme, the rights that the account needs. Locks are objects, as the state is."""
_CHECK = "Check the network, the name of the bucket, and that the credential may read and write its objects."
_NO_BUCKET = ("NoSuchBucket", "specified bucket does not exist", "ContainerNotFound")


class ConflictError(Exception):
    """The object has another version than was expected."""


class Bucket:
    """The bucket that a state is kept in.

    Args:
        store: its client.
        place: the name of the state in messages.
        settings: that the client was opened with: what messages must hide, and advise about.
    """

    def __init__(self, store: S3Store | GCSStore | AzureStore, place: str, settings: Settings) -> None:
        self._store, self._place, self._settings = store, place, settings

    def get(self, key: str) -> Stored | None:
        """Read an object. None if there is none."""
        with self._translate_errors("read"):
            try:
                result = obstore.get(self._store, key)
                most = bounds.LOCK if key.endswith(LOCK_ENDING) else bounds.STATE
                if result.meta["size"] > most:
                    raise StateStoreError(
                        f"{self._place}: the object {key} is larger than {most // bounds.MB} MB",
                        "No state and no lock is that large. Check the address.",
                    )
                data = bytes(result.bytes())
            except FileNotFoundError as error:
                if any(sign in str(error) for sign in _NO_BUCKET):
                    raise
                return None
            return Stored(data, _write_version(result.meta["e_tag"], result.meta["version"]))

    def put_or_find(self, key: str, data: bytes, expected: str | None) -> str:
        """Write an object as `put` does. A refusal counts only if the object is not what we wrote."""
        try:
            return self.put(key, data, expected)
        except (ConflictError, StateStoreError) as error:
            if isinstance(error, StateStoreError) and not _has_answer(error):
                raise
            try:
                stored = self.get(key)
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

    def put(self, key: str, data: bytes, expected: str | None) -> str:
        """Write an object. Returns its new version.

        Raises:
            ConflictError: it has another version than the expected one, None for "must not exist".
            StateStoreError: the store failed.
        """
        mode: PutMode = "create" if expected is None else json.loads(expected)
        with self._translate_errors("write"):
            try:
                result = obstore.put(self._store, key, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError) as error:
                raise ConflictError from error
            except FileNotFoundError as error:
                if expected is None or any(sign in str(error) for sign in _NO_BUCKET):
                    raise
                raise ConflictError from error
            return _write_version(result["e_tag"], result["version"])

    @contextmanager
    def _translate_errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if not (isinstance(error, (BaseError, OSError, ValueError)) or is_panic(error)):
                raise
            raise self._translate(error, verb) from error

    def _translate(self, error: BaseException, verb: str) -> StateStoreError:
        text, _, inner = str(error).partition("\n\nDebug source")
        if any(sign in text for sign in _NO_BUCKET):
            return StateStoreError(
                f"{self._place}: the bucket does not exist, or is another account's",
                "Create it, or check the name given with --state.",
            )
        fate = UNKNOWN if verb == "write" else UNCHANGED
        said, advice = _shorten(text), _CHECK
        if is_panic(error):
            said = "the store's client gave up"
            advice = "Check the store's settings in the environment: endpoint, region, credentials."
        elif any(sign in inner for sign in _UNTRUSTED):
            said = "the TLS certificate of the store is not trusted"
            advice, fate = Trust.read(self._settings).advice, UNCHANGED
        elif refusal := get_gate().take_complaint():
            said = make_printable(hide_secrets(refusal, self._settings.secrets))
            advice = "Check the store's endpoint and the proxy."
        elif _REFUSED.search(text):
            advice = (
                f"Grant the account of this credential {_NEEDS[self._place.partition(':')[0]]}. A store may "
                "answer the same where there is none: check its name too."
            )
        said = hide_secrets(said, self._settings.secrets)
        return StateStoreError(f"{self._place}: cannot {verb} the state: {said}", f"{advice} {fate}")


def _has_answer(error: StateStoreError) -> bool:
    """Return whether the store answered, so that it is worth asking it what it did."""
    return "status code: " in str(error.__cause__)


def _write_version(e_tag: str | None, version: str | None) -> str:
    """Write both etag and generation, if present. GCS compares generations, other stores compare etags."""
    both = {key: text for key, text in (("e_tag", e_tag), ("version", version)) if text is not None}
    return json.dumps(both, allow_nan=False)


def _shorten(text: str) -> str:
    """Shorten the server's error text, and drop the query of a URL, which may hold a signature."""
    text = text[: bounds.EXCERPT].replace(_NO_CREDENTIAL, "no valid credential: ")
    message = re.search(r"<Message>(.*?)</Message>|\"message\":\s*\"(.*?)\"", text, re.DOTALL)
    status = re.search(r"status code: (\d{3}[^:]*)", text)
    if message:
        text = f"{status[1]}: {message[1] or message[2]}" if status else (message[1] or message[2])
    return make_printable(re.sub(r"\?[^\s:]*", "", text))
