"""Finds out who the caller is.

Nobody issues credentials here, so none is checked: the credential itself is the identity. Two different
tokens are two different owners. Only a hash of a credential leaves this module.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Literal

from reconciler.emulator.errors import make_error
from reconciler.emulator.settings import Settings

Kind = Literal["none", "bearer", "key"]


@dataclasses.dataclass(frozen=True)
class Principal:
    """The caller. *email* is made from the credential; it is '' when all callers are one."""

    kind: Kind
    email: str


@dataclasses.dataclass(frozen=True)
class Credentials:
    """The credentials in a request; they must not be logged."""

    token: str | None = dataclasses.field(repr=False)
    key: str | None = dataclasses.field(repr=False)
    scheme: str = ""

    @property
    def kind(self) -> Kind:
        """The kind of the credential that counts. A token goes before a key."""
        if self.token is not None:
            return "bearer"
        return "none" if self.key is None else "key"


def read_credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> Credentials:
    """Return the credentials in *headers* and *query*."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    offered = token.strip() if scheme.lower() == "bearer" else None
    key = headers.get("x-goog-api-key", query.get("key"))
    return Credentials(offered or query.get("access_token"), key, scheme)


def authenticate(
    settings: Settings, offered: Credentials, headers: Mapping[str, str], *, accepts_keys: bool
) -> Principal:
    """Return the caller, or raise the service's refusal.

    An API that does not accept keys takes only tokens, whatever the settings say.
    """
    if settings.auth == "none":
        return Principal(offered.kind, "")
    if not accepts_keys:
        settings = dataclasses.replace(settings, auth="bearer")
    if offered.key is not None and settings.auth != "bearer" and not offered.key.strip():
        raise make_error("bad_key")
    if offered.token is not None and settings.auth != "key":
        if settings.quota_project_required and not headers.get("x-goog-user-project"):
            raise make_error("quota_project")
        return _identify("bearer", offered.token)
    if offered.key is not None:
        if settings.auth == "bearer":
            raise make_error("keys_not_supported")
        return _identify("key", offered.key)
    if offered.scheme:
        raise make_error("unauthenticated")
    raise make_error("missing_key" if settings.auth == "key" else "missing_credential")


def _identify(kind: Kind, secret: str) -> Principal:
    digest = hashlib.sha256(f"{kind}:{secret}".encode()).hexdigest()[:16]
    return Principal(kind, f"{kind}-{digest}@emulator.invalid")
