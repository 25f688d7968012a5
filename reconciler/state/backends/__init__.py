"""The stores that keep the bytes of a state, behind one small protocol. Each store has a module.

Rule: a backend knows bytes, versions and locks. It does not know what the bytes mean.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from reconciler import settings
from reconciler.bounds import LOCK
from reconciler.errors import CredentialError, NotJSONError, ReconcilerError, UsageError, is_panic
from reconciler.redaction import hide_secrets, make_printable
from reconciler.settings import Settings, hide_login
from reconciler.state.backends import places
from reconciler.strictjson import loads

UNKNOWN = "Whether it was written is not known; the next command finds out."
"""Advice after a write without a clear answer whose result cannot be read."""
UNCHANGED = "What was recorded before is unchanged."
LEASE = 60.0
"""Seconds after which a remote lock that was not renewed is void. RECONCILER_LOCK_LEASE overrides it."""


class LockInfo(Struct, frozen=True):
    """The holder of a lock. It has Terraform's fields, which servers of HTTP state know.

    Attributes:
        id: random, chosen by the holder.
        operation: the command ("apply").
        who: user@host.
        run: URL or id of the CI run, "" outside CI.
        created: RFC 3339.
    """

    id: str
    operation: str
    who: str
    run: str = ""
    created: str = ""

    def to_json(self) -> dict[str, str]:
        """Write Terraform's lock document."""
        return {
            "ID": self.id,
            "Operation": self.operation,
            "Who": self.who,
            "Info": self.run,
            "Created": self.created,
            "Version": "1",
            "Path": "",
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> LockInfo:
        """Read a lock document that anybody may have written. Lenient, so that any holder can be named."""

        def read_text(key: str) -> str:
            value = document.get(key)
            return make_printable(value) if isinstance(value, str) else ""

        return cls(*map(read_text, ("ID", "Operation", "Who", "Info", "Created")))

    @property
    def word(self) -> str:
        """Its id, quoted as one word of a command, because it may be any text."""
        return shlex.quote(self.id)

    def __str__(self) -> str:
        run = f" ({self.run})" if self.run else ""
        operation = f" for {self.operation}" if self.operation else ""
        since = f" since {self.created}" if self.created else ""
        lock = f" (lock {self.id})" if self.id else ""
        return f"{self.who or 'somebody'}{run}{operation}{since}{lock}"


def read_holder(data: bytes) -> tuple[LockInfo, dict[str, Any]]:
    """Read the holder of a lock, and the lock document. Lenient, because servers differ."""
    document = None
    with suppress(NotJSONError):
        document = loads(data, most=LOCK)
    found = document if isinstance(document, dict) else {}
    return LockInfo.from_json(found), found


class Stored(Struct, frozen=True):
    """The stored bytes, and their version. Only the store understands a version."""

    data: bytes
    version: str


class Backend(Protocol):
    """One place for one state document.

    Every method may raise errors.StateStoreError when the store cannot be reached or refuses.
    """

    @property
    def place(self) -> str:
        """The name of this state in messages."""

    @property
    def commit_interval(self) -> float:
        """The fewest seconds between two writes that the store allows: on GCS it is one."""

    @property
    def lease(self) -> float | None:
        """Seconds after which a lock that was not renewed is void. None if its locks do not expire."""

    def read(self) -> Stored | None:
        """Read the document. None if there is none."""

    def write(self, data: bytes, *, expected: str | None) -> str:
        """Replace the document, whole or not at all. Returns its new version.

        Args:
            data: the new bytes.
            expected: the version that it must still have. None if it must not exist.

        Raises:
            StateMovedError: it has another version.
        """

    def lock(self, info: LockInfo) -> None:
        """Take the lock at once, or raise StateLockedError, which names the holder. Never waits."""

    def renew(self, info: LockInfo) -> None:
        """Renew the lock. Raises LockLostError if it is no longer ours."""

    def unlock(self, info: LockInfo) -> None:
        """Give the lock back. It is not an error if it was lost already."""

    def force_unlock(self, lock_id: str) -> LockInfo:
        """Break the lock with this id. Returns who held it. StateError if another lock is held, or none."""


_STORES = {"gs": ("gcs", "GOOGLE_*"), "s3": ("s3", "AWS_*"), "az": ("azure", "AZURE_*")}
"""URL scheme to the extra that installs the client, and to the client's variables.

The module in this package has the name of the extra.
"""


def open_backend(
    url: str,
    *,
    environ: Mapping[str, str],
    document: str = "default",
    clock: Callable[[], float] | None = None,
    named: str = "",
) -> Backend:
    """Open the store that --state names. Nothing is read or contacted yet.

    Args:
        url: a folder, gs://BUCKET/PREFIX, s3://…, az://CONTAINER/PREFIX, or http(s)://….
        environ: holds credentials, TF_HTTP_* and RECONCILER_LOCK_LEASE.
        document: name of the state in the folder or under the prefix. An http address needs none.
        clock: a monotonic clock in seconds, to judge the leases of others; None for this machine's.
        named: which setting holds the url, for messages: "RECONCILER_STATE".

    Raises:
        UsageError: the address is not supported, or the extra that it needs is not installed.
        CredentialError: no credential for that store is found, or it may not be sent there.
    """
    environ = settings.to_settings(environ)
    where = named or "State"
    place = places.parse_place(url, where)
    if place.scheme == "":
        from reconciler.state.backends.local import LocalBackend

        path = place.rest
        if path.endswith(".json") and not Path(path).is_dir():
            raise UsageError(
                f"{where} {path}: this is a file, and a state is kept in a folder",
                f"Give its folder, {Path(path).parent}; the file in it is {document}.json.",
            )
        return LocalBackend(path or ".", document)
    if place.scheme in ("http", "https"):
        from reconciler.state.backends.http import HTTPBackend

        return HTTPBackend(place.url, environ=environ)
    from reconciler.state.backends.lease import elapsed

    return _open_bucket(place, environ, document, clock or elapsed, where)


def _open_bucket(
    place: places.Place, environ: Settings, document: str, clock: Callable[[], float], where: str
) -> Backend:
    bucket, _, prefix = place.rest.partition("/")
    lease = float(environ.get("RECONCILER_LOCK_LEASE", LEASE))
    extra, variables = _STORES[place.scheme]
    shown = hide_login(place.url)
    try:
        from reconciler.state.backends.objects import ObjectBackend

        store = import_module(f"reconciler.state.backends.{extra}").open_store(bucket, environ)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{where} {shown}: the Python package {error.name} is not installed",
            f"In the folder of reconciler's source, run: pip install '.[{extra}]'",
        ) from error
    except ReconcilerError:
        raise
    except BaseException as error:
        if not (isinstance(error, Exception) or is_panic(error)):
            raise
        # The store's client raises errors of its own types about its settings.
        text = hide_secrets(str(error).partition("\n\nDebug source")[0], environ.secrets)
        raise CredentialError(
            f"{where} {shown}: the store cannot be opened with the settings of the environment: "
            + make_printable(text),
            f"Check the variables of that store ({variables}).",
        ) from error
    key = "/".join(part for part in (*prefix.split("/"), document) if part)
    return ObjectBackend(
        store,
        place=f"{place.scheme}://{bucket}/{key}.json",
        key=key,
        lease=lease,
        clock=clock,
        settings=environ,
    )
