"""Makes the calls that have the same form in both of Google's APIs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from reconciler import bounds
from reconciler.errors import NotFoundError, NotUnderstoodError
from reconciler.http import Transport
from reconciler.model.checks import Prompt
from reconciler.providers.google.json import JsonObject, explain_wrong_type, read_next_page, read_reply
from reconciler.providers.google.partial import Partial
from reconciler.strictjson import loads

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
_MOST_PAGES = 1_000
"""100,000 jobs in pages of 100. A service that hands out new tokens for ever is given up within minutes."""


def list_pages(
    transport: Transport,
    path: str,
    query: Mapping[str, str],
    *,
    page_size: int,
    partial: Partial | None = None,
    fields: str = "",
) -> Iterator[JsonObject]:
    """Yield every page of a list (AIP-158). NotUnderstoodError if the pages do not end.

    With `fields`, `partial` asks for these parts of each page, and for the token of the next one.
    """
    token, tokens = "", set[str]()
    partial = partial or Partial()
    for _ in range(_MOST_PAGES):
        paged = {**query, "pageSize": str(page_size)} | ({"pageToken": token} if token else {})
        page = partial.get(transport, path, paged, fields=fields and f"{fields},nextPageToken")
        if "error" in page:  # a list has no such field, so this is not the list that was asked for
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


def merge_pages(found: Iterable[tuple[K, T]], ask_again: Callable[[K, T], T | None]) -> Iterator[T]:
    """Yield each resource of a list once, given with its key.

    A resource that two pages show differently has changed meanwhile. So it is asked for again, and left out
    if the answer is None.
    """
    seen: dict[K, T] = {}
    changed: set[K] = set()
    for key, resource in found:
        if seen.setdefault(key, resource) != resource:
            changed.add(key)
    for key, resource in seen.items():
        told = ask_again(key, resource) if key in changed else resource
        if told is not None:
            yield told


def get_or_none(
    transport: Transport, path: str, partial: Partial | None = None, fields: str = ""
) -> JsonObject | None:
    """Get a resource, or these fields of it: see `partial`. None on a 404."""
    try:
        return (partial or Partial()).get(transport, path, fields=fields)
    except NotFoundError:
        return None


def ask_model(transport: Transport, path: str, prompt: Prompt, temperature: float | None) -> str:
    """Return the text of the first candidate. Repeats on 5xx and time-outs, as it changes nothing."""
    if prompt.line:
        body: JsonObject = loads(prompt.line.encode(), most=bounds.DATA)
    else:
        body = {"contents": [{"role": "user", "parts": [{"text": prompt.text}]}]}
        if prompt.system:
            body["systemInstruction"] = {"parts": [{"text": prompt.system}]}
    if temperature is not None:
        body["generationConfig"] = {"temperature": temperature}
    reply = transport.call("POST", f"{path}:generateContent", body=body, slow=True, repeatable=True)
    return read_reply(reply, path.partition("/")[2])
