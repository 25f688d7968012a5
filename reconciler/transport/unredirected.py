"""A session of requests that follows no redirect, for whatever carries a credential."""

from __future__ import annotations

from typing import Any

import requests

from reconciler.settings.trust import must_be_private


class UnredirectedSession(requests.Session):
    """Does not even parse a Location, which may be no URL; whoever reads the reply says what it means."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None, always."""
        del resp
        return None


class TokenSession(UnredirectedSession):
    """For google-auth, which sends what tokens are given for: keys, refresh tokens, assertions."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send; CredentialError where it would be readable on the way. A metadata server is only asked."""
        if request.method == "POST" or "authorization" in request.headers:
            must_be_private(request.url or "", "application default credentials")
        return super().send(request, **kwargs)
