"""How a kind of model looks to the core: its field table, and what its service can and cannot do.

Rule: data alone; what is peculiar to one service is told here in neutral words, or stays in its provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class OnChange(StrEnum):
    """What a difference in a field leads to."""

    UPDATE = "update"
    REPLACE = "replace"


class FieldType(StrEnum):
    """How a field's values are compared and canonicalised."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT32 = "float32"
    INTEGERS = "integers"
    """A set of int64: order means nothing."""
    BOOLEAN = "boolean"
    STRINGS = "strings"
    """A set of texts: order means nothing. A map is one of KEY=VALUE."""


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a kind's field table: data, no callback.

    Attributes:
        path: snake_case, dotted.
        type: how to compare.
        on_change: update in place, or replace.
        role: which part of the identity it is ("source", "hyperparameter"), "" for none.
    """

    path: str
    type: FieldType
    on_change: OnChange
    role: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the core must know of a kind of model, and nothing else.

    Attributes:
        name: "TunedModel".
        fields: path to Field.
        data_field: the path of the training data.
        api: host name of the API that serves it, as policies name a provider.
        permissions: whether permissions can be managed.
        pinned_ids: whether metadata.id is allowed, because the service takes chosen ids.
        collection: what makes a resource name of an id ("tunedModels/"); "" when the service names.
        epochs, batch: what the paths of the fields end in that decide the number of steps, "" for none.
        default_epochs, default_batch: what the service documents for them when undeclared, 0 for nothing.
        instead: the kind to declare where no base model is offered for this one, "" for none.
    """

    name: str
    fields: Mapping[str, Field]
    data_field: str
    api: str = ""
    permissions: bool = False
    pinned_ids: bool = False
    collection: str = ""
    epochs: str = ""
    batch: str = ""
    default_epochs: int = 0
    default_batch: int = 0
    instead: str = ""

    def reference(self, id: str) -> str:
        """What names a model of this kind in an identity: its resource name, where ids make names."""
        return self.collection + id

    def data_path(self, field: str) -> str:
        """Where its manifest holds a data set, which may be called by the last part of its path only."""
        parent = self.data_field.rpartition(".")[0]
        return field if "." in field or not parent else f"{parent}.{field}"
