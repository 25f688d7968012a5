"""Permissions of a tuned model, and the transfer of its ownership.

One permission a grantee. OWNER is not given or taken here: transferOwnership is the only way. They
need OAuth: with authentication on, an API key is refused.
"""

import secrets
from typing import Any

from reconciler.emulator.call import Call, Reply, page_size
from reconciler.emulator.database import Model, Permission
from reconciler.emulator.errors import ApiError, invalid, keys_not_supported
from reconciler.emulator.gemini.access import find
from reconciler.emulator.paging import decode, encode
from reconciler.emulator.protojson import PERMISSION, TRANSFER_OWNERSHIP, camel, snake


def _resource(model: Model, permission: Permission) -> dict[str, Any]:
    answer = {
        "name": f"{model.name}/permissions/{permission.id}",
        "granteeType": permission.grantee,
        "emailAddress": permission.email,
        "role": permission.role,
    }
    return {key: value for key, value in answer.items() if value}


def create(call: Call) -> Reply:
    """permissions.create."""
    call.parameters()
    asked = call.message(PERMISSION, "permission")
    model = _model(call, "WRITER")
    grantee, email = asked.get("granteeType", ""), asked.get("emailAddress", "").lower()
    role = _role(asked)
    if grantee not in {"USER", "GROUP", "EVERYONE"}:
        raise invalid("grantee_type is required", field="permission.grantee_type")
    if (grantee == "EVERYONE") == bool(email):
        text = "email_address is required, except for EVERYONE, where it must be empty"
        raise invalid(text, field="permission.email_address")
    if any((p.grantee, p.email) == (grantee, email) for p in call.store.permissions(model)):
        raise ApiError(409, "Permission already exists for this grantee.")
    number = "everyone" if grantee == "EVERYONE" else str(10**11 + secrets.randbelow(9 * 10**11))
    made = Permission(model=model.seq, id=number, grantee=grantee, email=email, role=role)
    call.store.put_permission(made)
    call.effect = True
    return Reply(payload=_resource(model, made))


def get(call: Call) -> Reply:
    """permissions.get."""
    call.parameters()
    model = _model(call, "READER")
    return Reply(payload=_resource(model, _find(call, model)))


def list_permissions(call: Call) -> Reply:
    """permissions.list."""
    parameters = call.parameters("page_size", "page_token")
    size = page_size(parameters, 10, 1000)
    model = _model(call, "READER")
    after = decode(parameters.get("page_token", ""), model.name)
    found = [p for p in call.store.permissions(model) if p.seq > after]
    answer: dict[str, Any] = {}
    if found:
        answer["permissions"] = [_resource(model, permission) for permission in found[:size]]
    if len(found) > size:
        answer["nextPageToken"] = encode(found[size - 1].seq, model.name)
    return Reply(payload=answer)


def patch(call: Call) -> Reply:
    """permissions.patch: the role, and the mask must say so."""
    mask = call.parameters("update_mask").get("update_mask", "")
    asked = call.message(PERMISSION, "permission")
    model = _model(call, "WRITER")
    permission = _find(call, model)
    if [camel(snake(path.strip())) for path in mask.split(",")] != ["role"]:
        raise invalid("update_mask is required; only role can be updated.", field="update_mask")
    role = _role(asked)
    if permission.role == "OWNER":
        raise invalid("The owner's role is changed by transferOwnership only.")
    changed = Permission(**{**vars(permission), "role": role})
    call.store.put_permission(changed)
    call.effect = True
    return Reply(payload=_resource(model, changed))


def delete(call: Call) -> Reply:
    """permissions.delete."""
    call.parameters()
    model = _model(call, "WRITER")
    permission = _find(call, model)
    if permission.role == "OWNER":
        raise invalid("The owner's permission cannot be deleted.")
    call.store.delete_permission(permission)
    call.effect = True
    return Reply(payload={})


def transfer_ownership(call: Call) -> Reply:
    """tunedModels.transferOwnership: the old owner becomes a writer."""
    call.parameters()
    email = call.message(TRANSFER_OWNERSHIP).get("emailAddress", "").lower()
    if not email:
        raise invalid("email_address is required", field="email_address")
    model = _model(call, "OWNER")
    store = call.store
    for permission in store.permissions(model):
        if permission.role == "OWNER" and permission.email != email:
            store.put_permission(Permission(**{**vars(permission), "role": "WRITER"}))
        elif (permission.grantee, permission.email) == ("USER", email):
            store.delete_permission(permission)
    number = str(10**11 + secrets.randbelow(9 * 10**11))
    store.put_permission(Permission(model=model.seq, id=number, grantee="USER", email=email, role="OWNER"))
    if call.principal.email:
        store.change_owner(model, email)
    call.effect = True
    return Reply(payload={})


def _model(call: Call, role: str) -> Model:
    if call.principal.kind == "key" and call.principal.email:
        raise keys_not_supported()
    return find(call, role)


def _find(call: Call, model: Model) -> Permission:
    for permission in call.store.permissions(model):
        if permission.id == call.path["permission"]:
            return permission
    name = f"{model.name}/permissions/{call.path['permission']}"
    raise ApiError(404, f"Permission {name} does not exist.")


def _role(asked: dict[str, Any]) -> str:
    role = str(asked.get("role", ""))
    if role not in {"WRITER", "READER"}:
        text = "role must be WRITER or READER; an owner is made by transferOwnership"
        raise invalid(text, field="permission.role")
    return role
