"""Turns a refusal of Google's APIs into one of our `errors`, which says what to do now.

The shapes are google.rpc.Status in JSON, and texts that users of the APIs reported. Rule: before a
foreign text goes into a message, it is shortened, and characters that could control a terminal are removed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping

from reconciler import errors
from reconciler.bounds import DELAY
from reconciler.http import Reply
from reconciler.providers.google.advice import advise_400, advise_401, advise_403, advise_404
from reconciler.providers.google.problem import Problem, read_problem
from reconciler.redaction import make_printable

_MOST_DELAY = 600.0
"""Seconds. After a 429 that names a longer pause, it is not worth asking again."""
_ROOM = 30.0
"""Seconds to wait after a 429 that names no pause."""
_RETRY_IN = r"(?i)retry in (?:([0-9]{1,9})h)?(?:([0-9]{1,9})m(?!s))?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s))?"
_RETRY_NEVER = r"(?i)retry in (?:[0-9]{1,9}[hm])*[0-9]{10}"
"""A number with this many digits is a delay that nobody waits for."""
_LIMIT_ZERO = r"limit:\s*0(?![.\d])"
_DURATION = r"([0-9]+(?:\.[0-9]+)?)s"
_PASSING = (
    r"(?i)\b(?:are|is) (?:still )?(?:being|not yet) (?:provisioned|created|set up|initiali[sz]ed)\b"
    r"|\btry again in (?:a few|some|a couple of) (?:minutes|moments)\b"
)
"""A service says that something is being made ready. Vertex AI, when a project first uses it: "Service
agents are being provisioned (…). … So please try again in a few minutes." (400 FAILED_PRECONDITION)."""
_PASSES = "This passes by itself, usually within minutes. Change nothing, and run the command again then."
_NO_ANSWER = frozenset({404, 409})
"""Statuses that say whether a resource exists. We believe them only in the API's own words."""
_WRONG_STATE = frozenset({"ABORTED", "FAILED_PRECONDITION"})
_TEXTS = rb'"(?:textInput|output|text)":\s*("(?:[^"\\]|\\.)*")'
"""Training texts in a request: of the Gemini API's examples, and of a chat."""


class GoogleErrors:
    """Reads google.rpc.Status; implements `http.ErrorReader`."""

    def read(self, reply: Reply, where: str, *, any_form: bool = False) -> errors.ServiceError:
        """Return the error that a reply means; see `ErrorReader`."""
        found = read_problem(reply)
        if reply.status == 429:
            return explain_limit(found, where, find_delay(found, reply.headers))
        if found.status in _NO_ANSWER and not (found.own or any_form):
            return _refuse_foreign(found, where)
        return explain_failure(found, where)

    def find_private_texts(self, content: bytes) -> Iterator[str]:
        """Yield the training texts in a request's body."""
        for found in re.finditer(_TEXTS, content):
            yield str(json.loads(found[1])).strip()


def find_delay(found: Problem, headers: Mapping[str, str]) -> float | None:
    """Find how many seconds a 429 asks us to wait: in RetryInfo, the text, or Retry-After. None if in none.

    A delay of more than a day counts as infinite, because nobody waits for that.
    """
    asked = _find_asked_delay(found, headers)
    return math.inf if asked is not None and asked > DELAY else asked


def _find_asked_delay(found: Problem, headers: Mapping[str, str]) -> float | None:
    for detail in found.details:
        if str(detail.get("@type", "")).endswith("RetryInfo"):
            given = re.fullmatch(_DURATION, str(detail.get("retryDelay", "")))
            if given:
                return float(given.group(1))
    if re.search(_RETRY_NEVER, found.message):
        return math.inf
    text = re.search(_RETRY_IN, found.message)
    if text and any(text.groups()):
        hours, minutes, number, unit = text.groups()
        seconds = float(number or 0) / (1000 if unit == "ms" else 1)
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds
    header = headers.get("retry-after", "").strip()
    return float(header) if re.fullmatch(r"[0-9]+", header) else None


def explain_limit(found: Problem, where: str, delay: float | None) -> errors.RateLimitedError:
    """Return the error for a 429. `delay`: see `find_delay`."""
    summary = _summarize(found, where)
    if re.search(_LIMIT_ZERO, found.message):
        advice = "The quota is zero: waiting does not help. Ask for quota, or use another project."
        return errors.RateLimitedError(summary, advice, status=found.status, reason=found.reason)
    if delay is not None:
        asked = f"{delay:.0f} s" if math.isfinite(delay) else "longer than a day"
        summary = f"{summary} (it asks us to wait {asked})"
    too_long = delay is not None and delay > _MOST_DELAY
    return errors.RateLimitedError(
        summary,
        "Wait and run the command again, lower --parallelism, or ask for a higher quota.",
        status=found.status,
        reason=found.reason,
        again=None if too_long else _ROOM if delay is None else delay,
        named=delay is not None,
    )


def explain_failure(found: Problem, where: str) -> errors.ServiceError:
    """Return the error for an error reply; for a 429 see `explain_limit`. `where` names the request."""
    status, reason, said = found.status, found.reason, make_printable(found.message)
    kind: type[errors.ServiceError] = errors.ServiceError
    advice, summary = "", _summarize(found, where)
    match status:
        case 400 | 401 if reason == "API_KEY_INVALID" or "api key not valid" in said.lower():
            kind = errors.UnauthenticatedError
            advice = "The API key is wrong or was deleted. Set GEMINI_API_KEY to a valid one."
        case 400 | 403 if re.search(_PASSING, found.message):
            kind, advice = errors.NotReadyError, _PASSES
        case 400 | 409 | 412 if status == 412 or reason in _WRONG_STATE:
            kind, advice = errors.WrongStateError, advise_400(said, where) if status == 400 else ""
        case 400:
            kind, advice = errors.InvalidArgumentError, advise_400(said, where)
        case 401:
            kind, advice = errors.UnauthenticatedError, advise_401(found)
        case 403:
            kind, advice = errors.ForbiddenError, advise_403(found, where)
        case 404:
            kind, advice = errors.NotFoundError, advise_404(where)
        case 409:
            return errors.AlreadyExistsError(summary, reason=reason)
        case _ if status >= 500:
            kind, summary = errors.UnavailableError, _summarize(found, where, "failed")
            advice = "The service has a problem of its own; run the command again in a while."
    shown = (
        said if kind in {errors.WrongStateError, errors.InvalidArgumentError, errors.NotFoundError} else ""
    )
    return kind(summary, advice, status=status, reason=reason, said=shown)


def _summarize(found: Problem, where: str, verb: str = "was refused") -> str:
    said = make_printable(found.message)
    label = f"{found.status} {found.reason}".strip()
    return f"{where} {verb} ({label})" + (f": {said}" if said else "")


def _refuse_foreign(found: Problem, where: str) -> errors.ServiceError:
    """Return the error for a 404 or 409 of a gateway. Believing its 404 would train a model again."""
    said = make_printable(found.message)
    return errors.NotUnderstoodError(
        f"{where} was answered with {found.status}, but not in the API's own form"
        + (f": {said}" if said else ""),
        "So nothing is concluded from it: a gateway, a proxy or another service may have answered. Check the "
        "endpoint; if it is right, run the command again in a while.",
    )
