"""Where the state's bytes are kept, behind one small protocol; one store a file.

A backend knows bytes, versions and locks, and nothing of what the bytes mean.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconciler.errors import UsageError

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
        """Read leniently: a holder of another version must still be named."""

        def text(key: str) -> str:
            value = document.get(key)
            return value if isinstance(value, str) else ""

        return cls(text("ID"), text("Operation"), text("Who"), text("Info"), text("Created"))

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


_BUCKETS = {"gs": "gcs", "s3": "s3", "az": "azure"}
"""URL scheme to the module that knows the store, which is the extra's name too."""


def open_backend(
    url: str,
    *,
    environ: Mapping[str, str],
    document: str = "default",
    clock: Callable[[], float] = time.monotonic,
) -> Backend:
    """The store behind the value of --state; nothing is read or contacted yet.

    Args:
        url: a folder, gs://BUCKET/PREFIX, s3://…, az://CONTAINER/PREFIX, or http(s)://….
        environ: where credentials, TF_HTTP_* and RECONCILER_LOCK_LEASE are looked up.
        document: name of the state in the folder or under the prefix; an http address is whole already.
        clock: seconds that only grow; judges other people's leases.

    Raises:
        UsageError: no such kind of address, or the extra that it needs is not installed.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or re.fullmatch(r"[A-Za-z]?", scheme):
        from reconciler.backends.local import LocalBackend

        return LocalBackend(url or ".", document)
    raise UsageError(
        f"--state {url}: {scheme}:// is no kind of state that this program knows",
        "Give a folder, gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or https://….",
    )
