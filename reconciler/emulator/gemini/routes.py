"""The methods of the Gemini API, in the versions that have them.

v1 has inference, base models and the operations of tuned models, but it cannot create, get, list, patch or
delete tuned models. By the documents operations are cancelled in v1 only; v1beta accepts it too, for clients
that post it there.
"""

from reconciler.emulator.call import Router
from reconciler.emulator.gemini import inference, listing, models, permissions, tuned_models

_ALL = "(?P<version>v1|v1beta|v1alpha)/"
_BETA = "(?P<version>v1beta|v1alpha)/"
_TUNED = r"tunedModels/(?P<model>[^/:]+)"
_OPERATION = _TUNED + r"/operations/(?P<operation>[^/:]+)"
_PERMISSION = _TUNED + r"/permissions/(?P<permission>[^/:]+)"
_ANY_MODEL = r"(?P<collection>tunedModels|models)/(?P<model>[^/:]+)"
_GENERATE = ":(?P<method>generateContent|streamGenerateContent)"
_PAGE = "page_size page_token"
_OPERATIONS_PAGE = f"filter {_PAGE} return_partial_success"

ROUTES = Router(
    "/",
    (
        ("POST", _BETA + "tunedModels", tuned_models.create, "tuned_model_id"),
        ("GET", _BETA + "tunedModels", listing.list_models, _PAGE + " filter"),
        ("GET", _BETA + _TUNED, tuned_models.get, ""),
        ("PATCH", _BETA + _TUNED, tuned_models.patch, "update_mask"),
        ("DELETE", _BETA + _TUNED, tuned_models.delete, ""),
        ("POST", _BETA + _TUNED + ":transferOwnership", permissions.transfer_ownership, ""),
        ("GET", _ALL + _OPERATION, tuned_models.get_operation, ""),
        ("GET", _ALL + _TUNED + "/operations", tuned_models.list_operations, _OPERATIONS_PAGE),
        ("POST", _ALL + _OPERATION + ":cancel", tuned_models.cancel_operation, ""),
        ("POST", _BETA + _TUNED + "/permissions", permissions.create, ""),
        ("GET", _BETA + _TUNED + "/permissions", permissions.list_permissions, _PAGE),
        ("GET", _BETA + _PERMISSION, permissions.get, ""),
        ("PATCH", _BETA + _PERMISSION, permissions.patch, "update_mask"),
        ("DELETE", _BETA + _PERMISSION, permissions.delete, ""),
        ("GET", _ALL + "models", models.list_models, _PAGE),
        ("GET", _ALL + r"models/(?P<model>[^/:]+)", models.get, ""),
        (
            "POST",
            _ALL + _ANY_MODEL + _GENERATE,
            inference.generate,
            "",
        ),
        ("POST", _ALL + _ANY_MODEL + ":countTokens", inference.count_tokens, ""),
    ),
)
