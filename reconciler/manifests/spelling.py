"""Both spellings of a key: snake_case as in the protos, camelCase as in JSON. Google's API takes both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from reconciler.formats import camel_case
from reconciler.kind import Field
from reconciler.manifests.located import YamlMap


@cache
def _steps(path: str) -> tuple[tuple[str, str], ...]:
    return tuple((step, camel_case(step)) for step in path.split("."))


def spelled_path(body: object, path: str) -> list[str]:
    """A dotted snake_case path as the document spells it."""
    spelled = []
    for step, other in _steps(path):
        if type(body) is YamlMap:
            written = other if step not in body and other in body else step
            body = body.get(written)
        else:
            written = step
        spelled.append(written)
    return spelled


def spellings(fields: Iterable[Field]) -> Mapping[str, str]:
    """Every way to write a field's path, to the path."""
    found = {}
    for field in fields:
        found[camel_case(field.path)] = found[field.path] = field.path
    return found
