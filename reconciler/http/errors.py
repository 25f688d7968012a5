"""What a reply means: a JSON object, or one of `errors` that says what to do now.

The shapes are google.rpc.Status in JSON, and texts that users of the API reported. Rule: a foreign text is
cut, and cleared of what could drive a terminal, before it stands in a message.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from reconciler.bounds import DELAY, EXCERPT
from reconciler.errors import (
    BODY_LIMIT,
    AlreadyExistsError,
    ForbiddenError,
    InvalidArgumentError,
    NotFoundError,
    NotJSONError,
    NotReadyError,
    NotUnderstoodError,
    RateLimitedError,
    ServiceError,
    UnauthenticatedError,
    UnavailableError,
)
from reconciler.http.advice import advise_400, advise_401, advise_403, advise_404
from reconciler.http.connection import Reply
from reconciler.strictjson import loads_answer

JsonObject: TypeAlias = dict[str, Any]

REPEATABLE = frozenset({500, 502, 503, 504})
"""Statuses that pass by themselves."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_RETRY_IN = re.compile(
    r"retry in (?:([0-9]{1,9})h)?(?:([0-9]{1,9})m(?!s))?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s))?",
    re.IGNORECASE,
)
_RETRY_NEVER = re.compile(r"retry in (?:[0-9]{1,9}[hm])*[0-9]{10}", re.IGNORECASE)
"""A number of so many digits is no delay that anybody waits for."""
_LIMIT_ZERO = re.compile(r"limit:\s*0(?![.\d])")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)s")
_PASSING = re.compile(
    r"\b(?:are|is) (?:still )?(?:being|not yet) (?:provisioned|created|set up|initiali[sz]ed)\b"
    r"|\btry again in (?:a few|some|a couple of) (?:minutes|moments)\b",
    re.IGNORECASE,
)
"""How a service says that something is being made ready. Vertex AI, where a project uses it first: "Service
agents are being provisioned (…). … So please try again in a few minutes." (400 FAILED_PRECONDITION)."""
_PASSES = "This passes by itself, usually within minutes; nothing has to be corrected: run it again then."
_NO_ANSWER = frozenset({404, 409})
"""Statuses by which the API says what is: believed only in its own words."""


def printable(text: str, limit: int = BODY_LIMIT) -> str:
    """A foreign text on one line, without control or direction characters, cut at `limit`."""
    shown = re.sub(r"\s+", " ", _SURROGATES.sub("\ufffd", _UNPRINTABLE.sub(" ", text))).strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


@dataclass(frozen=True, slots=True)
class Problem:
    """An error reply, read.

    Attributes:
        status: HTTP status.
        message: the service's own words, whole; `printable` before showing.
        reason: ErrorInfo.reason, else the canonical status, else "".
        details: google.rpc details as they came.
        metadata: of the ErrorInfo.
        own: it is the API's own error: a JSON object whose error.code is the status. Else a gateway, a proxy
            or another service may have answered.
    """

    status: int
    message: str
    reason: str
    details: tuple[JsonObject, ...]
    metadata: Mapping[str, Any]
    own: bool


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def parsed(body: bytes) -> JsonObject | None:
    """The reply's JSON object; None when it is none (HTML, empty, cut off, or more than we take)."""
    try:
        document = loads_answer(body)
    except NotJSONError:
        return None
    return document if isinstance(document, dict) else None


def problem(reply: Reply) -> Problem:
    """Read an error reply, whatever its shape: Google's JSON, a proxy's HTML, or nothing."""
    error = _object((parsed(reply.body) or {}).get("error"))
    message = error.get("message")
    if not isinstance(message, str) or not message:
        text = reply.body[:EXCERPT].decode(errors="replace")
        title = re.search(r"<title[^<>]{0,200}>([^<>]*)</title>", text, re.IGNORECASE)
        message = title.group(1) if title else text
    listed = error.get("details")
    details = tuple(one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict))
    info = next((one for one in details if str(one.get("@type", "")).endswith("ErrorInfo")), {})
    reason = info.get("reason") or error.get("status") or ""
    code = error.get("code")
    return Problem(
        status=reply.status,
        message=message[:EXCERPT],
        reason=printable(reason, 64) if isinstance(reason, str) else "",
        details=details,
        metadata=_object(info.get("metadata")),
        own=type(code) is int and code == reply.status,
    )


def retry_delay(found: Problem, headers: Mapping[str, str]) -> float | None:
    """Seconds that a 429 asks us to wait: RetryInfo, the text, or Retry-After; None when it does not say.

    What is longer than a day is infinity: nobody waits for that.
    """
    asked = _asked_delay(found, headers)
    return math.inf if asked is not None and asked > DELAY else asked


