"""Finds, reads and refreshes application default credentials. Only this module calls google-auth.

The providers of Google's APIs and the state in Cloud Storage share this module, so it is below both. Rule: no
message of google-auth about a file is shown, because it may quote a path or the file's content.
"""

from __future__ import annotations

import os
import re
import warnings
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler import bounds, files
from reconciler.errors import BODY_LIMIT, NotJSONError, is_panic
from reconciler.settings import Settings
from reconciler.settings.tls import Trust
from reconciler.strictjson import loads_answer

if TYPE_CHECKING:
    from google.auth.transport.requests import Request

ADC_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"

_TYPES = (
    "authorized_user",
    "service_account",
    "external_account",
    "external_account_authorized_user",
    "impersonated_service_account",
    "gdch_service_account",
)
_NEEDED = {
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
    "service_account": ("client_email", "private_key", "token_uri"),
}
"""The keys that google-auth needs in a file of this type."""
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
"""The google-auth module to the kind of credential."""


class UnusableError(Exception):
    """There are no usable credentials. The message says why, without quoting them."""


class UnusableFileError(UnusableError):
    """The file that GOOGLE_APPLICATION_CREDENTIALS names cannot be used. No other login is tried."""


class Fault(StrEnum):
    """The reasons why credentials give no access token."""

    REFUSED = "refused"
    MALFORMED = "malformed"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    FAILING = "failing"


