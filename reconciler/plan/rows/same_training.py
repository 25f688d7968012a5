"""Index recorded models by their training, so that 10,000 new names are compared with 10,000 old ones.

Rule: the index only leaves out models that differ. `find_replacement_reasons` decides whether a model that it
finds is the same training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from math import prod
from typing import TypeAlias

from msgspec import Struct

from reconciler.identity import find_meaning
from reconciler.kind import FieldRole, Kind, OnChange
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.names import Address, Attributes, Value
from reconciler.plan.facts import Facts
from reconciler.state.values import RecordedData, RecordedModel

Models: TypeAlias = dict[Address, RecordedModel]

_MOST_KEYS = 32
"""A model whose recorded and live values differ in many fields has one key that all declarations find."""


class _Key(Struct, frozen=True):
    """A key that equal trainings share. `values` are those of the declared fields; None fits any values."""

    is_known: bool
    digests: frozenset[str]
    values: tuple[Value, ...] | None


class _Shape(Struct, frozen=True):
    """The fields that a manifest declares.

    Attributes:
        declared: the paths of all of them.
        compared: the paths whose values tell two trainings apart: they cannot be updated and are not empty.
    """

    kind: str
    declared: frozenset[str]
    compared: tuple[str, ...]


class SameTraining:
    """Recorded models, to be found by a manifest.

    `is_move`: leave out a model that was trained with a hyperparameter that the manifest does not declare,
    unless its data is not certain.
    """

    def __init__(
        self, facts: Facts, models: Iterable[tuple[Address, RecordedModel | None]], *, is_move: bool
    ) -> None:
        self._facts, self._is_move = facts, is_move
        self._models: dict[str, Models] = {}
        self._pinned: dict[tuple[str, str], Models] = {}
        self._shapes: dict[_Shape, dict[_Key, Models]] = {}
        for address, model in sorted(models, key=lambda found: found[0]):
            if model is not None:
                self._models.setdefault(address.kind, {})[address] = model
                self._pinned.setdefault((address.kind, model.id), {})[address] = model

    def find_known(self, desired: Desired, attributes: Attributes) -> Iterator[tuple[Address, RecordedModel]]:
        """Find models that may be the desired one and whose data is certain, by address.

        A pinned metadata.id only finds the model with that id.
        """
        if not desired.id:
            for models in self._list_places(desired, attributes, is_known=True):
                yield from models.items()
            return
        digests, kind = _list_digests(desired.data), self._facts.get_kind(desired.address)
        for address, model in self._pinned.get((desired.address.kind, desired.id), {}).items():
            if has_known_data(model, kind) and _list_digests(model.data) == digests:
                yield address, model

    def find_doubtful(
        self, desired: Desired, attributes: Attributes
    ) -> Iterator[tuple[Address, RecordedModel]]:
        """Find models that may be the desired one, but whose data is not certain."""
        for models in self._list_places(desired, attributes, is_known=False):
            yield from models.items()

    def take(
        self, desired: Desired, attributes: Attributes, is_wanted: Callable[[RecordedModel], bool]
    ) -> Iterator[Address]:
        """Find all models that may be the desired one and are wanted.

        Equal declarations do not find them again, so that many equal ones are not compared with each other.
        """
        for is_known in (True, False):
            for models in self._list_places(desired, attributes, is_known=is_known):
                for address in [address for address, model in models.items() if is_wanted(model)]:
                    del models[address]
                    yield address

    def _list_places(self, desired: Desired, attributes: Attributes, *, is_known: bool) -> list[Models]:
        """List the places of the index where the desired model may be."""
        kind = self._facts.get_kind(desired.address)
        meant = {
            path: meaning
            for path in sorted(attributes)
            if kind.fields[path].on_change is OnChange.REPLACE
            and kind.fields[path].role is not FieldRole.PLACE
            and (meaning := find_meaning(kind.fields[path], attributes[path])) is not None
        }
        shape = _Shape(kind.name, frozenset(attributes), tuple(meant))
        places = self._shapes.get(shape)
        if places is None:
            places = self._shapes[shape] = self._index(shape, kind)
        digests = _list_digests(desired.data)
        keys = [
            _Key(is_known, found, values)
            for found in sorted({digests, frozenset[str]()}, key=len)
            for values in (tuple(meant.values()), None)
        ]
        return [models for key in keys if (models := places.get(key))]

    def _index(self, shape: _Shape, kind: Kind) -> dict[_Key, Models]:
        places: dict[_Key, Models] = {}
        for address, model in self._models.get(shape.kind, {}).items():
            is_known = has_known_data(model, kind)
            if self._is_move and is_known and has_dropped_hyperparameter(model, shape.declared, kind):
                continue
            digests = _list_digests(model.data)
            for values in self._list_values(shape, kind, address, model):
                places.setdefault(_Key(is_known, digests, values), {})[address] = model
        return places

    def _list_values(
        self, shape: _Shape, kind: Kind, address: Address, model: RecordedModel
    ) -> Iterable[tuple[Value, ...] | None]:
        """List the values that a manifest of this model may declare: what was sent or what is live."""
        live = self._facts.find_live(address, model.id)
        shown = model.sent if live is None else live.shown
        values = [
            {
                meaning
                for value in (model.sent.get(path), shown.get(path))
                if (meaning := find_meaning(kind.fields[path], value)) is not None
            }
            for path in shape.compared
        ]
        return product(*values) if prod(map(len, values)) <= _MOST_KEYS else (None,)


def _list_digests(data: Iterable[DataSet | RecordedData]) -> frozenset[str]:
    return frozenset(data_set.digest for data_set in data)


def has_known_data(model: RecordedModel, kind: Kind) -> bool:
    """Return whether it is certain what it was made of. A copy has no data.

    An assumed digest proves nothing.
    """
    return (bool(model.data) or not kind.trains) and all(
        data.digest and not data.assumed for data in model.data
    )


def has_dropped_hyperparameter(model: RecordedModel, declared: frozenset[str], kind: Kind) -> bool:
    """Return whether the model was trained with a hyperparameter that is not declared."""
    return any(
        path in kind.fields and kind.fields[path].role is FieldRole.HYPERPARAMETER and path not in declared
        for path, value in model.sent.items()
        if value not in _ABSENT
    )


_ABSENT: tuple[Value, ...] = (False, 0, "", ())
