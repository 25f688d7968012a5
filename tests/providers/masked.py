"""Answers with every field of a schema, ways to spoil them, and a service that selects parts of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from reconciler.emulator.partial import parse_fields, select
from reconciler.errors import NotFoundError
from reconciler.model.live import Live, Odd
from reconciler.strictjson import Decode, loads_answer
from tests.emulator.discovery import Document

WRONG = (7, [7])
"""Values of several types. At least one of them is wrong for any field."""


def build_full(document: Document, schema: Mapping[str, Any], depth: int = 5) -> Any:
    """Build a value with every field of a schema of a discovery document, down to a depth."""
    if "$ref" in schema:
        return build_full(document, document.schemas[schema["$ref"]], depth)
    match schema["type"]:
        case "object" if depth:
            found = {
                key: build_full(document, item, depth - 1)
                for key, item in schema.get("properties", {}).items()
            }
            return found or {"key": "1"}
        case "object":
            return {}
        case "array":
            return [build_full(document, schema["items"], depth)]
        case "string" if "enum" in schema:
            return schema["enum"][-1]
        case "string" if schema.get("format") == "google-datetime":
            return "2026-01-02T03:04:05Z"
        case "string":
            return "12"
        case "boolean":
            return True
        case _:
            return 3


def spoil(whole: Any, depth: int) -> Iterator[Any]:
    """Yield an answer, then copies of it: each lacks one field, or has a value of another type there."""
    yield whole
    for path in _list_paths(whole, depth):
        for value in (None, *WRONG):
            spoiled = deepcopy(whole)
            inner = spoiled
            for key in path[:-1]:
                inner = inner[key]
            if value is None:
                del inner[path[-1]]
            else:
                inner[path[-1]] = value
            yield spoiled


def _list_paths(value: Any, depth: int) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items if depth else ():
        yield (key,)
        for rest in _list_paths(inner, depth - 1):
            yield (key, *rest)


@dataclass
class Service:
    """Answers GETs, as a transport does. A path that ends with the name of a collection asks for a list.

    Attributes:
        shown: the resources of each collection.
        selects: whether `fields` selects parts; otherwise it has no effect.
        decodes: whether the caller's own decoder reads the answer, which may skip the other parts.
        dropped: a collection, and a field that is dropped as if the masks had forgotten it.
        masks: the masks that were sent, by collection. The key "" is for single resources.
    """

    shown: Mapping[str, list[Any]]
    selects: bool
    decodes: bool = False
    dropped: tuple[str, str] = ("", "")
    masks: dict[str, str] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        decode: Decode | None = None,
    ) -> Any:
        """Answer one request."""
        assert method == "GET"
        fields = (query or {}).get("fields", "")
        last = path.rpartition("/")[2]
        collection = last if last in self.shown else ""
        answer = {collection: self.shown[collection]} if collection else self._find(path)
        if self.decodes:
            answer = loads_answer(json.dumps(answer).encode(), decode=decode)
        if fields:
            self.masks[collection] = fields
        if not (fields and self.selects):
            return answer
        selection = deepcopy(parse_fields(fields))
        where, key = self.dropped
        if where == collection and key:
            del (selection[collection] if collection else selection)[key]
        return select(answer, selection)

    def _find(self, path: str) -> Any:
        name, _, version = path.partition("/")[2].partition("@")
        for resources in self.shown.values():
            for resource in resources:
                if isinstance(resource, dict) and resource.get("name") == name:
                    return {**resource, "versionId": version} if version else resource
        raise NotFoundError(f"{name} does not exist", status=404)


def shorten(summary: str) -> str:
    """Leave out the value that a message quotes, because with a mask it is only the selected part."""
    return re.sub(r" = .*, which is not ", " is not ", summary)


def hide_text(found: Live | Odd) -> Live | Odd:
    """Leave out what an Odd quotes, and the text of an entry that has no name."""
    if isinstance(found, Live):
        return found
    return Odd(
        found.id, found.name if "/" in found.name and "{" not in found.name else "", shorten(found.why)
    )