class NoTokenError(Exception):
    """The credentials give no access token. The text says why.

    Attributes:
        fault: MALFORMED: the file, or the token endpoint's answer. FAILING: it may pass by itself.
        advice: what to do if the endpoint is UNREACHABLE, or its TLS certificate is UNTRUSTED.
    """

    def __init__(self, fault: Fault, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.fault, self.advice = fault, advice


class Login:
    """Application default credentials with scopes. Only one thread may use them at a time.

    Args:
        credentials: those that google-auth found.
        trust: the certificates of the authorities that we trust.
    """

    def __init__(self, credentials: Any, trust: Trust) -> None:
        self._credentials = credentials
        self._trust = trust
        self._request: Request | None = None

    @property
    def description(self) -> str:
        """Whose credentials they are: "user", "service account NAME"."""
        module = type(self._credentials).__module__
        account = getattr(self._credentials, "service_account_email", None)
        return _KINDS.get(module, module) + (f" {account}" if account and account != "default" else "")

    @property
    def quota_project(self) -> str:
        """The project that the credentials themselves name for quota, "" for none."""
        return getattr(self._credentials, "quota_project_id", None) or ""

    @property
    def is_valid(self) -> bool:
        """Whether there is a token that is not about to expire."""
        return bool(self._credentials.valid)

    @property
    def token(self) -> str:
        """The present access token."""
        return str(self._credentials.token)

    @property
    def expiry(self) -> datetime | None:
        """The time at which the token expires, in UTC without a time zone; None if that is not known."""
        found: datetime | None = self._credentials.expiry
        return found

    def set_quota_project(self, project: str) -> None:
        """Name the project whose quota is used in the headers."""
        if hasattr(self._credentials, "with_quota_project"):
            self._credentials = self._credentials.with_quota_project(project)

    def make_headers(self) -> dict[str, str]:
        """Return the headers that google-auth adds to a request, with names in lower case."""
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        return {name.lower(): value for name, value in headers.items()}

    def refresh(self) -> None:
        """Fetch a new token.

        Raises:
            NoTokenError: there is none.
            CredentialError: the secret that tokens are exchanged for would go over plain http.
        """
        from google.auth import exceptions

        self._request = self._request or _open_request(self._trust)
        try:
            self._credentials.refresh(self._request)
        except exceptions.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                reason = "its TLS certificate is not trusted"
                raise NoTokenError(Fault.UNTRUSTED, reason, self._trust.advice) from error
            advice = "Check the network, then run the command again."
            raise NoTokenError(Fault.UNREACHABLE, _shorten(error), advice) from error
        except exceptions.GoogleAuthError as error:
            raise NoTokenError(
                Fault.FAILING if error.retryable else Fault.REFUSED, _shorten(error)
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise NoTokenError(Fault.MALFORMED, "they are not what they should be") from error


def log_in(settings: Settings, scopes: tuple[str, ...]) -> Login:
    """Return the credentials that google-auth finds, with these scopes.

    Raises:
        CredentialError: GOOGLE_APPLICATION_CREDENTIALS is not a path.
        UnusableError: there are no credentials, or the file has none of the known forms.
    """
    from google.auth.credentials import with_scopes_if_required

    # Scopes are added later: with them, an external account asks for its project, which needs a permission
    # that many do not have.
    return Login(with_scopes_if_required(_find(settings), scopes), Trust.read(settings))


def _find(settings: Settings) -> Any:
    import google.auth

    path = settings.get(ADC_VARIABLE, "") or Settings(os.environ).get(ADC_VARIABLE, "")
    shown = _spell_variable(path)
    if path and (problem := _find_problem(Path(path))):
        raise UnusableFileError(f"{shown} names {problem}")
    try:
        with warnings.catch_warnings():
            # google-auth warns about its own loader, and about user credentials without a quota project;
            # the API's 403 says the latter better (`providers.google.advice`).
            warnings.simplefilter("ignore")
            found, _ = google.auth.load_credentials_from_file(path) if path else google.auth.default()
    except Exception as error:
        if path:
            raise UnusableFileError(
                f"{shown} names a file that looks like a credential, but its key cannot be used"
            ) from error
        raise UnusableError(_shorten(error)) from error
    except BaseException as error:
        if not is_panic(error):
            raise
        kind = UnusableFileError if path else UnusableError
        raise kind(f"{shown or 'the credentials file'}: its key cannot be read") from error
    return found


def _spell_variable(path: str) -> str:
    """Return the variable, with its value only if that is certainly a path and not a secret."""
    plain = path.endswith(".json") and len(path) <= BODY_LIMIT
    if plain and Path(path).parent.is_dir() and (os.sep in path or Path(path).exists()):
        return f"{ADC_VARIABLE}={path}"
    return ADC_VARIABLE if path else ""


def _find_problem(path: Path) -> str:
    """Say what is wrong with a credentials file. "" if it has the right form."""
    other = "a file that is not a credentials file"
    try:
        if path.exists() and not path.is_file():
            return "a folder or a device, not a file"
        data = files.read(path, most=bounds.CREDENTIALS)
    except FileNotFoundError:
        return "a file that does not exist"
    except (OSError, ValueError) as error:
        return f"a file that cannot be read: {getattr(error, 'strerror', None) or 'it is not a path'}"
    try:
        document = loads_answer(data, most=bounds.CREDENTIALS)
    except NotJSONError:
        return f"{other}: {'it is not JSON' if data.strip() else 'it is empty'}"
    if not isinstance(document, dict):
        return f"{other}: it is not a JSON object"
    if {"installed", "web"} & set(document):
        return "an OAuth client file, which is not a credentials file: log in with it to get one"
    kind = document.get("type")
    if kind not in _TYPES:
        return f"{other}: its type must be one of {', '.join(_TYPES)}"
    missing = [key for key in _NEEDED.get(kind, ()) if not isinstance(document.get(key), str)]
    return f"a {kind} file without {', '.join(missing)}" if missing else ""


def _open_request(trust: Trust) -> Request:
    """Open the session for google-auth's requests, which refuses redirects and plain http."""
    from google.auth.transport.requests import Request

    from reconciler.http.unredirected import TokenSession

    session = TokenSession("application default credentials")
    session.verify = trust.verify
    return Request(session=session)


def _shorten(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error.args[0] if error.args else type(error).__name__))[:BODY_LIMIT]
