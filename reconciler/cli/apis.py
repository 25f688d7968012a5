"""The registry of APIs. Every command supports an API that is added here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.kind import Kind
from reconciler.providers.api import Api
from reconciler.providers.gemini.api import GEMINI
from reconciler.providers.vertex.api import VERTEX

APIS: tuple[Api, ...] = (
    GEMINI,
    VERTEX,
)


def list_kinds() -> dict[str, Kind]:
    """Return every kind of model that this version knows, by its name."""
    return {kind.name: kind for api in APIS for kind in api.kinds}


def list_variables() -> frozenset[str]:
    """Return the environment variables that set an API's endpoint or credential."""
    return frozenset().union(*(api.variables for api in APIS))


def join_endpoint_variables(conjunction: str, apis: Sequence[Api] = APIS) -> str:
    """Return the variables that name endpoints, for a sentence: "A or B"."""
    return f" {conjunction} ".join(dict.fromkeys(api.endpoint_variable for api in apis))


def has_named_endpoint(environ: Mapping[str, str]) -> bool:
    """Return whether the environment names an endpoint for any API."""
    return any(environ.get(api.endpoint_variable) for api in APIS)
