"""Turns a refusal of Google's APIs into one of our `errors`, which says what to do now.

The shapes are google.rpc.Status in JSON, and texts that users of the APIs reported. Rule: a foreign text is
cut, and cleared of what could drive a terminal, before it stands in a message.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.bounds import DELAY, EXCERPT
from reconciler.errors import (
    AlreadyExistsError,
    ForbiddenError,
    InvalidArgumentError,
    NotFoundError,
    NotReadyError,
    NotUnderstoodError,
    RateLimitedError,
    ServiceError,
    UnauthenticatedError,
    UnavailableError,
    WrongStateError,
)
from reconciler.http import JsonObject, Reply
from reconciler.http.errors import parse_object
from reconciler.providers.google.advice import advise_400, advise_401, advise_403, advise_404
from reconciler.redaction import make_printable

_MOST_DELAY = 600.0
"""Seconds: it is not worth asking again after a 429 that names a longer pause."""
_ROOM = 30.0
"""Seconds after which it is worth asking again where a 429 does not say."""
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
_WRONG_STATE = frozenset({"ABORTED", "FAILED_PRECONDITION"})
_TEXTS = re.compile(rb'"(?:textInput|output|text)":\s*("(?:[^"\\]|\\.)*")')
"""Training texts in a request: of the Gemini API's examples, and of a chat."""


class GoogleErrors:
    """Reads google.rpc.Status; implements `http.ErrorReader`."""

    def read(self, reply: Reply, where: str, *, any_form: bool = False) -> ServiceError:
        """The error that a reply means; see `ErrorReader`."""
        found = read_problem(reply)
        if reply.status == 429:
            return explain_limit(found, where, find_delay(found, reply.headers))
        if found.status in _NO_ANSWER and not (found.own or any_form):
            return _refuse_foreign(found, where)
        return explain_failure(found, where)

    def find_private_texts(self, content: bytes) -> Iterator[str]:
        """The training texts in a request's body."""
        for found in _TEXTS.finditer(content):
            yield str(json.loads(found[1])).strip()


@dataclass(frozen=True, slots=True)
class Problem:
    """An error reply, read.

    Attributes:
        status: HTTP status.
        message: the service's own words, whole; `make_printable` before showing.
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


def _to_object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def read_problem(reply: Reply) -> Problem:
    """Read an error reply, whatever its shape: Google's JSON, a proxy's HTML, or nothing."""
    error = _to_object((parse_object(reply.body) or {}).get("error"))
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
        reason=make_printable(reason, 64) if isinstance(reason, str) else "",
        details=details,
        metadata=_to_object(info.get("metadata")),
        own=type(code) is int and code == reply.status,
    )


def find_delay(found: Problem, headers: Mapping[str, str]) -> float | None:
    """Seconds that a 429 asks us to wait: RetryInfo, the text, or Retry-After; None when it does not say.

    What is longer than a day is infinity: nobody waits for that.
    """
    asked = _find_asked_delay(found, headers)
    return math.inf if asked is not None and asked > DELAY else asked


def _find_asked_delay(found: Problem, headers: Mapping[str, str]) -> float | None:
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


def is_hopeless(found: Problem) -> bool:
    """Whether the quota is zero, so that no waiting helps."""
    return bool(_LIMIT_ZERO.search(found.message))


def explain_limit(found: Problem, where: str, delay: float | None) -> RateLimitedError:
    """The error for a 429.

    Args:
        found: the reply, read.
        where: as `explain_failure`.
        delay: see `find_delay`.
    """
    said = make_printable(found.message)
    label = f"{found.status} {found.reason}".strip()
    summary = f"{where} was refused ({label}): {said}" if said else f"{where} was refused ({label})"
    if is_hopeless(found):
        advice = "The quota is zero: waiting does not help. Ask for quota, or use another project."
        return RateLimitedError(summary, advice, status=found.status, reason=found.reason)
    if delay is not None:
        asked = f"{delay:.0f} s" if math.isfinite(delay) else "longer than a day"
        summary = f"{summary} (it asks to wait {asked})"
    too_long = delay is not None and delay > _MOST_DELAY
    return RateLimitedError(
        summary,
        "Wait and run the command again, lower --parallelism, or ask for a higher quota.",
        status=found.status,
        reason=found.reason,
        again=None if too_long else _ROOM if delay is None else delay,
        named=delay is not None,
    )


def explain_failure(found: Problem, where: str) -> ServiceError:
    """The error for an error reply; for a 429 see `explain_limit`.

    Args:
        found: the reply, read.
        where: "GET v1beta/tunedModels/x at generativelanguage.googleapis.com".
    """
    status, reason, said = found.status, found.reason, make_printable(found.message)
    label = f"{status} {reason}".strip()
    summary = f"{where} was refused ({label}): {said}" if said else f"{where} was refused ({label})"
    match status:
        case 400 | 401 if reason == "API_KEY_INVALID" or "api key not valid" in said.lower():
            advice = "The API key is wrong or was deleted. Set GEMINI_API_KEY to a valid one."
            return UnauthenticatedError(summary, advice, status=status, reason=reason)
        case 400 | 403 if _PASSING.search(found.message):
            return NotReadyError(summary, _PASSES, status=status, reason=reason)
        case 400 | 409 | 412 if status == 412 or reason in _WRONG_STATE:
            advice = advise_400(said, where) if status == 400 else ""
            return WrongStateError(summary, advice, status=status, reason=reason, said=said)
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
        case 409:
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


def _refuse_foreign(found: Problem, where: str) -> ServiceError:
    """The error for a 404 or 409 that is not the API's own: believing a gateway's 404 would train again."""
    said = make_printable(found.message)
    return NotUnderstoodError(
        f"{where} was answered {found.status}, and not in the API's own form" + (f": {said}" if said else ""),
        "So nothing is concluded from it: a gateway, a proxy or another service may have answered. Check the "
        "endpoint; if it is right, run the command again in a while.",
    )
