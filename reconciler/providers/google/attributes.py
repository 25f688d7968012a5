"""Reads, places and compares the fields of a kind in the JSON of Google's APIs, by its field table.

Rules: our paths are in snake_case, and Google's in lowerCamelCase. Two numbers are equal if they are the same
float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from reconciler.formats import to_camel_case
from reconciler.identity import to_float32
from reconciler.kind import Field, FieldType, OnChange
from reconciler.model.names import Attributes, Value
from reconciler.providers.google import json
from reconciler.providers.google.json import JsonObject, explain_wrong_type

Reader: TypeAlias = Callable[[object], Value]
"""Reads a JSON value as a field's value. Its TypeError says what the value should have been."""
Row: TypeAlias = tuple[str, tuple[str, ...], Reader]
"""A field's path, the keys that lead to it, and how it is read."""


_READERS: Mapping[FieldType, Reader] = {
    FieldType.STRING: json.parse_text,
    FieldType.INTEGER: json.parse_integer,
    FieldType.INTEGERS: json.parse_integers,
    FieldType.FLOAT32: json.parse_float,
    FieldType.BOOLEAN: json.parse_boolean,
    FieldType.JSON: json.parse_object,
}


def build_rows(fields: Iterable[Field], own: Mapping[FieldType, Reader] | None = None) -> tuple[Row, ...]:
    """Build what reads these fields. Call it once, because a list has thousands of models.

    `own` holds the readers of types that each API encodes in its own way.
    """
    readers = {**_READERS, **(own or {})}
    return tuple((row.path, tuple(to_camel_case(row.path).split(".")), readers[row.type]) for row in fields)


def read_attributes(document: JsonObject, rows: Iterable[Row], name: str) -> dict[str, Value]:
    """Return the fields that a resource shows. ServiceError, naming the field, if one has a wrong type."""
    attributes: dict[str, Value] = {}
    for path, keys, read in rows:
        value: Any = document
        for key in keys:
            if not isinstance(value, dict):
                raise explain_wrong_type(name, path, value, "an object")
            value = value.get(key)
            if value is None:
                break
        if value is not None:
            try:
                attributes[path] = read(value)
            except TypeError as error:
                raise explain_wrong_type(name, path, value, str(error)) from error
    return attributes


def put(body: JsonObject, path: str, value: object) -> None:
    """Put a value into a body at its path."""
    *parents, last = to_camel_case(path).split(".")
    for key in parents:
        body = body.setdefault(key, {})
    body[last] = value


def require_mutable(attributes: Attributes, fields: Mapping[str, Field]) -> None:
    """Raise ValueError for fields that cannot be updated."""
    if fixed := [path for path in attributes if fields[path].on_change is not OnChange.UPDATE]:
        raise ValueError(f"immutable: {', '.join(fixed)}")


def is_equal(value: Value, other: Value) -> bool:
    """Return whether two values of a field are the same to the service."""
    if isinstance(value, float) or isinstance(other, float):
        try:
            return to_float32(float(value)) == to_float32(float(other))  # type: ignore[arg-type]  # numbers by the table
        except (OverflowError, TypeError, ValueError):
            return False
    return value == other
