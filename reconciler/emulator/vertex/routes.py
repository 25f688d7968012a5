"""Which call goes where; the same in v1 and v1beta1. What is not in the table is a 404."""

import re
from collections.abc import Mapping

from reconciler.emulator.call import Handler
from reconciler.emulator.vertex import endpoints, inference, jobs, models, operations

_JOB = r"tuningJobs/(?P<job>[^/:]+)"
_MODEL = r"models/(?P<model>[^/:]+)"
_ENDPOINT = r"endpoints/(?P<endpoint>[^/:]+)"
_SERVING = rf"(?:{_ENDPOINT}|publishers/google/models/(?P<publisher_model>[^/:]+))"
_PARENT = r"(?:(?P<collection>tuningJobs|models|endpoints)/(?P<parent>[^/:]+)/)?"
_OPERATION = _PARENT + r"operations/(?P<operation>[^/:]+)"

_TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "tuningJobs", jobs.create),
    ("GET", "tuningJobs", jobs.list_jobs),
    ("GET", _JOB, jobs.get),
    ("POST", _JOB + ":cancel", jobs.cancel),
    ("POST", "tuningJobs:rebaseTunedModel", jobs.rebase),
    ("GET", "models", models.list_models),
    ("GET", _MODEL, models.get),
    ("PATCH", _MODEL, models.patch),
    ("DELETE", _MODEL, models.delete),
    ("GET", _MODEL + ":listVersions", models.list_versions),
    ("GET", _MODEL + ":listCheckpoints", models.list_checkpoints),
    ("DELETE", _MODEL + ":deleteVersion", models.delete_version),
    ("GET", "endpoints", endpoints.list_endpoints),
    ("POST", "endpoints", endpoints.create),
    ("POST", _ENDPOINT + ":deployModel", endpoints.deploy),
    ("GET", _ENDPOINT, endpoints.get),
    ("PATCH", _ENDPOINT, endpoints.patch),
    ("DELETE", _ENDPOINT, endpoints.delete),
    ("POST", _ENDPOINT + ":undeployModel", endpoints.undeploy),
    ("POST", _SERVING + ":generateContent", inference.generate),
    ("POST", _SERVING + ":streamGenerateContent", inference.stream_generate),
    ("POST", _SERVING + ":countTokens", inference.count_tokens),
    ("GET", _PARENT + "operations", operations.list_operations),
    ("GET", _OPERATION, operations.get),
    ("POST", _OPERATION + ":wait", operations.wait),
    ("POST", _OPERATION + ":cancel", operations.cancel),
    ("DELETE", _OPERATION, operations.delete),
)
_PLACE = r"/(?P<version>v1|v1beta1)/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/"
_ROUTES = [(method, re.compile(_PLACE + path), handler) for method, path, handler in _TABLE]


def route(method: str, path: str) -> tuple[Handler, Mapping[str, str]] | None:
    """Return who answers a call, and the names in its path."""
    for wanted, pattern, handler in _ROUTES:
        if wanted == method and (match := pattern.fullmatch(path)):
            names = match.groupdict()
            return handler, {key: value for key, value in names.items() if value is not None}
    return None
