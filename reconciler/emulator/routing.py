"""Which handler answers a call: a table of methods and paths for each API. What is not in it is a 404."""

import re
from collections.abc import Iterable, Mapping

from reconciler.emulator.call import Handler


class Router:
    """The routes of one API."""

    def __init__(self, prefix: str, table: Iterable[tuple[str, str, Handler]]) -> None:
        """Compile *table*: HTTP method, regular expression of the path after *prefix*, handler."""
        self._routes = [
            (method, re.compile(prefix + path, re.DOTALL), handler) for method, path, handler in table
        ]

    def find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]] | None:
        """Return who answers a call, and the names in its path."""
        for known, pattern, handler in self._routes:
            if known == method and (match := pattern.fullmatch(path)):
                names = match.groupdict().items()
                return handler, {key: value for key, value in names if value is not None}
        return None
