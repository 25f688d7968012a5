"""Where requests go: base URLs, and which of them are on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.errors import UsageError
from reconciler.settings import forms, printable_address
from reconciler.settings.hosts import is_loopback, is_plain

__all__ = ["DEFAULT_GEMINI", "Target", "checked", "is_loopback", "is_plain", "service_of"]

DEFAULT_GEMINI = "https://generativelanguage.googleapis.com"
GOOGLE = "google"
EMULATOR = "emulator"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom we talk to and as whom, for the first line of a plan; holds no secret.

    Attributes:
        base_url: without a final slash.
        service: "google", or "emulator" for every loopback address.
        project: the Google Cloud project, "" where unknown.
        credential: its kind ("access token", "API key from GEMINI_API_KEY", "none").
    """

    base_url: str
    service: str
    project: str = ""
    credential: str = "none"

    def describe(self) -> str:
        """One line: endpoint, project, kind of credential."""
        return f"{self.base_url}, project {self.project or 'not set'}, credential: {self.credential}"


def checked(base_url: str) -> str:
    """The address without a final slash; UsageError when it is no plain http(s) address."""
    try:
        return forms.address(base_url)
    except forms.FormError as error:
        raise UsageError(
            f"{printable_address(base_url)!r} {error.what}",
            f"{error.advice} It is the endpoint (the Stack's endpoint, or GOOGLE_GEMINI_BASE_URL).",
        ) from None


def service_of(base_url: str) -> str:
    """Which service answers there: "emulator" on every loopback address whatever its port, else "google"."""
    return EMULATOR if is_loopback(base_url) else GOOGLE
