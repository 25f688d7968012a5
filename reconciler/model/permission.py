"""Who may use a model."""

from __future__ import annotations

from msgspec import Struct, field

from reconciler.model.names import Name, Unknown


class Permission(Struct, frozen=True, forbid_unknown_fields=True):
    """One grantee's role on a model. It is an API resource of its own.

    Attributes:
        grantee_type: USER, GROUP or EVERYONE.
        email_address: "" for EVERYONE.
        role: READER, WRITER or OWNER.
        unknown: of a recorded one, keys that this version does not know, with their values as JSON.
    """

    grantee_type: Name
    email_address: str
    role: Name
    unknown: Unknown = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return type(other) is Permission and self._known == other._known

    def __lt__(self, other: Permission) -> bool:
        return self._known < other._known

    def __hash__(self) -> int:
        return hash(self._known)

    @property
    def _known(self) -> tuple[str, str, str]:
        return self.grantee_type, self.email_address, self.role

    @property
    def grantee(self) -> tuple[str, str]:
        """The parts that identify it at the service. The role is not one of them, so it can be patched."""
        return (self.grantee_type, self.email_address.lower())

    def __str__(self) -> str:
        who = f"{self.grantee_type.lower()}:{self.email_address}" if self.email_address else "everyone"
        return f"{who} {self.role}"
