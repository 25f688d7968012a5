"""State behind HTTP, by Terraform's protocol, as GitLab and many small servers speak it.

GET reads (200; 204 and 404: none yet), POST ?ID=LOCK writes, LOCK and UNLOCK carry the lock's JSON, 423
or 409 answers it with the holder's. The protocol has neither conditions nor leases, so a write is
preceded by a look, under the lock, and a lock stays until somebody opens it. A refused write is followed by
another look, because some servers store what they then refuse. Rules: credentials go over
TLS or to this machine; redirects are not followed; every request here is safe to repeat.

https://developer.hashicorp.com/terraform/language/backend/http
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import requests

from reconciler import settings
from reconciler.bounds import EXCERPT, LOCK, MB, STATE
from reconciler.errors import (
    LockLostError,
    NotJSONError,
    StateError,
    StateLockedError,
    StateMovedError,
    StateStoreError,
)
from reconciler.http.deadline import bounded
from reconciler.redaction import hide_secrets, make_printable
from reconciler.settings import printable_address, seconds_of
from reconciler.settings.hosts import is_loopback
from reconciler.settings.tls import Trust
from reconciler.settings.trust import must_be_private
from reconciler.state.backends import UNCHANGED, UNKNOWN, LockInfo, Stored
from reconciler.state.backends.httpsession import open_session
from reconciler.state.backends.network import CALL_TIMEOUT, CONNECT_TIMEOUT, TIMEOUT
from reconciler.state.backends.places import http_address
from reconciler.strictjson import loads

_HELD = (409, 423)
_NONE = (204, 404)
_EMPTY_OK = 200
_REDIRECTS = range(300, 400)
_FLAG = 3
"""Characters; a shorter value in a query is no secret, and would take words out of a message."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """What was answered, whole."""

    status_code: int
    reason: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        """Whether it is no error."""
        return self.status_code < 400


class HTTPBackend:
    """One document at one address.

    Args:
        address: of the state; a user and password in it work like TF_HTTP_USERNAME and _PASSWORD.
        environ: TF_HTTP_* as in Terraform, certificates, proxies.
    """

    commit_interval = 1.0
    lease: float | None = None

    def __init__(self, address: str, *, environ: Mapping[str, str]) -> None:
        environ = settings.of(environ)

        def setting(name: str, default: str = "") -> str:
            return environ.get(f"TF_HTTP_{name}", default)

        def other(name: str, default: str = "") -> str:
            found = setting(name)
            return _without_login(http_address(found, f"TF_HTTP_{name}"))[0] if found else default

        found = http_address(address, "--state (RECONCILER_STATE)")
        self._address, user, password = _without_login(found)
        self._lock_address = other("LOCK_ADDRESS")
        self._unlock_address = other("UNLOCK_ADDRESS", self._lock_address)
        self._update_method = setting("UPDATE_METHOD", "POST")
        self._lock_method = setting("LOCK_METHOD", "LOCK")
        self._unlock_method = setting("UNLOCK_METHOD", "UNLOCK")
        self._held: LockInfo | None = None  # or asked for, and the answer was lost
        self._returned: set[str] = set()  # the ids of locks that we gave back, or tried to
        user, password = setting("USERNAME", user), setting("PASSWORD", password)
        login = (user, password) if user or password else None
        if login or setting("CLIENT_PRIVATE_KEY_PEM"):
            for url, name in (
                (self._address, "the state"),
                (self._lock_address, "TF_HTTP_LOCK_ADDRESS"),
                (self._unlock_address, "TF_HTTP_UNLOCK_ADDRESS"),
            ):
                if url:
                    must_be_private(url, f"credential for {name}")
        self._secrets = _secrets(self._address, login)
        self._trust = Trust.of(environ)
        self._session = open_session(environ, login, self._trust)
        self._seconds = seconds_of(environ, "RECONCILER_HTTP_TIMEOUT", CALL_TIMEOUT)

    @property
    def place(self) -> str:
        """How to name it to a person; without a query, where a token may stand."""
        return printable_address(self._address)

    def read(self) -> Stored | None:
        """See Backend.read."""
        reply = self._send("GET", self._address)
        if reply.status_code in _NONE or (reply.status_code == _EMPTY_OK and not reply.content):
            return None
        self._check(reply, "read the state")
        return Stored(reply.content, _version(reply.content))

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend.write; the lock must be held."""
        if self._held is None:
            raise LockLostError(f"{self.place}: the lock is not held", "Run the command again.")
        current = self.read()
        if (current.version if current else None) != expected:
            raise StateMovedError(
                f"{self.place}: the state is not the one that was read: somebody wrote it, without the "
                "lock or after breaking ours",
                "Nothing was overwritten. Run the command again.",
            )
        parts = urlsplit(self._address)
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("ID", self._held.id)])
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        address = urlunsplit(parts._replace(query=query))
        try:
            reply = self._send(self._update_method, address, data, {"Content-MD5": digest})
        except StateStoreError as error:
            raise StateStoreError(error.summary, f"Check the address and the network. {UNKNOWN}") from error
        if not _is_success(reply):
            self._raise_unless_stored(reply, self._held.id, _version(data), expected)
        return _version(data)

    def _raise_unless_stored(self, reply: _Reply, held: str, written: str, expected: str | None) -> None:
        """Look what became of a write that was refused, and believe the refusal as far as that shows it."""
        is_stored, fate = False, UNKNOWN
        with contextlib.suppress(StateStoreError):
            stored = self.read()
            version = stored.version if stored else None
            is_stored, fate = version == written, "The state is another one by now: somebody wrote it."
            if version == expected:
                fate = f"Nothing was written. {UNCHANGED}"
        holder = _holder(reply)[0] if reply.status_code in _HELD else None
        if is_stored and (holder is None or holder.id in ("", held)):
            return
        if is_stored:
            fate = "What was to be recorded is stored all the same."
        if holder is not None and holder.id != held:
            raise LockLostError(
                f"{self.place}: the server says that the lock {held} is not ours any more"
                + (f": {holder} holds it" if holder.id else ""),
                f"{fate} Run the command again.",
            )
        self._check(reply, "write the state", fate)

    def lock(self, info: LockInfo) -> None:
        """See Backend.lock."""
        if self._held is not None and self._held.id in self._returned:
            self.unlock(self._held)  # it could not be given back, and would stand in our own way
        self._held = info
        reply = self._lock(info)
        if reply.status_code in _HELD:
            holder, _ = _holder(reply)
            if holder.id in self._returned - {info.id}:
                self._held = None
                raise StateError(
                    f"{self.place}: the server still holds the lock {holder.id}, which this run gave back",
                    "Check TF_HTTP_UNLOCK_ADDRESS and TF_HTTP_UNLOCK_METHOD. Then: "
                    f"reconciler force-unlock {holder.word}",
                )
            if holder.id != info.id:  # ours: the first try arrived, and only its answer was lost
                self._held = None
                breaking = f" If that run is dead: reconciler force-unlock {holder.word}" if holder.id else ""
                raise StateLockedError(
                    f"{self.place}: the state is locked by {holder}",
                    f"Wait until it has finished. HTTP state has no leases: a lock stays.{breaking}",
                )
        else:
            self._check(reply, "lock the state")

    def renew(self, info: LockInfo) -> None:
        """See Backend.renew; the protocol knows no renewal, so this only looks whether we gave it back."""
        if self._held is None or self._held.id != info.id:
            raise LockLostError(f"{self.place}: the lock is not held", "Run the command again.")

    def unlock(self, info: LockInfo) -> None:
        """See Backend.unlock."""
        if self._held is None or self._held.id != info.id or not self._lock_address:
            return  # some servers open any lock for anybody: never ask for one that is not ours
        self._returned.add(info.id)
        reply = self._unlock(info.to_json())
        if reply.status_code not in (*_HELD, *_NONE):  # those: it is not ours, or not there, any more
            self._check(reply, "unlock the state")
        self._held = None

    def force_unlock(self, lock_id: str) -> LockInfo:
        """See Backend.force_unlock. The only way to ask who holds the lock is to try to take it."""
        probe = LockInfo(secrets.token_hex(16), "force-unlock", "")
        reply = self._lock(probe)
        if reply.status_code not in _HELD:
            self._check(reply, "look at the lock")
            self._check(self._unlock(probe.to_json()), "unlock the state")
            raise StateError(f"{self.place}: the state is not locked", "Run the command again.")
        holder, document = _holder(reply)
        if holder.id and holder.id != lock_id:
            raise StateError(
                f"{self.place}: the lock {lock_id} is gone; the state is locked by {holder}",
                f"If that run is dead for sure: reconciler force-unlock {holder.word}",
            )
        answer = self._unlock(document or LockInfo(lock_id, "", "").to_json())
        if answer.status_code in _HELD:
            raise StateError(
                f"{self.place}: the server does not open the lock {lock_id}: {self._words(answer)}",
                "Check the id, which the refusal of the other command names.",
            )
        self._check(answer, "unlock the state")
        return holder if holder.id else LockInfo(lock_id, "", "")

    # ------------------------------------------------------------------------------------ the wire

    def _lock(self, info: LockInfo) -> _Reply:
        if not self._lock_address:
            raise StateStoreError(
                f"{self.place}: no address for locks is given, and without a lock nothing may be written",
                "Set TF_HTTP_LOCK_ADDRESS and TF_HTTP_UNLOCK_ADDRESS. GitLab: the state's address and /lock, "
                "with TF_HTTP_LOCK_METHOD=POST and TF_HTTP_UNLOCK_METHOD=DELETE.",
            )
        return self._send(self._lock_method, self._lock_address, _json(info.to_json()))

    def _unlock(self, document: Mapping[str, object]) -> _Reply:
        return self._send(self._unlock_method, self._unlock_address, _json(document))

    def _send(
        self, method: str, url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> _Reply:
        if data is not None:
            headers = {"Content-Type": "application/json", **(headers or {})}
        # A proxy never sees what is meant for this machine.
        self._session.trust_env = not is_loopback(url)
        with bounded(self._seconds) as call:
            try:
                reply = self._session.request(
                    method,
                    url,
                    data=data,
                    headers=headers,
                    allow_redirects=False,
                    verify=self._session.verify,  # said again, or REQUESTS_CA_BUNDLE would win over False
                    timeout=(CONNECT_TIMEOUT, TIMEOUT),
                    stream=True,
                )
                with reply:
                    content = self._content(reply)
            except requests.RequestException as error:
                why = f"not within {self._seconds:g} s" if call.is_over else self._reason(error)
                if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error):
                    raise StateStoreError(
                        f"{self.place}: the TLS certificate of the server of the state is not trusted: {why}",
                        f"{self._trust.advice} {UNCHANGED}",
                    ) from error
                raise self._silent(why) from error
            if call.is_over:
                raise self._silent(f"not within {self._seconds:g} s")
        return _Reply(reply.status_code, reply.reason or "", reply.headers, content)

    def _content(self, reply: requests.Response) -> bytes:
        """All that was answered, as far as any state goes; what is larger is not read."""
        content = bytearray()
        for chunk in reply.iter_content(MB):
            content += chunk
            if len(content) > STATE:
                raise StateStoreError(
                    f"{self.place}: the server of the state answers with more than {STATE // MB} MB",
                    "No state is that large. Check the address.",
                )
        return bytes(content)

    def _silent(self, why: str) -> StateStoreError:
        return StateStoreError(
            f"{self.place}: the server of the state does not answer: {why}",
            f"Check the address and the network. {UNCHANGED}",
        )

    def _reason(self, error: requests.RequestException) -> str:
        """The innermost cause; the outer ones repeat the URL, query and all."""
        cause: BaseException = error
        while cause.__context__ is not None:
            cause = cause.__context__
        return hide_secrets(str(cause) or type(error).__name__, self._secrets)

    def _check(self, reply: _Reply, what: str, detail: str = UNCHANGED) -> None:
        status = reply.status_code
        if _is_success(reply):
            return
        if status in (401, 403):
            detail = f"Check TF_HTTP_USERNAME and TF_HTTP_PASSWORD, and what they may do there. {detail}"
        elif status in _REDIRECTS:
            where = _host(reply.headers.get("Location", ""))
            detail = f"It redirects to {where}: if that is right, give that address. {detail}"
        raise StateStoreError(f"{self.place}: cannot {what}: {status} {self._words(reply)}".rstrip(), detail)

    def _words(self, reply: _Reply) -> str:
        """What the server says, without what we sent it: some repeat the request that they refuse."""
        said = reply.content[:EXCERPT].decode(errors="replace")
        text = f"{reply.reason}: {said}" if said.strip() else reply.reason
        return make_printable(hide_secrets(text, self._secrets))