def _asked_delay(found: Problem, headers: Mapping[str, str]) -> float | None:
    for detail in found.details:
        if str(detail.get("@type", "")).endswith("RetryInfo"):
            given = _DURATION.fullmatch(str(detail.get("retryDelay", "")))
            if given:
                return float(given.group(1))
    if _RETRY_NEVER.search(found.message):
        return math.inf
    text = _RETRY_IN.search(found.message)
    if text and any(text.groups()):
        hours, minutes, number, unit = text.groups()
        seconds = float(number or 0) / (1000 if unit == "ms" else 1)
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds
    header = headers.get("retry-after", "").strip()
    return float(header) if re.fullmatch(r"[0-9]+", header) else None


def hopeless(found: Problem) -> bool:
    """Whether the quota is zero, so that no waiting helps."""
    return bool(_LIMIT_ZERO.search(found.message))


def redirect(reply: Reply, where: str) -> ServiceError:
    """A redirect is never followed: it would carry the credential to whoever it names."""
    location = reply.headers.get("location", "")
    try:
        host = urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    target = f"to the host {printable(host, 100)}" if host else "to another path"
    return ServiceError(
        f"{where} answered with a redirect ({reply.status}) {target}; it was not followed",
        "A credential is not sent along a redirect. If that address is right, set it as the endpoint; "
        "a proxy or a login page may stand in between.",
        status=reply.status,
    )


MOST_DELAY = 600.0
"""Seconds: a 429 that asks for a longer pause is not waited for."""

_ROOM = 30.0
"""Seconds after which it is worth asking again where a 429 does not say."""


def limited(found: Problem, where: str, delay: float | None) -> RateLimitedError:
    """The error for a 429 that a call does not wait for.

    Args:
        found: the reply, read.
        where: as `failure`.
        delay: see `retry_delay`.
    """
    said = printable(found.message)
    label = f"{found.status} {found.reason}".strip()
    summary = f"{where} was refused ({label}): {said}" if said else f"{where} was refused ({label})"
    if hopeless(found):
        advice = "The quota is zero: waiting does not help. Ask for quota, or use another project."
        return RateLimitedError(summary, advice, status=found.status, reason=found.reason)
    if delay is not None:
        asked = f"{delay:.0f} s" if math.isfinite(delay) else "longer than a day"
        summary = f"{summary} (it asks to wait {asked})"
    too_long = delay is not None and delay > MOST_DELAY
    return RateLimitedError(
        summary,
        "Wait and run the command again, lower --parallelism, or ask for a higher quota.",
        status=found.status,
        reason=found.reason,
        again=None if too_long else _ROOM if delay is None else delay,
        named=delay is not None,
    )


def failure(found: Problem, where: str) -> ServiceError:
    """The error for an error reply; for a 429 see `limited`.

    Args:
        found: the reply, read.
        where: "GET v1beta/tunedModels/x at generativelanguage.googleapis.com".
    """
    status, reason, said = found.status, found.reason, printable(found.message)
    if is_foreign(found):
        return _not_its_own(found, where)
    label = f"{status} {reason}".strip()
    summary = f"{where} was refused ({label}): {said}" if said else f"{where} was refused ({label})"
    match status:
        case 400 | 401 if reason == "API_KEY_INVALID" or "api key not valid" in said.lower():
            advice = "The API key is wrong or was deleted. Set GEMINI_API_KEY to a valid one."
            return UnauthenticatedError(summary, advice, status=status, reason=reason)
        case 400 | 403 if _PASSING.search(found.message):
            return NotReadyError(summary, _PASSES, status=status, reason=reason)
        case 400:
            return InvalidArgumentError(
                summary, advise_400(said, where), status=status, reason=reason, said=said
            )
        case 401:
            return UnauthenticatedError(summary, advise_401(found), status=status, reason=reason)
        case 403:
            return ForbiddenError(summary, advise_403(found, where), status=status, reason=reason)
        case 404:
            return NotFoundError(summary, advise_404(where), status=status, reason=reason, said=said)
        case 409 if reason not in {"ABORTED", "FAILED_PRECONDITION"}:
            return AlreadyExistsError(summary, reason=reason)
        case _ if status >= 500:
            return UnavailableError(
                f"{where} failed ({label}): {said}" if said else f"{where} failed ({label})",
                "The service has a problem of its own; run the command again in a while.",
                status=status,
                reason=reason,
            )
        case _:
            return ServiceError(summary, "", status=status, reason=reason)


def is_foreign(found: Problem) -> bool:
    """Whether it says what is (or that it is taken), in words that are not the API's."""
    return found.status in _NO_ANSWER and not found.own


def _not_its_own(found: Problem, where: str) -> ServiceError:
    """A 404 of a gateway does not say that a model is gone: who believes it trains it again."""
    said = printable(found.message)
    return NotUnderstoodError(
        f"{where} was answered {found.status}, and not in the API's own form" + (f": {said}" if said else ""),
        "So nothing is concluded from it: a gateway, a proxy or another service may have answered. Check the "
        "endpoint; if it is right, run the command again in a while.",
    )
