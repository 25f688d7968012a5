"""Sessions of `requests` that follow no redirect, because a redirect would carry the credential along."""

from __future__ import annotations

from typing import Any

import requests

from reconciler.http.adapter import BoundedAdapter
from reconciler.http.deadline import limit_call
from reconciler.settings.trust import must_be_private


class UnredirectedSession(requests.Session):
    """A session that ignores Location headers, which may be no URLs. The caller reads the reply."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None, always."""
        del resp
        return None


TOKEN_SECONDS = 60.0
"""The time limit of one whole call that fetches a token."""


class TokenSession(UnredirectedSession):
    """A session for a library that sends keys or assertions to get tokens.

    Args:
        credential: how the error names the credential ("application default credentials").
        seconds: how long one whole call may take.
    """

    def __init__(self, credential: str, seconds: float = TOKEN_SECONDS) -> None:
        super().__init__()
        self._credential = credential
        self._seconds = seconds
        for scheme in ("https://", "http://"):
            self.mount(scheme, BoundedAdapter())

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send. CredentialError if others could read the secret. A metadata server gets none."""
        if request.method == "POST" or "authorization" in request.headers:
            must_be_private(request.url or "", self._credential)
        with limit_call(self._seconds) as call:
            reply = super().send(request, **kwargs)
            if call.is_over:
                raise requests.exceptions.ReadTimeout("it did not answer in time", request=request)
        return reply
