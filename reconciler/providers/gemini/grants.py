"""Reads and sets the permissions of a model. These calls refuse API keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from reconciler import errors
from reconciler.model.permission import Permission
from reconciler.providers import Fence
from reconciler.providers.gemini.reader import Reader, is_path
from reconciler.providers.google.json import JsonObject, explain_wrong_type, read_objects, read_text

_GRANTEES = {1: "USER", 2: "GROUP", 3: "EVERYONE"}
_ROLES = {1: "OWNER", 2: "WRITER", 3: "READER"}
_PASSES = 3
_PAUSE = 1.0
"""Seconds between two passes."""


class Grants(Struct, frozen=True):
    """Lists and sets permissions. Never touches the owner, whom the service sets.

    Args:
        reader: a reader whose transport does not sign with an API key.
    """

    reader: Reader

    def list_granted(self, name: str) -> tuple[Permission, ...]:
        """Return all permissions but the owner's, sorted."""
        return tuple(sorted(permission for _, permission in self._list(name) if permission.role != "OWNER"))

    def set_granted(self, name: str, desired: Sequence[Permission], fence: Fence) -> None:
        """Create, patch and delete permissions until they are `desired`.

        Looks again after a lost reply, or if somebody else changes them at the same time.
        """
        surprise: errors.ServiceError | None = None
        for again in range(_PASSES):
            if again:
                self.reader.transport.wait(_PAUSE, f"setting the permissions of {name} again")
            surprise = self._send_changes(name, desired, fence)
            if surprise is None:
                return
        raise errors.ServiceError(
            f"The permissions of {name} could not be set as declared: {surprise}",
            "Somebody else may be changing them at the same time; run the command again.",
        ) from surprise

    def _send_changes(
        self, name: str, desired: Sequence[Permission], fence: Fence
    ) -> errors.ServiceError | None:
        """Send the changes once. Returns the error after which the caller must look again, if any."""
        current = {permission.grantee: (path, permission) for path, permission in self._list(name)}
        wanted = {permission.grantee: permission for permission in desired}
        surprise: errors.ServiceError | None = None
        for grantee, permission in wanted.items():
            path, now = current.get(grantee, ("", None))
            if now is not None and now.role in {permission.role, "OWNER"}:
                continue
            try:
                if now is None:
                    self._grant(name, permission, fence)
                else:
                    self.reader.transport.call(
                        "PATCH",
                        f"v1beta/{path}",
                        query={"updateMask": "role"},
                        body={"role": permission.role},
                        fence=fence,
                    )
            except (errors.AlreadyExistsError, errors.NotFoundError, errors.ReplyLostError) as error:
                surprise = error
            except errors.UnavailableError as error:
                if error.status is None:
                    raise
                surprise = error
        for grantee, (path, now) in current.items():
            if grantee not in wanted and now.role != "OWNER":
                try:
                    self.reader.transport.call("DELETE", f"v1beta/{path}", fence=fence)
                except errors.NotFoundError:
                    continue
        return surprise

    def _grant(self, name: str, permission: Permission, fence: Fence) -> None:
        body: JsonObject = {"granteeType": permission.grantee_type, "role": permission.role}
        if permission.email_address:
            body["emailAddress"] = permission.email_address
        self.reader.transport.call("POST", f"v1beta/{name}/permissions", body=body, fence=fence)

    def _list(self, name: str) -> Iterator[tuple[str, Permission]]:
        for page in self.reader.list_pages(f"v1beta/{name}/permissions", {}):
            for document in read_objects(page, "permissions", name):
                path = read_text(document, "name")
                if not (path.startswith(f"{name}/permissions/") and is_path(path)):
                    raise explain_wrong_type(name, "a permission's name", path, f"below {name}/permissions")
                yield path, read_permission(document, name)


def read_permission(document: JsonObject, where: str) -> Permission:
    """Read one permission, whose enums may be names or numbers."""
    grantee, role = document.get("granteeType"), document.get("role")
    grantee = _GRANTEES.get(grantee, "") if isinstance(grantee, int) else grantee
    role = _ROLES.get(role, "") if isinstance(role, int) else role
    if not (isinstance(grantee, str) and grantee and isinstance(role, str) and role):
        raise explain_wrong_type(where, "a permission", document, "one with granteeType and role")
    return Permission(grantee, read_text(document, "emailAddress"), role)
