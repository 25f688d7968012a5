"""The one door to requests and google-auth: credentials, time-outs, safe retries, API errors.

Rules: a credential never goes where it must not (plain http, a redirect's target, a message); a request is
sent twice only when that is harmless; nothing is waited for without end. It knows HTTP and Google's error
format, and nothing of models. Importing it imports neither library: that is paid by the first call.
"""

from __future__ import annotations

from reconciler.http.addresses import DEFAULT_GEMINI, Target, is_loopback, service_of
from reconciler.http.advice import advise_denied
from reconciler.http.client import JsonObject, Reply, Transport, connect
from reconciler.http.errors import printable
from reconciler.http.redaction import hidden, unquoted
from reconciler.settings import seconds_of

__all__ = [
    "DEFAULT_GEMINI",
    "JsonObject",
    "Reply",
    "Target",
    "Transport",
    "advise_denied",
    "connect",
    "hidden",
    "is_loopback",
    "printable",
    "seconds_of",
    "service_of",
    "unquoted",
]
