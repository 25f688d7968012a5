"""Permissions of a tuned model, the transfer of its ownership, and who may do what with it.

Readers use a model, writers also edit and share it, owners also delete it. A model that nobody owns is open
to all, and so is every model to a caller without an identity, when authentication is off.

A grantee has one permission. Only transferOwnership gives or takes the role OWNER. These methods need
OAuth: with authentication on, an API key is refused.
"""

import dataclasses
from typing import Any

from reconciler.emulator import errors
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.gemini.messages import PERMISSION, TRANSFER_OWNERSHIP
from reconciler.emulator.gemini.records import Permission, TunedModel, make_owner, make_permission_id
from reconciler.emulator.paging import read_page
from reconciler.emulator.protojson import read_mask

_ROLES = ("READER", "WRITER", "OWNER")  # each may do what the ones before may


def create(call: Call) -> Reply:
    """Answer permissions.create."""
    message = call.read_message(PERMISSION, "permission")
    model = _find_shared_model(call, "WRITER")
    grantee, email = message.get("granteeType", ""), message.get("emailAddress", "").lower()
    role = _read_role(message)
    if grantee not in {"USER", "GROUP", "EVERYONE"}:
        raise errors.ArgumentError("grantee_type is required", field="permission.grantee_type")
    if (grantee == "EVERYONE") == bool(email):
        text = "email_address is required, except for EVERYONE, where it must be empty"
        raise errors.ArgumentError(text, field="permission.email_address")
    if any((kept.grantee, kept.email) == (grantee, email) for kept in find_permissions(call, model)):
        raise errors.ApiError(409, "Permission already exists for this grantee.")
    permission_id = "everyone" if grantee == "EVERYONE" else make_permission_id()
    permission = Permission(model=model.seq, id=permission_id, grantee=grantee, email=email, role=role)
    call.database.add(permission)
    return Reply(payload=_show(model, permission))


def get(call: Call) -> Reply:
    """Answer permissions.get."""
    model = _find_shared_model(call, "READER")
    return Reply(payload=_show(model, _find_permission(call, model)))


def list_permissions(call: Call) -> Reply:
    """Answer permissions.list."""
    model = _find_shared_model(call, "READER")
    page = read_page(call.parameters, model.name, default=10)
    rows = [kept for kept in find_permissions(call, model) if kept.seq > page.place]
    return Reply(payload=page.answer("permissions", rows, lambda row: _show(model, row), lambda row: row.seq))


def patch(call: Call) -> Reply:
    """Answer permissions.patch, which changes the role, and wants a mask that says so."""
    mask = call.parameters.get("update_mask", "")
    message = call.read_message(PERMISSION, "permission")
    model = _find_shared_model(call, "WRITER")
    permission = _find_permission(call, model)
    if read_mask(mask, PERMISSION, ("role",)) != ["role"]:
        raise errors.ArgumentError("update_mask is required; only role can be updated.", field="update_mask")
    role = _read_role(message)
    if permission.role == "OWNER":
        raise errors.ArgumentError("The owner's role is changed by transferOwnership only.")
    changed = dataclasses.replace(permission, role=role)
    call.database.update(changed)
    return Reply(payload=_show(model, changed))


def delete(call: Call) -> Reply:
    """Answer permissions.delete."""
    permission = _find_permission(call, _find_shared_model(call, "WRITER"))
    if permission.role == "OWNER":
        raise errors.ArgumentError("The owner's permission cannot be deleted.")
    call.database.delete(permission)
    return Reply(payload={})


def transfer_ownership(call: Call) -> Reply:
    """Answer tunedModels.transferOwnership: the old owner becomes a writer."""
    email = call.read_message(TRANSFER_OWNERSHIP).get("emailAddress", "").lower()
    if not email:
        raise errors.ArgumentError("email_address is required", field="email_address")
    model, database = _find_shared_model(call, "OWNER"), call.database
    for permission in find_permissions(call, model):
        if permission.role == "OWNER" and permission.email != email:
            database.update(dataclasses.replace(permission, role="WRITER"))
        elif (permission.grantee, permission.email) == ("USER", email):
            database.delete(permission)
    database.add(make_owner(model, email))
    if call.principal.email:
        database.update(dataclasses.replace(model, owner=email))
    return Reply(payload={})


def _find_shared_model(call: Call, role: str) -> TunedModel:
    if call.principal.kind == "key" and call.principal.email:
        raise errors.make_error("keys_not_supported")
    return find_model(call, role)


def _find_permission(call: Call, model: TunedModel) -> Permission:
    for permission in find_permissions(call, model):
        if permission.id == call.path["permission"]:
            return permission
    name = f"{model.name}/permissions/{call.path['permission']}"
    raise errors.ApiError(404, f"Permission {name} does not exist.")


def _read_role(message: dict[str, Any]) -> str:
    role = str(message.get("role", ""))
    if role not in {"WRITER", "READER"}:
        text = "role must be WRITER or READER; an owner is made by transferOwnership"
        raise errors.ArgumentError(text, field="permission.role")
    return role


def _show(model: TunedModel, permission: Permission) -> dict[str, Any]:
    answer = {
        "name": f"{model.name}/permissions/{permission.id}",
        "granteeType": permission.grantee,
        "emailAddress": permission.email,
        "role": permission.role,
    }
    return {key: value for key, value in answer.items() if value}


def find_model(call: Call, role: str = "READER") -> TunedModel:
    """Return the model in the path, if the caller has at least *role* there."""
    return find_model_named(call, f"tunedModels/{call.path['model']}", role)


def find_model_named(call: Call, name: str, role: str = "READER") -> TunedModel:
    """Return the model called *name*; a 404 if there is none, a 403 if the caller's role there is less."""
    model_id = name.removeprefix("tunedModels/")
    model = call.database.find_one(TunedModel, "id = :id", id=model_id)
    if model is None:
        raise errors.ModelNotFoundError(name)
    me = call.principal.email
    if model.owner in {me, ""} or not me:
        return model
    for permission in find_permissions(call, model):
        is_mine = permission.grantee == "EVERYONE" or permission.email == me
        if is_mine and _ROLES.index(permission.role) >= _ROLES.index(role):
            return model
    raise errors.ModelForbiddenError(name)


def find_permissions(call: Call, model: TunedModel) -> list[Permission]:
    """Return the permissions of a model, in order of creation."""
    return call.database.find(Permission, "model = :model", model=model.seq)
