"""The table of `kind: ModelCopy` for plain documents. `model_copy` has its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.datasets.chat import SUPERVISED
from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.documents import Document
from reconciler.manifests.plain_table import ALWAYS, Table, make_keys
from reconciler.manifests.plain_values import LeftError, read_location, read_pattern, read_project
from reconciler.manifests.texts import (
    ENDPOINT,
    LIVE_COPY,
    NO_ENDPOINT,
    SOURCE_ADDRESS,
    SOURCE_KINDS,
    VERSIONED_MODEL,
)
from reconciler.model.data import DataSet
from reconciler.model.endpoint import Serving
from reconciler.model.names import Attributes

_SOURCES = {"address": read_pattern(SOURCE_ADDRESS), "model": read_pattern(VERSIONED_MODEL)}


def _read_source(value: object) -> str:
    """Read a source in this Stack, or one that is named by its resource name."""
    if type(value) is not dict or len(value) != 1:
        raise LeftError
    ((key, written),) = value.items()
    if key not in _SOURCES:
        raise LeftError
    return _SOURCES[key](written)


def _read_data(
    document: Document, data_sets: DataSets, found: Mapping[str, Any], attributes: Attributes
) -> tuple[DataSet, ...]:
    del document, data_sets, found, attributes
    return ()


def _build_serving(found: Mapping[str, Any]) -> Serving | None:
    named = found.get("serving.endpoint")
    if named == NO_ENDPOINT:
        return None
    return Serving(named or found["metadata.name"], is_default=named is None)


TABLE = Table(
    keys=make_keys(
        "ModelCopy",
        metadata={"location": read_location, "project": read_project, "import": read_pattern(LIVE_COPY)},
        spec={"source": _read_source},
        beside={"serving": {"endpoint": read_pattern(ENDPOINT)}},
    ),
    required=ALWAYS,
    choices=frozenset({"spec.source"}),
    within="spec.",
    parent="spec.source.address",
    parents=SOURCE_KINDS,
    read_data=_read_data,
    build_serving=_build_serving,
    endpoint_place="metadata.location",
    questions=SUPERVISED,
)
