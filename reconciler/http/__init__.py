"""Requests to a service over HTTP: time-outs, safe retries, one pace for all threads.

Rules: a credential never goes over plain http, to the target of a redirect, or into a message. A request is
sent twice only if that is harmless. Every wait has a limit. This package knows HTTP, but no service: its
callers pass in the credential that signs requests and the reader of the service's errors. Importing it does
not import urllib3; the first call does.
"""

from __future__ import annotations

from reconciler.http.client import Transport, check_address, connect
from reconciler.http.connection import Reply
from reconciler.http.credential import Credential, Signature
from reconciler.http.errors import ErrorReader

__all__ = ["Credential", "ErrorReader", "Reply", "Signature", "Transport", "check_address", "connect"]
