"""Finds a credential for Google's APIs: an access token, an API key, or a login, in this order.

Rule: a secret is in a request's header and nowhere else: not in a URL, a message, or a repr.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping

from msgspec import Struct

from reconciler import google_login, settings
from reconciler.errors import CredentialError, UnavailableError
from reconciler.google_login import ADC_VARIABLE, Fault, Login
from reconciler.http import Credential, Signature
from reconciler.settings.hosts import is_loopback
from reconciler.settings.trust import must_be_private

TOKEN_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105 (the name of a variable)
KEY_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")

SCOPES = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/generative-language.tuning",
)
"""The scopes in Google's tuning tutorial.

Users whose project cannot consent to the second scope set RECONCILER_SCOPES.
"""


def spell_login(scopes: tuple[str, ...] = SCOPES) -> str:
    """Return the command that gives application default credentials with these scopes."""
    return f"gcloud auth application-default login --scopes={','.join(scopes)}"


class FixedCredential(Struct, frozen=True):
    """A secret that cannot be renewed, or none at all."""

    description: str
    _signature: Signature

    def sign(self) -> Signature:
        """Return the same signature each time."""
        return self._signature

    def renew(self, used: Signature) -> bool:
        """Return False: there is no other secret."""
        del used
        return False


ANONYMOUS = FixedCredential("none", Signature({}))


class LoginCredential:
    """Application default credentials. Only one thread refreshes them at a time."""

    def __init__(self, login: Login, quota_project: str) -> None:
        self.description = f"application default credentials ({login.description})"
        self._login = login
        self._quota_project = quota_project
        self._lock = threading.Lock()

    def sign(self) -> Signature:
        """Return a bearer token, refreshed if it is about to expire, and the quota project."""
        with self._lock:
            if not self._login.is_valid:
                self._refresh()
            headers, token = self._login.make_headers(), self._login.token
        if self._quota_project:
            headers.setdefault("x-goog-user-project", self._quota_project)
        return Signature(headers, (token,))

    def renew(self, used: Signature) -> bool:
        """Fetch a new token, unless another thread has fetched one since."""
        with self._lock:
            if used.secrets == (self._login.token,):
                self._refresh()
            return used.secrets != (self._login.token,)

    def _refresh(self) -> None:
        try:
            self._login.refresh()
        except google_login.NoTokenError as error:
            raise _explain_no_token(self.description, error) from error


def _explain_no_token(what: str, error: google_login.NoTokenError) -> CredentialError | UnavailableError:
    endpoint, unsent = f"The token endpoint of the {what}", "Nothing was sent to the API."
    refused = f"The {what} give no access token: {error}"
    match error.fault:
        case Fault.UNREACHABLE | Fault.UNTRUSTED:
            return UnavailableError(f"{endpoint} cannot be reached: {error}", f"{unsent} {error.advice}")
        case Fault.FAILING:
            return UnavailableError(
                f"{endpoint} failed: {error}", f"{unsent} Run the command again in a while."
            )
        case Fault.MALFORMED:
            return CredentialError(refused, f"Make the credentials file again, or log in: {spell_login()}")
        case Fault.REFUSED:
            return CredentialError(
                refused,
                f"Log in again: {spell_login()}. If a scope is refused (invalid_scope), list other "
                "scopes in RECONCILER_SCOPES, separated by commas.",
            )


class GoogleCredential:
    """Finds the credential when it is first needed, and keeps it.

    Args:
        environ: the environment variables.
        base_url: where the credential would be sent. CredentialError if it must not go there.
        project: the project that is charged if neither GOOGLE_CLOUD_QUOTA_PROJECT nor the credential
            names one; "" for none.
        api_keys: whether these calls accept API keys.
    """

    def __init__(
        self, environ: Mapping[str, str], base_url: str, project: str = "", *, api_keys: bool = True
    ) -> None:
        self._environ = environ = settings.to_settings(environ)
        self._base_url = base_url
        self._project = project
        self._quota_project = environ.get("GOOGLE_CLOUD_QUOTA_PROJECT", "")
        self._api_keys = api_keys
        asked = environ.get("RECONCILER_SCOPES", "")
        self.scopes = tuple(scope for scope in re.split(r"[,\s]+", asked) if scope) or SCOPES
        self._lock = threading.Lock()
        self._found: Credential | None = None

    @property
    def description(self) -> str:
        """See `Credential`."""
        return self._choose().description

    def sign(self) -> Signature:
        """See `Credential`."""
        return self._choose().sign()

    def renew(self, used: Signature) -> bool:
        """See `Credential`."""
        return self._choose().renew(used)

    def _choose(self) -> Credential:
        """Return the credential to use.

        Raises:
            CredentialError: there is none, it is malformed, or it must not be sent to that address.
        """
        with self._lock:
            if self._found is None:
                credential = self._find()
                if credential is not ANONYMOUS:
                    must_be_private(self._base_url, credential.description)
                self._found = credential
            return self._found

    def _find(self) -> Credential:
        if token := self._environ.get(TOKEN_VARIABLE):
            headers = {"authorization": f"Bearer {token}"}
            if quota := self._quota_project or self._project:
                headers["x-goog-user-project"] = quota
            return FixedCredential("access token", Signature(headers, (token,)))
        for variable in KEY_VARIABLES if self._api_keys else ():
            if key := self._environ.get(variable):
                # In a header, because a URL ends up in logs. No quota project: a key belongs to one.
                return FixedCredential(f"API key from {variable}", Signature({"x-goog-api-key": key}, (key,)))
        if is_loopback(self._base_url) and ADC_VARIABLE not in self._environ:
            return ANONYMOUS
        return self._log_in()

    def _log_in(self) -> LoginCredential:
        keys = self._api_keys
        others = " or ".join((TOKEN_VARIABLE, *(KEY_VARIABLES[:1] if keys else ())))
        useless = next((name for name in KEY_VARIABLES if not keys and name in self._environ), "")
        note = f"{useless} is set, but this API refuses API keys" if useless else "this API refuses API keys"
        need = "No usable credential" if keys else f"No usable credential ({note})"
        try:
            login = google_login.log_in(self._environ, self.scopes)
        except google_login.UnusableFileError as error:
            raise CredentialError(
                f"{need} for {self._base_url}: {error}",
                f"Set {ADC_VARIABLE} to the path of a credentials file. Or unset it and log in: "
                f"{spell_login(self.scopes)}. {TOKEN_VARIABLE} takes precedence over both.",
            ) from error.__cause__
        except google_login.UnusableError as error:
            raise CredentialError(
                f"{need} for {self._base_url}: {error}",
                f"Set {others}, or log in: {spell_login(self.scopes)}",
            ) from error.__cause__
        quota = self._quota_project or login.quota_project or self._project
        if quota:
            login.set_quota_project(quota)
        return LoginCredential(login, quota)
