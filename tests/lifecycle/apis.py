"""The two APIs as data, so that one test can run against both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.kind import Kind
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import TUNING_JOB

PROJECT, LOCATION = "p", "us-central1"
_GEMINI, _MODEL = "^/v1beta/tunedModels", "^/v1beta/tunedModels/[a-z0-9-]+"
_VERTEX = "^/v1/projects/[^/]+/locations/[^/]+/"
_NUMBER = "/[0-9]+(@[0-9]+)?"


@dataclass(frozen=True)
class Api:
    """One API.

    Attributes:
        kind: the kind of its models.
        calls: the beginning of a fault rule of the emulator for each call, by the name that tests give to the
            call. "training" and "lag" are for the model "a".
    """

    kind: Kind
    calls: Mapping[str, Mapping[str, Any]]

    def rule(self, call: str, **fault: Any) -> dict[str, Any]:
        """A fault rule for the emulator."""
        return {**self.calls[call], **fault}

    def calls_of(self, method: str) -> tuple[str, ...]:
        """Return the requests of this API that a provider's method sends."""
        return tuple(call for call in _CALLS.get(method, ()) if call in self.calls)


def method_of(verb: str, path: str) -> str:
    """Return the provider's method that sends such a request, "" for other requests."""
    for api in APIS.values():
        for method in _CALLS:
            for call in api.calls_of(method):
                rule = api.calls[call]
                if rule["method"] == verb and re.search(rule["path"], f"/{path}"):
                    return method
    return ""


GEMINI = Api(
    TUNED_MODEL,
    {
        "create": {"method": "POST", "path": f"{_GEMINI}$"},
        "list": {"method": "GET", "path": f"{_GEMINI}$"},
        "look": {"method": "GET", "path": f"{_MODEL}$"},
        "poll": {"method": "GET", "path": "^/v1/tunedModels/.*/operations/"},
        "update": {"method": "PATCH", "path": f"{_MODEL}$"},
        "delete": {"method": "DELETE", "path": f"{_MODEL}$"},
        "grant": {"method": "POST", "path": f"{_MODEL}/permissions$"},
        "grants": {"method": "GET", "path": f"{_MODEL}/permissions$"},
        "ask": {"method": "POST", "path": f"{_MODEL}:generateContent$"},
        "bases": {"method": "GET", "path": "^/v1beta/models$"},
        "training": {"train": "^a-"},
        "lag": {"path": "/tunedModels/a-"},
    },
)
VERTEX = Api(
    TUNING_JOB,
    {
        "create": {"method": "POST", "path": f"{_VERTEX}tuningJobs$"},
        "list": {"method": "GET", "path": f"{_VERTEX}tuningJobs$"},
        "list models": {"method": "GET", "path": f"{_VERTEX}models$"},
        "list endpoints": {"method": "GET", "path": f"{_VERTEX}endpoints$"},
        # A look asks the list for a label. Three lists come before it: those of two plans, and the look
        # before the first create.
        "look": {"method": "GET", "path": f"{_VERTEX}tuningJobs$", "skip": 3},
        "poll": {"method": "GET", "path": f"{_VERTEX}tuningJobs{_NUMBER}$"},
        "model": {"method": "GET", "path": f"{_VERTEX}models{_NUMBER}$"},
        "update": {"method": "PATCH", "path": f"{_VERTEX}models{_NUMBER}$"},
        "update endpoint": {"method": "PATCH", "path": f"{_VERTEX}endpoints{_NUMBER}$"},
        "cancel": {"method": "POST", "path": f"{_VERTEX}tuningJobs{_NUMBER}:cancel$"},
        "undeploy": {"method": "POST", "path": f"{_VERTEX}endpoints{_NUMBER}:undeployModel$"},
        "delete endpoint": {"method": "DELETE", "path": f"{_VERTEX}endpoints{_NUMBER}$"},
        "delete": {"method": "DELETE", "path": f"{_VERTEX}models{_NUMBER}$"},
        "operation": {"method": "GET", "path": f"{_VERTEX}.*operations/[0-9]+$"},
        "ask": {"method": "POST", "path": f"{_VERTEX}endpoints{_NUMBER}:generateContent$"},
        "object": {"method": "GET", "path": "^/storage/v1/b/"},
        "upload": {"method": "POST", "path": "^/(resumable/)?upload/storage/v1/b/"},
        "part": {"method": "PUT", "path": "^/(resumable/)?upload/storage/v1/b/"},
        "training": {"train": "^reconciler_id=a-"},
        "lag": {"path": "/tuningJobs/"},
    },
)
_CALLS: Mapping[str, tuple[str, ...]] = {
    "create": ("create",),
    "upload": ("upload", "part", "object"),
    "update": ("update", "update endpoint"),
    "delete": ("delete", "undeploy", "delete endpoint", "cancel", "operation"),
    "poll": ("poll",),
    "get": ("look", "model"),
    "list": ("list", "list models", "list endpoints"),
    "permissions": ("grants",),
    "set_permissions": ("grant",),
    "generate": ("ask",),
}
"""The calls of each method of a provider. The upload is listed alone, though it is part of a create."""
APIS: Mapping[str, Api] = {api.kind.name: api for api in (GEMINI, VERTEX)}
