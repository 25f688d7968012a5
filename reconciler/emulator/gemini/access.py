"""Who may do what with a tuned model.

Readers use it, writers also edit and share it, owners also delete it. A model that nobody owns is open to
all, and so is every model to a caller without an identity, when authentication is off.
"""

from reconciler.emulator.call import Call
from reconciler.emulator.errors import ModelForbiddenError, ModelNotFoundError
from reconciler.emulator.gemini.records import Permission, TunedModel

_SUFFICIENT = {
    "READER": ("READER", "WRITER", "OWNER"),
    "WRITER": ("WRITER", "OWNER"),
    "OWNER": ("OWNER",),
}


def find_model(call: Call, role: str = "READER") -> TunedModel:
    """Return the model in the path, if the caller has at least *role* there."""
    return find_model_named(call, f"tunedModels/{call.path['model']}", role)


def find_model_named(call: Call, name: str, role: str = "READER") -> TunedModel:
    """Return the model called *name*.

    Raises:
        ApiError: 404, if there is none; 403, if the caller has not at least *role* there.
    """
    model_id = name.removeprefix("tunedModels/")
    model = call.database.find_one(TunedModel, "id = :id", id=model_id)
    if model is None:
        raise ModelNotFoundError(name)
    me = call.principal.email
    if model.owner in {me, ""} or not me:
        return model
    for permission in find_permissions(call, model):
        is_mine = permission.grantee == "EVERYONE" or permission.email == me
        if is_mine and permission.role in _SUFFICIENT[role]:
            return model
    raise ModelForbiddenError(name)


def find_permissions(call: Call, model: TunedModel) -> list[Permission]:
    """Return the permissions of a model, in order of creation."""
    return call.database.find(Permission, "model = :model", model=model.seq)
