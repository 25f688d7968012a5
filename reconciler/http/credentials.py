"""As whom we ask: access token, API key, or application default credentials, in that order.

Rule: a secret is in a request's header and nowhere else: not in a URL, a message, or a repr.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from reconciler import settings
from reconciler.errors import BODY_LIMIT, CredentialError, UnavailableError
from reconciler.http import defaults
from reconciler.http.defaults import ADC_VARIABLE
from reconciler.settings.hosts import is_loopback
from reconciler.settings.tls import Trust
from reconciler.settings.trust import must_be_private

if TYPE_CHECKING:
    from google.auth.transport.requests import Request

TOKEN_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105 (the name of a variable)
KEY_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")

SCOPES = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/generative-language.tuning",
)
"""What Google's tuning tutorial asks for. Some projects cannot consent to the second: RECONCILER_SCOPES."""

_KINDS = {
    "google.oauth2.service_account": "service account",
    "google.oauth2.credentials": "user",
    "google.auth.external_account_authorized_user": "workforce user",
    "google.auth.identity_pool": "workload identity",
    "google.auth.aws": "workload identity",
    "google.auth.pluggable": "workload identity",
    "google.auth.impersonated_credentials": "impersonated service account",
    "google.auth.compute_engine.credentials": "metadata server",
}
"""Module of google-auth to what it stands for."""


def login_command(scopes: tuple[str, ...] = SCOPES) -> str:
    """The command that gives application default credentials with these scopes."""
    return f"gcloud auth application-default login --scopes={','.join(scopes)}"


class Credential(Protocol):
    """Something that signs a request."""

    @property
    def description(self) -> str:
        """Its kind, for people; never the secret."""

    def headers(self) -> dict[str, str]:
        """What to add to a request now; may ask a token endpoint."""

    def renew(self, used: Mapping[str, str]) -> bool:
        """After a 401 on those headers: whether there is now another secret worth a second try."""


@dataclass(frozen=True, slots=True)
class FixedCredential:
    """A secret that we were given and cannot renew; or none at all."""

    description: str
    _headers: Mapping[str, str] = field(repr=False)

    def headers(self) -> dict[str, str]:
        """Always the same."""
        return dict(self._headers)

    def renew(self, used: Mapping[str, str]) -> bool:
        """There is no other."""
        del used
        return False


ANONYMOUS = FixedCredential("none", {})


class GoogleCredential:
    """Application default credentials; one refresh at a time, however many threads ask."""

    def __init__(self, credentials: Any, description: str, quota_project: str, trust: Trust) -> None:
        self.description = description
        self._trust = trust
        self._credentials = credentials
        self._quota_project = quota_project
        self._lock = threading.Lock()
        self._request: Request | None = None

    def headers(self) -> dict[str, str]:
        """Bearer token, refreshed when it is about to expire, and the quota project."""
        with self._lock:
            if not self._credentials.valid:
                self._refresh()
            headers: dict[str, str] = {}
            self._credentials.apply(headers)
        headers = {name.lower(): value for name, value in headers.items()}
        if self._quota_project:
            headers.setdefault("x-goog-user-project", self._quota_project)
        return headers

    def renew(self, used: Mapping[str, str]) -> bool:
        """A new token, unless another thread has fetched one since."""
        with self._lock:
            if used.get("authorization") == f"Bearer {self._credentials.token}":
                self._refresh()
            return used.get("authorization") != f"Bearer {self._credentials.token}"

    def _refresh(self) -> None:
        self._request = self._request or defaults.token_request(self._trust)
        try:
            self._credentials.refresh(self._request)
        except Exception as error:
            self._refused(error)
            raise

    def _refused(self, error: Exception) -> None:
        """Say what a failed refresh means; what is none of it is left to the caller."""
        from google.auth import exceptions

        what = self.description
        if isinstance(error, exceptions.TransportError):
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise UnavailableError(
                f"The token endpoint of the {what} cannot be reached: "
                + ("its TLS certificate is not trusted" if untrusted else _short(error)),
                "Nothing was sent to the API. "
                + (self._trust.advice if untrusted else "Check the network, then run the command again."),
            ) from error
        if isinstance(error, exceptions.GoogleAuthError) and error.retryable:
            raise UnavailableError(
                f"The token endpoint of the {what} failed: {_short(error)}",
                "Nothing was sent to the API. Run the command again in a while.",
            ) from error
        if isinstance(error, exceptions.GoogleAuthError):
            raise CredentialError(
                f"The {what} give no access token: {_short(error)}",
                f"Log in again: {login_command()}. Where the scope is refused (invalid_scope), choose others "
                "by RECONCILER_SCOPES, comma separated.",
            ) from error
        if isinstance(error, (ValueError, TypeError, KeyError, AttributeError, OSError)):
            # What google-auth makes of a file whose key or answer has another form than it expects.
            raise CredentialError(
                f"The {what} give no access token: they are not what they should be",
                f"Make the credentials file again, or log in: {login_command()}",
            ) from error


