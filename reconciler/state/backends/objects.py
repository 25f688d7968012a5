"""State as two objects of a bucket: KEY.json, and KEY.lock with a lease; S3, GCS and Azure alike.

Rules: every write is conditional on the version that it replaces, and a store that ignores conditions is
refused. The lock object is never deleted, because not every store can delete on a condition: a free lock is
an object that says so.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reconciler import bounds, errors
from reconciler.settings import Settings
from reconciler.state.backends import LockInfo, Stored
from reconciler.state.backends.bucket import LOCK_ENDING, Bucket, ConflictError
from reconciler.state.backends.lease import Watch, new_nonce
from reconciler.strictjson import loads

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

_TRIES = 5


class ObjectBackend:
    """One document under one key.

    Args:
        store: the bucket's client.
        place: the name of the state in messages.
        key: of the document, without its ending.
        lease: seconds after which our own locks are void if we do not renew them.
        clock: a monotonic clock in seconds, to judge the leases of others.
        settings: that the client was opened with: what messages must hide, and advise about.
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
        self._bucket = Bucket(store, place, settings or Settings({}))
        self.place = place
        self._key, self._lock_key = f"{key}.json", key + LOCK_ENDING
        self.lease = lease
        self._watch = Watch(clock)
        # our lock's id, and the version of its object as we wrote it
        self._held: tuple[str, str | None] | None = None

    def read(self) -> Stored | None:
        """See Backend.read."""
        return self._bucket.get(self._key)

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend.write."""
        try:
            return self._bucket.put_or_find(self._key, data, expected)
        except ConflictError:
            raise errors.StateMovedError(
                f"{self.place}: somebody else changed the state while this command ran",
                "Nothing was overwritten. Run the command again.",
            ) from None

    def lock(self, info: LockInfo) -> None:
        """See Backend.lock. Takes over a lock that was not renewed for its whole lease while we looked."""
        for _ in range(_TRIES):
            version, holder, nonce, lease = self._read_lock()
            if holder is not None and holder.id == info.id:
                self._held = (info.id, version)  # an earlier try arrived, and its answer was lost
                return
            if holder is not None:
                unchanged = self._watch.measure_unchanged(nonce)
                if unchanged < lease:
                    seen = f"; no sign of life for {unchanged:.0f} s of {lease:g} s" if unchanged > 1 else ""
                    raise errors.StateLockedError(
                        f"{self.place}: the state is locked by {holder}{seen}",
                        f"Wait: a lock that is not renewed for {lease:g} s while we look is taken over. "
                        f"If that run is dead for sure: reconciler force-unlock {holder.word}",
                    )
            if self._write_lock(info, version):
                if version is None:
                    self._require_conditions(info)
                return
        raise errors.StateLockedError(
            f"{self.place}: other runs take the state's lock faster than this one can"
        )

    def renew(self, info: LockInfo) -> None:
        """See Backend.renew."""
        for _ in range(_TRIES):
            held = self._held
            if held is not None and held[0] == info.id and self._write_lock(info, held[1]):
                return
            version, holder, _, _ = self._read_lock()
            if holder is None or holder.id != info.id:
                now = f"{holder} holds it now" if holder else "it expired or was forced open"
                raise errors.LockLostError(
                    f"{self.place}: the lock {info.id} is not ours any more: {now}",
                    "Nothing of theirs was overwritten. Run the command again when they have finished.",
                )
            self._held = (info.id, version)
        raise errors.StateStoreError(
            f"{self.place}: the lock could not be renewed: another run keeps changing it"
        )

    def unlock(self, info: LockInfo) -> None:
        """See Backend.unlock."""
        held, self._held = self._held, None
        if held is not None and held[0] == info.id and self._write_lock(None, held[1]):
            return
        for _ in range(_TRIES):
            version, holder, _, _ = self._read_lock()
            if holder is None or holder.id != info.id or self._write_lock(None, version):
                return
        raise errors.StateStoreError(
            f"{self.place}: the lock could not be given back: another run keeps changing it"
        )

    def force_unlock(self, lock_id: str) -> LockInfo:
        """See Backend.force_unlock."""
        for _ in range(_TRIES):
            version, holder, _, _ = self._read_lock()
            if holder is None:
                raise errors.StateError(f"{self.place}: the state is not locked", "Run the command again.")
            if holder.id != lock_id:
                raise errors.StateError(
                    f"{self.place}: the lock {lock_id} is gone; the state is locked by {holder}",
                    f"If that run is dead for sure: reconciler force-unlock {holder.word}",
                )
            if self._write_lock(None, version):
                return holder
        raise errors.StateError(
            f"{self.place}: the holder of {lock_id} is alive and renews it", "Let it finish."
        )

    # ------------------------------------------------------------------------------ the lock object

    def _write_lock(self, holder: LockInfo | None, expected: str | None) -> bool:
        """Write the lock object: held by `holder`, or free. False if somebody else has changed it."""
        nonce = new_nonce()
        document = holder.to_json() | {"Path": self.place} if holder else {"ID": ""}
        data = json.dumps(document | {"Nonce": nonce, "Lease": self.lease}, allow_nan=False).encode()
        try:
            version = self._bucket.put_or_find(self._lock_key, data, expected)
        except ConflictError:
            return False
        if holder:
            self._held = (holder.id, version)
        return True

    def _read_lock(self) -> tuple[str | None, LockInfo | None, str, float]:
        """Read the version of the lock object, its holder (None if it is free), its nonce, and its lease."""
        stored = self._bucket.get(self._lock_key)
        if stored is None:
            return None, None, "", self.lease
        document: Any = None
        with contextlib.suppress(errors.NotJSONError):
            document = loads(stored.data, most=bounds.LOCK)
        match document:
            case {"Lease": int() | float() as lease, "Nonce": str(nonce)} if 1 <= lease <= bounds.DELAY:
                info = LockInfo.from_json(document)
                return stored.version, (info if info.id else None), nonce, lease
        raise errors.StateStoreError(
            f"{self.place}: the object {self._lock_key} beside the state is not a lock of ours",
            "If no other run is active, delete that object and run the command again.",
        )

    def _require_conditions(self, info: LockInfo) -> None:
        """Try two writes that must be refused. Done once for each state; some stores refuse only one."""
        first = self._held[1] if self._held else None
        self.renew(info)
        stored = self._bucket.get(self._lock_key)
        refused = 0
        for expected in (None, first):  # a create of what exists; a write over a version that is gone
            try:
                self._bucket.put(self._lock_key, stored.data if stored else b"", expected)
            except ConflictError:
                refused += 1
        if refused == 2:
            return
        raise errors.StateStoreError(
            f"{self.place}: this store ignores conditions on writes, so two runs could overwrite each other",
            "Use a store that honours If-Match and If-None-Match (Amazon S3, GCS, Azure, a recent MinIO).",
        )
