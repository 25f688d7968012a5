"""The JSON of permissions."""

from __future__ import annotations

from reconciler.model import Permission
from reconciler.providers.google.json import JsonObject, text_of, wrong

_GRANTEES = {1: "USER", 2: "GROUP", 3: "EVERYONE"}
_ROLES = {1: "OWNER", 2: "WRITER", 3: "READER"}


def permission(document: JsonObject, where: str) -> Permission:
    """One Permission; enums as names or numbers."""
    grantee, role = document.get("granteeType"), document.get("role")
    grantee = _GRANTEES.get(grantee, "") if isinstance(grantee, int) else grantee
    role = _ROLES.get(role, "") if isinstance(role, int) else role
    if not (isinstance(grantee, str) and grantee and isinstance(role, str) and role):
        raise wrong(where, "a permission", document, "one with granteeType and role")
    return Permission(grantee, text_of(document, "emailAddress"), role)
