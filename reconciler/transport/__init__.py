"""The one door to requests and google-auth: credentials, time-outs, safe retries, API errors.

Rules: a credential never goes where it must not (plain http, a redirect's target, a message); a request is
sent twice only when that is harmless; nothing is waited for without end. It knows HTTP and Google's error
format, and nothing of models. Importing it imports neither library: that is paid by the first call.
"""

from __future__ import annotations

from reconciler.settings import seconds_of
from reconciler.transport.addresses import DEFAULT_GEMINI, Target, is_loopback, service_of
from reconciler.transport.advice import advise_denied
from reconciler.transport.answers import printable
from reconciler.transport.echoes import hidden, unquoted
from reconciler.transport.session import JsonObject, Reply, Transport, connect

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
