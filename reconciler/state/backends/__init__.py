"""Where the state's bytes are kept, behind one small protocol; one store a file.

A backend knows bytes, versions and locks, and nothing of what the bytes mean.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from reconciler import settings
from reconciler.errors import CredentialError, ReconcilerError, UsageError, is_panic
from reconciler.redaction import hide_secrets, make_printable
from reconciler.settings import Settings, hide_login
from reconciler.state.backends import places

UNKNOWN = "Whether it was written is not known; the next command finds out."
"""What to say of a write that was answered badly or not at all, and cannot be looked for."""
UNCHANGED = "What was recorded before is unchanged."
LEASE = 60.0
"""Seconds after which a remote lock that was not renewed is void; RECONCILER_LOCK_LEASE overrides."""


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who holds a lock, for the person who meets it; Terraform's fields, so that HTTP state knows them.

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
        """Terraform's lock document."""
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
        """Read leniently: a holder of another version must still be named. It may be written by anybody."""

        def text(key: str) -> str:
            value = document.get(key)
            return make_printable(value) if isinstance(value, str) else ""

        return cls(text("ID"), text("Operation"), text("Who"), text("Info"), text("Created"))

    @property
    def word(self) -> str:
        """Its id as one word of a command to copy: it is whatever stands in the lock."""
        return shlex.quote(self.id)

    def __str__(self) -> str:
        run = f" ({self.run})" if self.run else ""
        who, operation = self.who or "somebody", self.operation or "an unknown command"
        return f"{who}{run} for {operation} since {self.created or 'an unknown time'} (lock {self.id})"


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes and the version to hand back for a conditional write; opaque to everybody else."""

    data: bytes
    version: str


class Backend(Protocol):
    """One place for one state document.

    Every method may raise errors.StateStoreError when the store cannot be reached or refuses.
    """

    @property
    def place(self) -> str:
        """How to name it to a person."""

    @property
    def commit_interval(self) -> float:
        """Least seconds between two writes that the store bears (GCS: one a second an object)."""

    @property
    def lease(self) -> float | None:
        """Seconds after which an unrenewed lock is void; None when the lock cannot expire or heals itself."""

    def read(self) -> Stored | None:
        """The document, None when there is none."""

    def write(self, data: bytes, *, expected: str | None) -> str:
        """Replace the document whole or not at all; answers its new version.

        Args:
            data: the new bytes.
            expected: the version it must still have, None for "must not exist".

        Raises:
            StateMovedError: it has another version.
        """

    def lock(self, info: LockInfo) -> None:
        """Take the lock now, or raise StateLockedError that names the holder; never waits."""

    def renew(self, info: LockInfo) -> None:
        """Prove that we live. Raises LockLostError when the lock is not ours any more."""

    def unlock(self, info: LockInfo) -> None:
        """Give the lock back; already lost is not an error."""

    def force_unlock(self, lock_id: str) -> LockInfo:
        """Break the lock with this id, answering whose it was; StateError when it is another's or free."""


_EXTRAS = {"gs": "gcs", "s3": "s3", "az": "azure"}
"""URL scheme to the extra that installs its client; the module in this package has the same name."""


def open_backend(
    url: str,
    *,
    environ: Mapping[str, str],
    document: str = "default",
    clock: Callable[[], float] | None = None,
    named: str = "",
) -> Backend:
    """The store behind the value of --state; nothing is read or contacted yet.

    Args:
        url: a folder, gs://BUCKET/PREFIX, s3://…, az://CONTAINER/PREFIX, or http(s)://….
        environ: where credentials, TF_HTTP_* and RECONCILER_LOCK_LEASE are looked up.
        document: name of the state in the folder or under the prefix; an http address is whole already.
        clock: a monotonic clock in seconds, to judge the leases of others; None for this machine's.
        named: where the url was written, for who mistyped it: "RECONCILER_STATE".

    Raises:
        UsageError: no such kind of address, or the extra that it needs is not installed.
        CredentialError: none can be found for that store, or it may not be sent there.
    """
    environ = settings.of(environ)
    where = named or "State"
    place = places.parsed(url, where)
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

    return _opened_bucket(place, environ, document, clock or elapsed, where)


def _opened_bucket(
    place: places.Place, environ: Settings, document: str, clock: Callable[[], float], where: str
) -> Backend:
    bucket, _, prefix = place.rest.partition("/")
    lease = float(environ.get("RECONCILER_LOCK_LEASE", LEASE))
    extra = _EXTRAS[place.scheme]
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
        # A client of a store says what it cannot read of its settings, in words and types of its own.
        text = hide_secrets(str(error).partition("\n\nDebug source")[0], environ.secrets)
        raise CredentialError(
            f"{where} {shown}: the store cannot be opened with the settings of the environment: "
            + make_printable(text),
            f"Check the variables of that store ({_VARIABLES[place.scheme]}).",
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


_VARIABLES = {"gs": "GOOGLE_*", "s3": "AWS_*", "az": "AZURE_*"}
