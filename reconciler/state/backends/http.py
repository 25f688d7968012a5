"""State behind HTTP, by Terraform's protocol, as GitLab and many small servers speak it.

GET reads the state; 204 and 404 mean that there is none yet. POST ?ID=LOCK writes it. LOCK and UNLOCK carry
the lock as JSON; 423 and 409 answer them with the holder's lock. The protocol has neither conditions nor
leases. So every write reads first, under the lock, and a lock stays until it is released. After a refused
write it reads again, because some servers store what they then refuse.

Rules: a credential goes over TLS or to this machine; every request here is safe to repeat.

https://developer.hashicorp.com/terraform/language/backend/http
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from reconciler import errors, settings
from reconciler.bounds import STATE
from reconciler.settings import hide_login
from reconciler.settings.trust import must_be_private
from reconciler.state.backends import UNCHANGED, UNKNOWN, LockInfo, Stored, read_holder
from reconciler.state.backends.http_server import Reply, Server
from reconciler.state.backends.places import check_http_address
from reconciler.strictjson import loads

_HELD = (409, 423)
_NONE = (204, 404)
_EMPTY_OK = 200


class HTTPBackend:
    """One document at one address.

    Args:
        address: of the state; a user and password in it work like TF_HTTP_USERNAME and _PASSWORD.
        environ: TF_HTTP_* as in Terraform, certificates, proxies.
    """

    commit_interval = 1.0
    lease: float | None = None

    def __init__(self, address: str, *, environ: Mapping[str, str]) -> None:
        environ = settings.to_settings(environ)

        def read_setting(name: str, default: str = "") -> str:
            return environ.get(f"TF_HTTP_{name}", default)

        def read_address(name: str, default: str = "") -> str:
            found = read_setting(name)
            return _split_login(check_http_address(found, f"TF_HTTP_{name}"))[0] if found else default

        found = check_http_address(address, "--state (RECONCILER_STATE)")
        self._address, user, password = _split_login(found)
        self._lock_address = read_address("LOCK_ADDRESS")
        self._unlock_address = read_address("UNLOCK_ADDRESS", self._lock_address)
        self._update_method = read_setting("UPDATE_METHOD", "POST")
        self._lock_method = read_setting("LOCK_METHOD", "LOCK")
        self._unlock_method = read_setting("UNLOCK_METHOD", "UNLOCK")
        self._held: LockInfo | None = None  # or asked for, and the answer was lost
        self._returned: set[str] = set()  # the ids of locks that we gave back, or tried to
        user, password = read_setting("USERNAME", user), read_setting("PASSWORD", password)
        login = (user, password) if user or password else None
        if login or read_setting("CLIENT_PRIVATE_KEY_PEM"):
            for url, name in (
                (self._address, "the state"),
                (self._lock_address, "TF_HTTP_LOCK_ADDRESS"),
                (self._unlock_address, "TF_HTTP_UNLOCK_ADDRESS"),
            ):
                if url:
                    must_be_private(url, f"credential for {name}")
        self.place = hide_login(self._address)  # a token may stand in a query
        self._server = Server(self._address, environ, login)

    def read(self) -> Stored | None:
        """See Backend.read."""
        reply = self._server.send("GET", self._address)
        if reply.status in _NONE or (reply.status == _EMPTY_OK and not reply.content):
            return None
        self._server.require_success(reply, "read the state")
        return Stored(reply.content, _find_version(reply.content))

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend.write; the lock must be held."""
        if self._held is None:
            raise errors.LockLostError(f"{self.place}: the lock is not held", "Run the command again.")
        current = self.read()
        if (current.version if current else None) != expected:
            raise errors.StateMovedError(
                f"{self.place}: somebody else changed the state, without the lock or after breaking ours",
                "Nothing was overwritten. Run the command again.",
            )
        parts = urlsplit(self._address)
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("ID", self._held.id)])
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        address = urlunsplit(parts._replace(query=query))
        try:
            reply = self._server.send(self._update_method, address, data, {"Content-MD5": digest})
        except errors.StateStoreError as error:
            raise errors.StateStoreError(
                error.summary, f"Check the address and the network. {UNKNOWN}"
            ) from error
        if not reply.is_success:
            self._require_stored(reply, self._held.id, _find_version(data), expected)
        return _find_version(data)

    def _require_stored(self, reply: Reply, held: str, written: str, expected: str | None) -> None:
        """Read what became of a refused write, and believe the refusal only as far as the state shows it."""
        is_stored, fate = False, UNKNOWN
        with contextlib.suppress(errors.StateStoreError):
            stored = self.read()
            version = stored.version if stored else None
            is_stored, fate = version == written, "Somebody else has changed the state."
            if version == expected:
                fate = f"Nothing was written. {UNCHANGED}"
        holder = read_holder(reply.content)[0] if reply.status in _HELD else None
        if is_stored and (holder is None or holder.id in ("", held)):
            return
        if is_stored:
            fate = "What was to be recorded is stored all the same."
        if holder is not None and holder.id != held:
            raise errors.LockLostError(
                f"{self.place}: the server says that the lock {held} is not ours any more"
                + (f": {holder} holds it" if holder.id else ""),
                f"{fate} Run the command again.",
            )
        self._server.require_success(reply, "write the state", fate)

    def lock(self, info: LockInfo) -> None:
        """See Backend.lock."""
        if self._held is not None and self._held.id in self._returned:
            self.unlock(self._held)  # it could not be given back, and would block us
        self._held = info
        reply = self._lock(info)
        if reply.status in _HELD:
            holder, _ = read_holder(reply.content)
            if holder.id in self._returned - {info.id}:
                self._held = None
                raise errors.StateError(
                    f"{self.place}: the server still holds the lock {holder.id}, which this run gave back",
                    "Check TF_HTTP_UNLOCK_ADDRESS and TF_HTTP_UNLOCK_METHOD. Then: "
                    f"reconciler force-unlock {holder.word}",
                )
            if holder.id != info.id:  # ours: the first try arrived, and only its answer was lost
                self._held = None
                breaking = f" If that run is dead: reconciler force-unlock {holder.word}" if holder.id else ""
                raise errors.StateLockedError(
                    f"{self.place}: the state is locked by {holder}",
                    f"Wait until it has finished. HTTP state has no leases: a lock stays.{breaking}",
                )
        else:
            self._server.require_success(reply, "lock the state")

    def renew(self, info: LockInfo) -> None:
        """See Backend.renew. The protocol has no renewal: this only checks that we did not give it back."""
        if self._held is None or self._held.id != info.id:
            raise errors.LockLostError(f"{self.place}: the lock is not held", "Run the command again.")

    def unlock(self, info: LockInfo) -> None:
        """See Backend.unlock."""
        if self._held is None or self._held.id != info.id or not self._lock_address:
            return  # some servers open any lock for anybody: ask only for our own
        self._returned.add(info.id)
        reply = self._unlock(info.to_json())
        if reply.status not in (*_HELD, *_NONE):  # then it is gone, or no longer ours
            self._server.require_success(reply, "unlock the state")
        self._held = None

    def force_unlock(self, lock_id: str) -> LockInfo:
        """See Backend.force_unlock. The only way to learn who holds the lock is to try to take it."""
        probe = LockInfo(secrets.token_hex(16), "force-unlock", "")
        reply = self._lock(probe)
        if reply.status not in _HELD:
            self._server.require_success(reply, "look at the lock")
            self._server.require_success(self._unlock(probe.to_json()), "unlock the state")
            raise errors.StateError(f"{self.place}: the state is not locked", "Run the command again.")
        holder, document = read_holder(reply.content)
        if holder.id and holder.id != lock_id:
            raise errors.StateError(
                f"{self.place}: the lock {lock_id} is gone; the state is locked by {holder}",
                f"If that run is dead for sure: reconciler force-unlock {holder.word}",
            )
        answer = self._unlock(document or LockInfo(lock_id, "", "").to_json())
        if answer.status in _HELD:
            raise errors.StateError(
                f"{self.place}: the server does not open the lock {lock_id}: {self._server.quote(answer)}",
                "Check the id in the error message of the other command.",
            )
        self._server.require_success(answer, "unlock the state")
        return holder if holder.id else LockInfo(lock_id, "", "")

    # ------------------------------------------------------------------------------------ the wire

    def _lock(self, info: LockInfo) -> Reply:
        if not self._lock_address:
            raise errors.StateStoreError(
                f"{self.place}: no address for locks is given, and without a lock nothing may be written",
                "Set TF_HTTP_LOCK_ADDRESS and TF_HTTP_UNLOCK_ADDRESS. GitLab: the state's address and /lock, "
                "with TF_HTTP_LOCK_METHOD=POST and TF_HTTP_UNLOCK_METHOD=DELETE.",
            )
        return self._server.send(self._lock_method, self._lock_address, _to_json(info.to_json()))

    def _unlock(self, document: Mapping[str, object]) -> Reply:
        return self._server.send(self._unlock_method, self._unlock_address, _to_json(document))


def _to_json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, allow_nan=False).encode()


def _find_version(data: bytes) -> str:
    """Compute a digest that does not depend on the layout of the JSON, which some servers change."""
    with contextlib.suppress(errors.NotJSONError):
        data = json.dumps(loads(data, most=STATE), sort_keys=True, allow_nan=False).encode()
    return hashlib.sha256(data).hexdigest()


def _split_login(url: str) -> tuple[str, str, str]:
    """Split an address that `check_http_address` took into the address alone, user and password."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return urlunsplit(parts._replace(netloc=host)) if at else url, unquote(user), unquote(password)
