"""The protocol of a credential, which signs requests. Each service has its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class Signature(Struct, frozen=True):
    """A credential's part of a request.

    Attributes:
        headers: to add to the request.
        secrets: the texts in these headers that no message may repeat.
    """

    headers: Mapping[str, str]
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Signature(…)"  # a secret must not stand in a traceback or a log


class Credential(Protocol):
    """Signs requests. It is looked for when it is first needed, and kept. Several threads use it at once.

    Every member raises CredentialError if there is no credential, or if it must not be sent to this address.
    """

    @property
    def description(self) -> str:
        """The kind of credential, for people ("access token", "none"); never the secret."""

    def sign(self) -> Signature:
        """Return the signature of a request that is sent now. May ask a token endpoint."""

    def renew(self, used: Signature) -> bool:
        """Get another secret after a 401. False if there is none: do not send the request again."""
