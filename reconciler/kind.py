"""Describes a kind of model to the core: its field table, and what its service can and cannot do.

Rule: data only. A special property of one service has a neutral name here, or stays in its provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.bases import Base, find_base, narrow_bases, override_bases
from reconciler.model.names import Scalar
from reconciler.model.stack import Stack


class OnChange(StrEnum):
    """The action that a difference in a field leads to."""

    UPDATE = "update"
    REPLACE = "replace"
    NOTHING = "nothing"
    """It says how the model is made, and the model does not show it. A change concerns the next model."""


class FieldType(StrEnum):
    """The type of a field, which decides how its values are compared and canonicalised."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT32 = "float32"
    INTEGERS = "integers"
    """A set of int64, whose order does not matter."""
    BOOLEAN = "boolean"
    STRINGS = "strings"
    """A set of texts, whose order does not matter. A map is a set of KEY=VALUE."""
    NAMES = "names"
    """One thing that may have several names, as a project has its id and its number."""
    JSON = "json"
    """The text of a JSON object."""


class FieldRole(StrEnum):
    """The part that a field has in the identity of a model."""

    NONE = ""
    SOURCE = "source"
    """It names the model to tune."""
    CHECKPOINT = "checkpoint"
    """It chooses a checkpoint of that model."""
    HYPERPARAMETER = "hyperparameter"
    PLACE = "place"
    """It says where the model lives. That is no part of the identity."""


class Field(Struct, frozen=True):
    """One row of a kind's field table: data, no callback.

    Attributes:
        path: snake_case, dotted.
        type: how to compare.
        on_change: update in place, replace, or neither.
        role: what it is to the identity.
        absent: what the service takes it for where it is absent: an empty value or a fixed, documented
            default. None where zero is a value too, or where the service chooses.
        prefixes: what a value may begin with and mean the same; `*` is any one step of a path.
        counted: of JSON, the keys whose value counts even where it is false, zero or empty.
        verbatim: of JSON, the keys under which everything counts.
    """

    path: str
    type: FieldType
    on_change: OnChange
    role: FieldRole = FieldRole.NONE
    absent: Scalar | tuple[()] | None = None
    prefixes: tuple[str, ...] = ()
    counted: frozenset[str] = frozenset()
    verbatim: frozenset[str] = frozenset()


class Kind(Struct, frozen=True, dict=True):
    """Everything that the core must know about a kind of model.

    Attributes:
        name: "TunedModel".
        fields: path to Field.
        data_field: the path of the training data. "" if there is none.
        api: host name of the API that serves it, as policies name a provider.
        permissions: whether permissions can be managed.
        access: who may use a model where they cannot, as a clause ("its access is the project's IAM").
        pinned_ids: whether metadata.id is allowed, because the service takes chosen ids.
        collection: what makes a resource name of an id ("tunedModels/"); "" when the service names.
        called_by_name: a program calls the model by its resource name: nobody need be asked for an endpoint.
        epochs, batch: what the paths of the fields end in that decide the number of steps, "" for none.
        default_epochs, default_batch: what the service documents for them when undeclared, 0 for nothing.
        instead: the kind to declare where no base model is offered for this one, "" for none.
        has_endpoints: whether a manifest may declare a stable endpoint for it.
        trains: whether its create is a training. Otherwise it copies a trained model.
        lists_progress: whether a list of its models shows how far each training is.
        bases: name to row of the table of base models: the packaged one, with what a Stack adds to it.
    """

    name: str
    fields: Mapping[str, Field]
    data_field: str
    api: str = ""
    permissions: bool = False
    access: str = ""
    pinned_ids: bool = False
    collection: str = ""
    called_by_name: bool = False
    epochs: str = ""
    batch: str = ""
    default_epochs: int = 0
    default_batch: int = 0
    instead: str = ""
    has_endpoints: bool = False
    trains: bool = True
    lists_progress: bool = False
    bases: Mapping[str, Base] = field(default_factory=dict)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The paths of the fields that may name the model to tune or to copy."""
        return tuple(path for path, field in self.fields.items() if field.role is FieldRole.SOURCE)

    def find_base(self, name: str) -> Base | None:
        """Return the row of a base model, however its publisher is written. None if there is none."""
        return find_base(self.bases, name)

    def build_reference(self, id: str) -> str:
        """Return a model's name for an identity: its resource name if that is built from its id."""
        return self.collection + id

    def find_data_path(self, field: str) -> str:
        """Return the path of a data set in its manifest. `field` may be the last part of that path only."""
        parent = self.data_field.rpartition(".")[0]
        return field if "." in field or not parent else f"{parent}.{field}"


def override_kinds(kinds: Mapping[str, Kind], stack: Stack) -> Mapping[str, Kind]:
    """Return the kinds with what a Stack says of base models. Doing it twice changes nothing more."""
    if not stack.base_models and stack.tunable_base_models is None:
        return kinds
    return {name: replace(kind, bases=_override_bases(kind.bases, stack)) for name, kind in kinds.items()}


def _override_bases(bases: Mapping[str, Base], stack: Stack) -> Mapping[str, Base]:
    changed = override_bases(bases, stack.base_models)
    if stack.tunable_base_models is None:
        return changed
    added = (base.name for base in stack.base_models if base.tunable)
    return narrow_bases(changed, (*stack.tunable_base_models, *added))


def narrow_kinds(kinds: Mapping[str, Kind], tunable: Mapping[str, Iterable[str]]) -> Mapping[str, Kind]:
    """Return the kinds where services say which base models can be tuned: kind name to those."""
    narrowed = {
        name: replace(kinds[name], bases=narrow_bases(kinds[name].bases, names))
        for name, names in tunable.items()
        if name in kinds
    }
    return {**kinds, **narrowed}
