"""Reads an API's table of base models, which is a data file in the API's own package.

The file is read when a row is first asked for, because most commands need no row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any

from reconciler.bases import Base

FILE = "base_models.json"


class PackagedBases(Mapping[str, Base]):
    """Maps the name of a base model to its row, in the table that a package holds.

    Args:
        package: the full name of the package, as `__package__` gives it.
    """

    def __init__(self, package: str) -> None:
        self.package = package

    @cached_property
    def _rows(self) -> Mapping[str, Base]:
        from reconciler import bounds, strictjson

        package = import_module(self.package)
        spec: Any = package.__spec__  # importlib.resources takes long to import
        data = spec.loader.get_data(f"{package.__path__[0]}/{FILE}")
        document = strictjson.loads(data, most=bounds.MANIFEST)
        rows = (_build({**document["common"], **row}) for row in document["rows"])
        return {row.name: row for row in rows}

    def __getitem__(self, name: str) -> Base:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _build(row: dict[str, Any]) -> Base:
    """Build a row. A test checks the types, so that no command needs the codec for them."""
    columns: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items()
    }
    return Base(**columns)
