"""Reads an error reply of Google's APIs: google.rpc.Status, or whatever a proxy answered in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from reconciler.bounds import EXCERPT
from reconciler.http import Reply
from reconciler.http.errors import JsonObject, parse_object
from reconciler.providers.google.json import pick_object, pick_objects
from reconciler.redaction import make_printable


class Problem(Struct, frozen=True):
    """The content of an error reply.

    Attributes:
        status: HTTP status.
        message: all of the service's words. Call `make_printable` before showing them.
        reason: ErrorInfo.reason, else the canonical status, else "".
        details: google.rpc details, unchanged.
        metadata: the metadata of the ErrorInfo.
        own: whether the API itself answered: with a JSON object whose error.code is the status. Otherwise a
            gateway, a proxy or another service may have answered.
    """

    status: int
    message: str
    reason: str
    details: tuple[JsonObject, ...]
    metadata: Mapping[str, Any]
    own: bool


def read_problem(reply: Reply) -> Problem:
    """Read an error reply, whatever its shape: Google's JSON, a proxy's HTML, or nothing."""
    error = pick_object(parse_object(reply.body) or {}, "error")
    message = error.get("message")
    if not isinstance(message, str) or not message:
        text = reply.body[:EXCERPT].decode(errors="replace")
        title = re.search(r"<title[^<>]{0,200}>([^<>]*)</title>", text, re.IGNORECASE)
        message = title.group(1) if title else text
    details = tuple(pick_objects(error, "details"))
    info = next((detail for detail in details if str(detail.get("@type", "")).endswith("ErrorInfo")), {})
    reason = info.get("reason") or error.get("status") or ""
    code = error.get("code")
    return Problem(
        status=reply.status,
        message=message[:EXCERPT],
        reason=make_printable(reason, 64) if isinstance(reason, str) else "",
        details=details,
        metadata=pick_object(info, "metadata"),
        own=type(code) is int and code == reply.status,
    )
