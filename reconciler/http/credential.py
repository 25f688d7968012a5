"""What signs a request: the small protocol that each service's credential fulfils."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Signature:
    """What makes a request ours.

    Attributes:
        headers: to add to the request.
        secrets: the texts in them that no message may repeat.
    """

    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Credential(Protocol):
    """Signs requests; found when it is first asked, and then kept. Used by several threads at once.

    Every member raises CredentialError where there is no credential, or where it must not be sent.
    """

    @property
    def description(self) -> str:
        """What kind of credential it is, for people ("access token", "none"); never the secret."""

    def sign(self) -> Signature:
        """Return the signature of a request that is sent now; may ask a token endpoint."""

    def renew(self, used: Signature) -> bool:
        """Whether a request that was answered 401 is worth sending again: there is another secret now."""
