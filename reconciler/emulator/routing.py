"""Which handler answers a call: a table of the methods of each API. What is not in it is a 404."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from reconciler.emulator.call import Handler

# HTTP method, regular expression of the path after the API's prefix, handler, and the query parameters that
# the method takes, with spaces between them; None for any.
Row: TypeAlias = tuple[str, str, Handler, str | None]


class Route(NamedTuple):
    """Where a call goes.

    Attributes:
        handler: answers it.
        names: in its path.
        parameters: that its query may have, in snake_case; None for any.
    """

    handler: Handler
    names: Mapping[str, str]
    parameters: Sequence[str] | None


class Router:
    """The routes of one API."""

    def __init__(self, prefix: str, table: Iterable[Row]) -> None:
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