def _short(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error.args[0] if error.args else error))[:BODY_LIMIT]


class Credentials:
    """Finds the credential for a request: the first that there is, chosen per API.

    Args:
        environ: the environment variables.
        base_url: where it would be sent; CredentialError when it must not go there.
        project: the project to name where a credential needs one ("" for none).
        quota_project: explicit x-goog-user-project; wins over everything else.
    """

    def __init__(
        self, environ: Mapping[str, str], base_url: str, project: str = "", quota_project: str = ""
    ) -> None:
        self._environ = environ = settings.of(environ)
        self._base_url = base_url
        self._loopback = is_loopback(base_url)
        self._project = project
        self._quota_project = quota_project or environ.get("GOOGLE_CLOUD_QUOTA_PROJECT", "")
        asked = environ.get("RECONCILER_SCOPES", "")
        self.scopes = tuple(scope for scope in re.split(r"[,\s]+", asked) if scope) or SCOPES
        self._lock = threading.Lock()
        self._chosen: dict[bool, Credential] = {}

    def choose(self, *, api_key: bool = True) -> Credential:
        """The credential to use.

        Args:
            api_key: False for APIs that refuse API keys.

        Raises:
            CredentialError: there is none, it is malformed, or it must not be sent to that address.
        """
        with self._lock:
            if api_key not in self._chosen:
                credential = self._find(keys=api_key)
                if credential is not ANONYMOUS:
                    must_be_private(self._base_url, credential.description)
                self._chosen[api_key] = credential
            return self._chosen[api_key]

    def _find(self, *, keys: bool) -> Credential:
        if token := self._environ.get(TOKEN_VARIABLE):
            headers = {"authorization": f"Bearer {token}"}
            if quota := self._quota_project or self._project:
                headers["x-goog-user-project"] = quota
            return FixedCredential("access token", headers)
        for variable in KEY_VARIABLES if keys else ():
            if key := self._environ.get(variable):
                # In a header, because a URL ends up in logs. No quota project: a key belongs to one.
                return FixedCredential(f"API key from {variable}", {"x-goog-api-key": key})
        if self._loopback and ADC_VARIABLE not in self._environ:
            return ANONYMOUS
        return self._default(keys=keys)

    def _default(self, *, keys: bool) -> Credential:
        from google.auth.credentials import with_scopes_if_required

        others = " or ".join((TOKEN_VARIABLE, *(KEY_VARIABLES[:1] if keys else ())))
        useless = next((name for name in KEY_VARIABLES if not keys and name in self._environ), "")
        note = f"{useless} is set, but this API refuses API keys" if useless else "this API refuses API keys"
        need = "No usable credential" if keys else f"No usable credential ({note})"
        try:
            found = defaults.load(self._environ)
        except defaults.UnusableFileError as error:
            raise CredentialError(
                f"{need} for {self._base_url}: {error}",
                f"Set {ADC_VARIABLE} to the path of a credentials file. Or unset it and log in: "
                f"{login_command(self.scopes)}. {TOKEN_VARIABLE} wins over both.",
            ) from error.__cause__
        except defaults.UnusableError as error:
            raise CredentialError(
                f"{need} for {self._base_url}: {error}",
                f"Set {others}, or log in: {login_command(self.scopes)}",
            ) from error.__cause__
        scoped = with_scopes_if_required(found, self.scopes)
        quota = self._quota_project or getattr(scoped, "quota_project_id", None) or self._project
        if quota and hasattr(scoped, "with_quota_project"):
            scoped = scoped.with_quota_project(quota)
        module = type(scoped).__module__
        kind = _KINDS.get(module, module)
        account = getattr(scoped, "service_account_email", None)
        who = kind + (f" {account}" if account and account != "default" else "")
        trust = Trust.of(self._environ)
        return GoogleCredential(scoped, f"application default credentials ({who})", quota, trust)
