"""Requests to a service over HTTP: time-outs, safe retries, one pace for all threads.

Rules: a credential never goes where it must not (plain http, a redirect's target, a message); a request is
sent twice only when that is harmless; nothing is waited for without end. It knows HTTP and no service: what
signs a request and what reads an error are given to it. Importing it does not import requests; the first
call does.
"""

from __future__ import annotations

from reconciler.http.client import Transport, check_address, connect
from reconciler.http.connection import Reply
from reconciler.http.credential import Credential, Signature
from reconciler.http.errors import ErrorReader

__all__ = ["Credential", "ErrorReader", "Reply", "Signature", "Transport", "check_address", "connect"]
