"""The APIs that this program knows: one line each. An API added here is found by every command."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.kind import Kind
from reconciler.providers.api import Api
from reconciler.providers.gemini.api import GEMINI
from reconciler.providers.vertex.api import VERTEX

APIS: tuple[Api, ...] = (
    GEMINI,
    VERTEX,
)


def list_kinds() -> dict[str, Kind]:
    """Every kind of model that this version knows, by its name."""
    return {api.kind.name: api.kind for api in APIS}


def list_variables() -> frozenset[str]:
    """The environment variables that say where APIs are asked and as whom."""
    return frozenset().union(*(api.variables for api in APIS))


def join_endpoint_variables(word: str, apis: tuple[Api, ...] = APIS) -> str:
    """The variables that name endpoints, for a sentence: "A or B"."""
    return f" {word} ".join(api.endpoint_variable for api in apis)


def has_named_endpoint(environ: Mapping[str, str]) -> bool:
    """Whether the environment names an endpoint for any API."""
    return any(environ.get(api.endpoint_variable) for api in APIS)
