"""The Gemini API's side: which call goes where, and in which version.

v1 has inference, base models and the operations of tuned models, but no create, get, list, patch or
delete of them. Cancelling is in v1 only by the documents; v1beta takes it too, for clients that
post it there. What is not in the table is a 404.
"""

import re
from collections.abc import Mapping

from reconciler.emulator.call import Handler
from reconciler.emulator.gemini import inference, listing, models, operations, permissions, tuned_models

_ALL = "v1|v1beta|v1alpha"
_BETA = "v1beta|v1alpha"
_TUNED = r"tunedModels/(?P<model>[^/:]+)"
_OPERATION = _TUNED + r"/operations/(?P<operation>[^/:]+)"
_PERMISSION = _TUNED + r"/permissions/(?P<permission>[^/:]+)"
_ANY_MODEL = r"(?P<collection>tunedModels|models)/(?P<model>[^/:]+)"

_TABLE: tuple[tuple[str, str, str, Handler], ...] = (
    ("POST", _BETA, "tunedModels", tuned_models.create),
    ("GET", _BETA, "tunedModels", listing.list_models),
    ("GET", _BETA, _TUNED, tuned_models.get),
    ("PATCH", _BETA, _TUNED, tuned_models.patch),
    ("DELETE", _BETA, _TUNED, tuned_models.delete),
    ("POST", _BETA, _TUNED + ":transferOwnership", permissions.transfer_ownership),
    ("GET", _ALL, _OPERATION, operations.get),
    ("GET", _ALL, _TUNED + "/operations", operations.list_operations),
    ("POST", _ALL, _OPERATION + ":cancel", operations.cancel),
    ("POST", _BETA, _TUNED + "/permissions", permissions.create),
    ("GET", _BETA, _TUNED + "/permissions", permissions.list_permissions),
    ("GET", _BETA, _PERMISSION, permissions.get),
    ("PATCH", _BETA, _PERMISSION, permissions.patch),
    ("DELETE", _BETA, _PERMISSION, permissions.delete),
    ("GET", _ALL, "models", models.list_models),
    ("GET", _ALL, r"models/(?P<model>[^/:]+)", models.get_model),
    ("POST", _ALL, _ANY_MODEL + ":generateContent", inference.generate),
    ("POST", _ALL, _ANY_MODEL + ":streamGenerateContent", inference.stream_generate),
    ("POST", _ALL, _ANY_MODEL + ":countTokens", inference.count_tokens),
)
_ROUTES = [
    (method, re.compile(f"/(?P<version>{versions})/{path}"), handler)
    for method, versions, path, handler in _TABLE
]


def route(method: str, path: str) -> tuple[Handler, Mapping[str, str]] | None:
    """Return who answers a call, and the names in its path."""
    for wanted, pattern, handler in _ROUTES:
        if wanted == method and (match := pattern.fullmatch(path)):
            return handler, match.groupdict()
    return None
