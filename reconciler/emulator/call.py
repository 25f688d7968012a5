"""A call of an API method, the routes that tell who handles it, and the reply.

A handler takes a Call, and either returns a Reply or raises an ApiError. It knows nothing of HTTP
connections, faults, transactions or the log: those are the application's (app.py).
"""

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from reconciler.emulator.auth import Principal
from reconciler.emulator.database import Database
from reconciler.emulator.errors import ArgumentError
from reconciler.emulator.json_text import parse_json
from reconciler.emulator.protojson import Message, parse_message, to_camel, to_snake
from reconciler.emulator.settings import Settings

_SYSTEM_PARAMETERS = """
    access_token alt callback fields key oauth_token prettyPrint quotaUser uploadType upload_protocol
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One request, after authentication and routing.

    Attributes:
        path: the names in the path, as the route calls them.
        parameters: the query parameters that the route allows, in snake_case.
        now: the emulator's time, in microseconds since 1970.
        base_url: the emulator's address, as the caller wrote it.
        cut: the connection broke within the body; nobody reads the reply.
    """

    method: str
    path: Mapping[str, str]
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    principal: Principal
    database: Database
    settings: Settings
    now: int
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    base_url: str = ""
    cut: bool = False

    @property
    def version(self) -> str:
        """The API version in the path, '' where an API has none."""
        return self.path.get("version", "")

    def read_message(self, message: Message, at: str = "") -> dict[str, Any]:
        """Return the body read as *message*; a missing body is an empty message."""
        return parse_message(message, parse_json(self.body) if self.body.strip() else {}, at)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to a call: JSON, or ready JSON text, or a stream of texts, or bytes."""

    payload: object = None
    text: str | None = None
    stream: tuple[str, ...] = ()
    content: bytes | None = None
    media_type: str = "application/json; charset=UTF-8"
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


Handler: TypeAlias = Callable[[Call], Reply]


class Route(NamedTuple):
    """A call's handler, the names in its path, and the query parameters that it may have; None for any."""

    handler: Handler
    names: Mapping[str, str]
    parameters: Sequence[str] | None


class Router:
    """The routes of one API.

    A row of *table* has the HTTP method, a regular expression of the path after *prefix*, the handler, and
    the query parameters that the method takes, with spaces between them; None for any.
    """

    def __init__(self, prefix: str, table: Iterable[tuple[str, str, Handler, str | None]]) -> None:
        self._routes = [
            (method, re.compile(prefix + path, re.DOTALL), handler, parameters)
            for method, path, handler, parameters in table
        ]

    def find(self, method: str, path: str) -> Route | None:
        """Return the route of a call."""
        for known, pattern, handler, parameters in self._routes:
            if known == method and (match := pattern.fullmatch(path)):
                names = match.groupdict().items()
                allowed = None if parameters is None else parameters.split()
                return Route(handler, {key: value for key, value in names if value is not None}, allowed)
        return None


def show_operation(
    name: str,
    metadata: Mapping[str, Any],
    *,
    error: Mapping[str, Any] | None = None,
    response: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a google.longrunning.Operation. It is done if it has an *error* or a *response*.

    The service leaves `done` out until then, and so does this.
    """
    operation: dict[str, Any] = {"name": name, "metadata": metadata}
    if error:
        return {**operation, "done": True, "error": error}
    return {**operation, "done": True, "response": response} if response else operation


def read_query(query: Mapping[str, str], allowed: Collection[str]) -> dict[str, str]:
    """Return the query parameters in snake_case; a 400 for one that this method does not take."""
    found = {}
    for key, value in query.items():
        if key in _SYSTEM_PARAMETERS.split() or key.startswith("$"):
            continue
        name = to_snake(key)
        if name not in allowed or key not in {name, to_camel(name)}:
            text = (
                f'Invalid JSON payload received. Unknown name "{key}": Cannot bind query '
                f"parameter. Field '{key}' could not be found in request message."
            )
            raise ArgumentError(text)
        found[name] = value
    return found
