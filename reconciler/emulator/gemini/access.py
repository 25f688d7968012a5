"""Whose model it is: finding one, and refusing those it is not for.

Readers infer, writers also edit and share, owners also delete. A model nobody owns, and a caller who
is everybody (no authentication), always fit.
"""

from reconciler.emulator.call import Call
from reconciler.emulator.database import Model
from reconciler.emulator.errors import no_model, not_yours

_ALLOWED = {
    "READER": ("READER", "WRITER", "OWNER"),
    "WRITER": ("WRITER", "OWNER"),
    "OWNER": ("OWNER",),
}


def find(call: Call, role: str = "READER") -> Model:
    """Return the model of the path, if the caller is at least *role* there."""
    return find_named(call, f"tunedModels/{call.path['model']}", role)


def find_named(call: Call, name: str, role: str = "READER") -> Model:
    """Return the model called *name*, if the caller is at least *role* there."""
    model = call.store.model(name.removeprefix("tunedModels/"))
    if model is None:
        raise no_model(name)
    me = call.principal.email
    if model.owner in {me, ""} or not me:
        return model
    for permission in call.store.permissions(model):
        mine = permission.grantee == "EVERYONE" or permission.email == me
        if mine and permission.role in _ALLOWED[role]:
            return model
    raise not_yours(name)
