"""What `plain_models` knows of a kind, and the keys that all kinds have. `kinds.PLAIN` names a kind's table.

Rule: these modules import no schema. A table need not have every key: a document with another one is left to
its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from importlib import import_module
from typing import Any

from msgspec import Struct

from reconciler.bases import Base
from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.documents import Document
from reconciler.manifests.kinds import API_VERSION, PLAIN
from reconciler.manifests.plain_values import (
    Keys,
    PlacedKeys,
    place_keys,
    read_choice,
    read_date,
    read_duration,
    read_flag,
    read_fraction,
    read_labels,
    read_list,
    read_mapping,
    read_name,
    read_pattern,
    read_text,
    read_visible,
)
from reconciler.manifests.texts import FORMER_NAME, PROMPT_LIMIT
from reconciler.model.data import DataSet
from reconciler.model.desired import Replacement
from reconciler.model.endpoint import Serving
from reconciler.model.names import Attributes

ReadData = Callable[[Document, DataSets, Mapping[str, Any], Attributes], tuple[DataSet, ...]]
"""Returns the data sets, see `form.Form.read_data_sets`. Takes what was read, and the attributes."""


def build_serving(found: Mapping[str, Any]) -> Serving | None:
    """Build the stable endpoint that a document names. None for none."""
    return Serving(found["serving.endpoint"]) if "serving.endpoint" in found else None


class Table(Struct, frozen=True):
    """What is known of a kind.

    Attributes:
        keys: those of the whole document.
        required: paths that must be there.
        choices: paths of which one must be there, and no second one. A document that names a live model may
            have none of them, but something in the mapping `within`.
        excluding: paths of which at most one may be there.
        parent: as `Declaration.parent_path`.
        read_data: reads the data sets.
        questions, check_base: see `form.Form`.
        parents: the kinds of model that `spec.source` may name.
        build_serving: returns the stable endpoint. Takes what was read.
        endpoint_place: the path of the location of the endpoint, "" for none.
        base_paths: of all that `check_base` looks at, so that the same is not checked again.
    """

    keys: PlacedKeys
    required: frozenset[str]
    choices: frozenset[str]
    parent: str
    read_data: ReadData
    within: str = ""
    excluding: frozenset[str] = frozenset()
    questions: str = ""
    parents: tuple[str, ...] = ()
    build_serving: Callable[[Mapping[str, Any]], Serving | None] = build_serving
    endpoint_place: str = ""
    check_base: Callable[[Document, Mapping[str, Base], str], None] | None = None
    base_paths: tuple[str, ...] = ()

    def allows_no_data(self, there: Collection[str]) -> bool:
        """Return whether a document that names a live model may have only these paths."""
        return self.choices.isdisjoint(there) and any(path.startswith(self.within) for path in there)


ALWAYS = frozenset({"apiVersion", "metadata.name"})

METADATA: Keys = {"name": read_name, "labels": read_labels, "moved_from": read_pattern(FORMER_NAME)}

LIFECYCLE = read_mapping(
    {
        "prevent_destroy": read_flag,
        "ignore_changes": read_list(read_visible),
        "keep_deposed": read_duration,
        "ignore_drift": read_list(
            read_mapping({"field": read_visible, "reason": read_text, "until": read_date}, "field")
        ),
        "replace": read_choice(*Replacement),
    }
)
PERMISSIONS = read_list(
    read_mapping(
        {
            "grantee_type": read_choice("USER", "GROUP", "EVERYONE"),
            "email_address": read_pattern(r"[^@\s]+@[^@\s]+"),
            "role": read_choice("READER", "WRITER"),
        },
        "grantee_type",
        "role",
    )
)
CHECKS = read_list(
    read_mapping(
        {
            "prompt": partial(read_text, least=1, most=PROMPT_LIMIT),
            **dict.fromkeys(("system", "expect", "contains", "matches", "file"), read_visible),
            "one_of": read_list(read_visible, least=1),
            "by": read_choice("exact", "contains"),
            "at_least": read_fraction,
        }
    )
)


def make_keys(
    kind: str, *, spec: Keys, metadata: Keys | None = None, beside: Keys | None = None
) -> PlacedKeys:
    """Put together the keys of a kind's document: those that all kinds have, and its own."""
    return place_keys(
        {
            "apiVersion": read_choice(API_VERSION),
            "kind": read_choice(kind),
            "metadata": {**METADATA, **(metadata or {})},
            "lifecycle": LIFECYCLE,
            "permissions": PERMISSIONS,
            "checks": CHECKS,
            "spec": spec,
            **(beside or {}),
        }
    )


@cache
def find_table(kind: str) -> Table | None:
    """Import the table of a kind. None if only its schema can read it."""
    if kind not in PLAIN:
        return None
    table: Table = import_module(f"reconciler.manifests.{PLAIN[kind]}").TABLE
    return table
