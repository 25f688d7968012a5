"""Who calls.

A credential is never checked against anything, since nobody issues one here: it is the identity
itself. Two different tokens are two different owners. Only a hash of it leaves this module.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Literal

from reconciler.emulator.errors import (
    bad_key,
    keys_not_supported,
    missing_credential,
    quota_project,
    unauthenticated,
    unregistered,
)
from reconciler.emulator.settings import Settings

Kind = Literal["none", "bearer", "key"]


@dataclasses.dataclass(frozen=True)
class Principal:
    """The caller. *email* is made up from the credential, and '' where all callers are one."""

    kind: Kind
    email: str


@dataclasses.dataclass(frozen=True)
class Credentials:
    """What a request carries; keep it out of every log."""

    token: str | None = dataclasses.field(repr=False)
    key: str | None = dataclasses.field(repr=False)
    scheme: str = ""

    @property
    def kind(self) -> Kind:
        """Which of the two counts; a token goes before a key."""
        if self.token is not None:
            return "bearer"
        return "none" if self.key is None else "key"


def credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> Credentials:
    """Return what *headers* and *query* offer."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    offered = token.strip() if scheme.lower() == "bearer" else None
    key = headers.get("x-goog-api-key", query.get("key"))
    return Credentials(offered or query.get("access_token"), key, scheme)


def admit(
    settings: Settings, offered: Credentials, headers: Mapping[str, str], *, keys: bool = True
) -> Principal:
    """Return the caller, or raise the service's refusal; without *keys* only a token will do."""
    if settings.auth == "none":
        return Principal(offered.kind, "")
    if not keys:
        settings = dataclasses.replace(settings, auth="bearer")
    if offered.key is not None and settings.auth != "bearer" and not offered.key.strip():
        raise bad_key()
    if offered.token is not None and settings.auth != "key":
        if settings.quota_project_required and not headers.get("x-goog-user-project"):
            raise quota_project()
        return _principal("bearer", offered.token)
    if offered.key is not None:
        if settings.auth == "bearer":
            raise keys_not_supported()
        return _principal("key", offered.key)
    if offered.scheme:
        raise unauthenticated()
    raise unregistered() if settings.auth == "key" else missing_credential()


def _principal(kind: Kind, secret: str) -> Principal:
    digest = hashlib.sha256(f"{kind}:{secret}".encode()).hexdigest()[:16]
    return Principal(kind, f"{kind}-{digest}@emulator.invalid")