def _is_success(reply: _Reply) -> bool:
    return reply.ok and reply.status_code not in _REDIRECTS


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, allow_nan=False).encode()


def _version(data: bytes) -> str:
    """Of the JSON's meaning: some servers store it in their own layout."""
    with contextlib.suppress(NotJSONError):
        data = json.dumps(loads(data, most=STATE), sort_keys=True, allow_nan=False).encode()
    return hashlib.sha256(data).hexdigest()


def _holder(reply: _Reply) -> tuple[LockInfo, dict[str, Any]]:
    """Whom a refusal names; read leniently, because servers differ."""
    try:
        document = loads(reply.content, most=LOCK)
    except NotJSONError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    return LockInfo.from_json(document), document


def _host(location: str) -> str:
    """Where a redirect leads, as far as that may be shown."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(location)
        if parts.netloc:
            return make_printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    return "another path"


def _secrets(address: str, login: tuple[str, str] | None) -> list[str]:
    """What no message may repeat, longest first: the login as it is sent, the password, a query's values."""
    found = [value for _, value in parse_qsl(urlsplit(address).query) if len(value) > _FLAG]
    if login:
        found += [login[1], base64.b64encode(":".join(login).encode()).decode()]
    return sorted(
        {form for one in found if one for form in (one, quote(one, safe=""))}, key=len, reverse=True
    )


def _without_login(url: str) -> tuple[str, str, str]:
    """The address, user and password of what `http_address` found sound."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    return urlunsplit(parts._replace(netloc=host)) if at else url, unquote(user), unquote(password)
