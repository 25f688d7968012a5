"""Asks for parts of answers, with the parameter `fields` that all of Google's APIs take.

Rule: a mask saves bytes and never decides anything. A server may ignore it. Then the other parts of its
answer are skipped here: thousands of loss curves would take most of a plan's time and memory. If a server or
a proxy refuses a mask, the request is sent again without it, and so are all later ones of the process.
Source: https://cloud.google.com/apis/docs/system-parameters, and "Working with partial responses".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypedDict, Union

from msgspec import Struct
from msgspec.json import Decoder

from reconciler.errors import (
    InvalidArgumentError,
    NotUnderstoodError,
    RateLimitedError,
    ServiceError,
    UnauthenticatedError,
    UnavailableError,
)
from reconciler.http import Transport
from reconciler.providers.google.json import JsonObject

_NOT_IMPLEMENTED = 501
_SCALAR = None | bool | int | float | str
_REFUSED = 400
"""The first status that is a refusal."""


class Partial(Struct):
    """Knows whether one API refuses masks. All threads share it, and several may find this out at once.

    Attributes:
        is_refused: whether a request was refused with a mask, and accepted without it.
    """

    is_refused: bool = False

    def get(
        self, transport: Transport, path: str, query: Mapping[str, str] | None = None, *, fields: str = ""
    ) -> JsonObject:
        """Send a GET that asks only for these fields of the answer; "" asks for all.

        Raises what `Transport.call` raises. If a refusal is not about the mask, the request without a mask
        meets it too, and raises it.
        """
        whole = query or {}
        decode = _build_decoder(fields).decode if fields else None
        if not fields or self.is_refused:
            return transport.call("GET", path, query=whole, decode=decode)
        try:
            return transport.call("GET", path, query={**whole, "fields": fields}, decode=decode)
        except ServiceError as error:
            if not _may_be_about_mask(error):
                raise
            answer = transport.call("GET", path, query=whole, decode=decode)
        self.is_refused = True
        return answer


@cache
def _build_decoder(fields: str) -> Decoder[JsonObject]:
    """Build a decoder that leaves out what a mask does not name. Each part may be of any type.

    A list that holds `error` is not the list that was asked for, so that is read too.
    """
    wanted: dict[str, Any] = {"error": Any}
    outer: list[dict[str, Any]] = []
    for key, mark in re.findall(r"(\w+)|([()])", fields):
        if key:
            wanted[key] = Any
        elif mark == "(":
            outer.append(wanted)
            wanted = {}
        else:
            part: Any = Union[_SCALAR, _build_type(wanted)]  # noqa: UP007
            wanted = outer.pop()
            wanted[next(reversed(wanted))] = Union[part, list[Union[part, list[Any]]]]  # noqa: UP007
    return Decoder(_build_type(wanted))


def _build_type(keys: dict[str, Any]) -> Any:
    return TypedDict("Part", keys, total=False)  # type: ignore[operator]  # mypy knows no keys that are computed


def _may_be_about_mask(error: ServiceError) -> bool:
    """Return whether an error may mean the mask: a 400, or a refusal that is not in the API's own words."""
    match error:
        case InvalidArgumentError() | NotUnderstoodError():
            return True
        case UnauthenticatedError() | RateLimitedError():
            return False
        case UnavailableError():
            return error.status == _NOT_IMPLEMENTED and not error.reason
        case _:  # a redirect would be met again
            return error.status is not None and error.status >= _REFUSED and not error.reason
