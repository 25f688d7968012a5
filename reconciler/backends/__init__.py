"""Where the state's bytes are kept, behind one small protocol; one store a file.

A backend knows bytes, versions and locks, and nothing of what the bytes mean.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from reconciler.errors import UsageError
from reconciler.transport import printable

UNKNOWN = "Whether it was written is not known; the next command finds out."
"""What to say of a write that was answered badly or not at all, and cannot be looked for."""
UNCHANGED = "What was recorded before is unchanged."
LEASE = 60.0
"""Seconds after which a remote lock that was not renewed is void; RECONCILER_LOCK_LEASE overrides."""
_SHORTEST_LEASE = 4.0


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
            return printable(value) if isinstance(value, str) else ""

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
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def open_backend(
    url: str,
    *,
    environ: Mapping[str, str],
    document: str = "default",
    clock: Callable[[], float] | None = None,
) -> Backend:
    """The store behind the value of --state; nothing is read or contacted yet.

    Args:
        url: a folder, gs://BUCKET/PREFIX, s3://…, az://CONTAINER/PREFIX, or http(s)://….
        environ: where credentials, TF_HTTP_* and RECONCILER_LOCK_LEASE are looked up.
        document: name of the state in the folder or under the prefix; an http address is whole already.
        clock: seconds that only grow, to judge other people's leases; None for this machine's.

    Raises:
        UsageError: no such kind of address, or the extra that it needs is not installed.
        CredentialError: none can be found for that store, or it may not be sent there.
    """
    from reconciler.backends.lease import elapsed

    clock = clock or elapsed
    scheme, separator, rest = url.partition("://")
    if not separator:
        from reconciler.backends.local import LocalBackend

        if url.endswith(".json") and not Path(url).is_dir():
            raise UsageError(
                f"State {url}: this is a file, and a state is kept in a folder",
                f"Give its folder, {Path(url).parent}; the file in it is {document}.json.",
            )
        return LocalBackend(url or ".", document)
    if scheme in ("http", "https"):
        from reconciler.backends.http import HTTPBackend

        return HTTPBackend(url, environ=environ)
    if scheme not in _EXTRAS:
        raise UsageError(
            f"State {url}: {scheme}:// is no kind of state that this program knows",
            "Give a folder, gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or https://….",
        )
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise UsageError(f"State {url}: no bucket is named", f"Write {scheme}://BUCKET/PREFIX.")
    lease = _lease(environ)
    try:
        from reconciler.backends.objects import ObjectBackend

        store = import_module(f"reconciler.backends.{_EXTRAS[scheme]}").open_store(bucket, environ)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"State {url}: the Python package {error.name} is not installed",
            f"In the folder of reconciler's source, run: pip install '.[{_EXTRAS[scheme]}]'",
        ) from error
    key = "/".join(part for part in (*prefix.split("/"), document) if part)
    return ObjectBackend(store, place=f"{scheme}://{bucket}/{key}.json", key=key, lease=lease, clock=clock)


def _lease(environ: Mapping[str, str]) -> float:
    text = environ.get("RECONCILER_LOCK_LEASE", "")
    if not text:
        return LEASE
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if seconds < _SHORTEST_LEASE:
        raise UsageError(
            f"RECONCILER_LOCK_LEASE={text}: not a duration of at least {_SHORTEST_LEASE:g}s",
            "Write it like 60s or 2m. The lock is renewed every quarter of it.",
        )
    return seconds
