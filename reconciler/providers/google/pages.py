"""Reads every page of a list call (AIP-158)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.errors import NotUnderstoodError
from reconciler.http import Transport
from reconciler.providers.google.json import JsonObject, explain_wrong_type, read_next_page

_MOST_PAGES = 1_000
"""100,000 jobs, in pages of 100; who hands out new tokens for ever is left within a minute or two."""


def list_pages(
    transport: Transport, path: str, query: Mapping[str, str], *, page_size: int
) -> Iterator[JsonObject]:
    """Every page of a list; NotUnderstoodError when they do not end."""
    token, tokens = "", set[str]()
    for _ in range(_MOST_PAGES):
        paged = {**query, "pageSize": str(page_size)} | ({"pageToken": token} if token else {})
        page = transport.call("GET", path, query=paged)
        if "error" in page:  # a list has no such field: it is not the list that was asked for
            raise explain_wrong_type(path, "error", page["error"], "part of a list")
        yield page
        token = read_next_page(page, path)
        if not token:
            return
        if token in tokens:
            break
        tokens.add(token)
    raise NotUnderstoodError(
        f"GET {path}: the service's pages go round in a circle (a page token came twice, or more "
        f"than {_MOST_PAGES:,} pages came)",
        "The list is not complete, so nothing is decided on it. Run the command again.",
    )
