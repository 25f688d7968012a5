"""Reads replies as far as HTTP defines them. An `ErrorReader` reads what a service itself says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from reconciler.errors import NotJSONError, ServiceError
from reconciler.http.connection import Reply
from reconciler.redaction import make_printable
from reconciler.strictjson import Decode, loads_answer

JsonObject: TypeAlias = dict[str, Any]


class ErrorReader(Protocol):
    """Reads the error replies of one service, and knows what can be done about them."""

    def read(self, reply: Reply, where: str, *, any_form: bool = False) -> ServiceError:
        """Return the error that a reply with a status from 400 means.

        RateLimitedError for a 429: the request was not executed, and `again` and `named` say how long to
        wait.
        NotUnderstoodError for a reply that is not the service's own: nobody knows whether the request was
        executed.

        Args:
            reply: the reply, without secrets.
            where: method, path and host of the request, for the message.
            any_form: the service may answer this request in any form, so no form makes the reply a foreign
                one.
        """

    def find_private_texts(self, content: bytes) -> Iterable[str]:
        """Find the texts of a request's body that an error may repeat but must not show."""


def parse_object(body: bytes, decode: Decode | None = None) -> JsonObject | None:
    """Parse a body as a JSON object. None for anything else (HTML, empty, cut off, too large).

    `decode`: see `strictjson.loads_answer`.
    """
    try:
        document = loads_answer(body, decode=decode)
    except NotJSONError:
        return None
    return document if isinstance(document, dict) else None


def refuse_redirect(reply: Reply, where: str) -> ServiceError:
    """Return the error for a redirect. It is never followed, because its target would get the credential."""
    location = reply.headers.get("location", "")
    try:
        host = urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    target = f"to the host {make_printable(host, 100)}" if host else "to another path"
    return ServiceError(
        f"{where} answered with a redirect ({reply.status}) {target}; it was not followed",
        "A credential is not sent along a redirect. If that address is right, set it as the endpoint; "
        "a proxy or a login page may stand in between.",
        status=reply.status,
    )
