"""A call on the API and its answer, as the routes see them.

A handler takes a Call, and either returns a Reply or raises an ApiError. It does not know of HTTP
connections, faults or the log; the transaction around it is the app's.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from reconciler.emulator.auth import Principal
from reconciler.emulator.database import Store
from reconciler.emulator.errors import ApiError, invalid
from reconciler.emulator.json_text import read
from reconciler.emulator.protojson import Message, camel, parse, snake
from reconciler.emulator.settings import Settings

_SYSTEM_PARAMETERS = {
    "access_token",
    "alt",
    "callback",
    "fields",
    "key",
    "oauth_token",
    "prettyPrint",
    "quotaUser",
    "uploadType",
    "upload_protocol",
}


@dataclasses.dataclass(kw_only=True)
class Call:
    """One request, admitted and routed.

    Attributes:
        path: the names taken from the path.
        base_url: the emulator's address, as the caller wrote it.
        effect: set by a handler that changed something.
        cut: the connection broke within the body; nobody reads the answer.
    """

    method: str
    version: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    principal: Principal
    store: Store
    settings: Settings
    now: int
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    base_url: str = ""
    effect: bool = False
    cut: bool = False

    def message(self, message: Message, at: str = "") -> dict[str, Any]:
        """Return the body read as *message*; no body is an empty one."""
        return parse(message, read(self.body) if self.body.strip() else {}, at)

    def parameters(self, *names: str) -> dict[str, str]:
        """Return the query, its names in snake_case; raise for one that is not in *names*."""
        found = {}
        for key, value in self.query.items():
            if key in _SYSTEM_PARAMETERS or key.startswith("$"):
                continue
            name = snake(key)
            if name not in names or key not in {name, camel(name)}:
                text = (
                    f'Invalid JSON payload received. Unknown name "{key}": Cannot bind query '
                    f"parameter. Field '{key}' could not be found in request message."
                )
                raise invalid(text)
            found[name] = value
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reply:
    """What to answer: JSON, or ready JSON text, or a stream of texts, or bytes."""

    payload: object = None
    text: str | None = None
    stream: tuple[str, ...] = ()
    content: bytes | None = None
    media_type: str = "application/json; charset=UTF-8"
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


Handler: TypeAlias = Callable[[Call], Reply]


def page_size(parameters: Mapping[str, str], default: int, most: int) -> int:
    """Return how many items a page has, as asked within the service's limits."""
    text = parameters.get("page_size", "0")
    size = int(text) if re.fullmatch(r"-?[0-9]{1,10}", text) else None
    if size is None or not -(2**31) <= size < 2**31:
        raise invalid(f"Invalid value at 'page_size' (TYPE_INT32), \"{text[:40]}\"")
    if size < 0:
        raise ApiError(400, "page_size must not be negative.")
    return min(size or default, most)
