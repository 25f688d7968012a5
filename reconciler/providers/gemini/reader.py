"""Reads lists, models and operations. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from reconciler.errors import NotFoundError, ServiceError
from reconciler.http import Transport
from reconciler.model.live import Live
from reconciler.providers import Handle
from reconciler.providers.gemini import codec, operations
from reconciler.providers.gemini.codec import COLLECTION, NAME, SEGMENT
from reconciler.providers.google.calls import get_or_none, list_pages
from reconciler.providers.google.json import JsonObject, explain_another, read_objects
from reconciler.providers.google.partial import Partial

PAGE_SIZE = 1000
"""The service's cap; it may return fewer."""

_PATH = rf"{SEGMENT}(?:/{SEGMENT})*"


class Reader(Struct, frozen=True):
    """Reads tuned models and their operations.

    Args:
        transport: the transport to the Gemini API.
        page_size: how many entries a list call asks for.
        partial: asks for parts of answers.
    """

    transport: Transport
    page_size: int = PAGE_SIZE
    partial: Partial = field(default_factory=Partial)

    def list_pages(self, path: str, query: Mapping[str, str], fields: str = "") -> Iterator[JsonObject]:
        """Yield every page of a list, or these fields of it. ServiceError if the pages do not end."""
        yield from list_pages(
            self.transport, path, query, page_size=self.page_size, partial=self.partial, fields=fields
        )

    def get_model(self, name: str) -> Live | None:
        """Return a model with its whole loss curve, None on 404."""
        found = get_or_none(self.transport, f"v1beta/{name}", self.partial, codec.WITH_CURVE)
        return None if found is None else codec.read_model(found, curve=True, asked=name)

    def get_operation(self, operation: str) -> JsonObject | None:
        """Ask v1 for an operation, as Google's guide does, then v1beta, as its SDKs do."""
        if not is_path(operation):
            raise ServiceError(f"{operation[:80]!r} is not the name of an operation", "Correct the state.")
        for version in ("v1", "v1beta"):
            found = get_or_none(self.transport, f"{version}/{operation}")
            if found is None:
                continue
            if found.get("name") != operation:
                raise explain_another("operations", operation, found.get("name"))
            return found
        return None

    def find_operation(self, name: str) -> JsonObject | None:
        """Find the operation that made a model in the model's list of operations; None if it has none."""
        for version in ("v1", "v1beta"):
            try:
                pages = self.list_pages(f"{version}/{name}/operations", {})
                found = [operation for page in pages for operation in read_objects(page, "operations", name)]
            except NotFoundError:
                continue
            return operations.find_create(found, name)
        return None


def name_of(handle: Handle) -> str:
    """Return the resource name, safe in a URL. ServiceError if it cannot be one."""
    name = handle.name or f"{COLLECTION}/{handle.id}"
    if not NAME.fullmatch(name):
        raise ServiceError(
            f"{name[:80]!r} is not the name of a tuned model",
            f"It must be {COLLECTION}/ID, the id made of letters, digits and '-'. Correct the id.",
        )
    return name


def is_path(name: str) -> bool:
    """Return whether a resource name, from the service or a record, is safe in a URL."""
    return bool(re.fullmatch(_PATH, name))
