"""The JSON of permissions."""

from __future__ import annotations

from reconciler.model import Permission
from reconciler.providers.google.json import JsonObject, explain_wrong_type, read_text

_GRANTEES = {1: "USER", 2: "GROUP", 3: "EVERYONE"}
_ROLES = {1: "OWNER", 2: "WRITER", 3: "READER"}


def read_permission(document: JsonObject, where: str) -> Permission:
    """One Permission; enums as names or numbers."""
    grantee, role = document.get("granteeType"), document.get("role")
    grantee = _GRANTEES.get(grantee, "") if isinstance(grantee, int) else grantee
    role = _ROLES.get(role, "") if isinstance(role, int) else role
    if not (isinstance(grantee, str) and grantee and isinstance(role, str) and role):
        raise explain_wrong_type(where, "a permission", document, "one with granteeType and role")
    return Permission(grantee, read_text(document, "emailAddress"), role)
