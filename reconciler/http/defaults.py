"""Application default credentials: found, read, and never shown, for every door that wants them.

Rule: google-auth quotes paths and what files hold; what a message says of either is said here.
"""

from __future__ import annotations

import os
import re
import warnings
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
"""What google-auth wants of a file, where it is simple."""


class UnusableError(Exception):
    """There are none, or they cannot be used; its text says why, without any of them."""


class UnusableFileError(UnusableError):
    """The file that GOOGLE_APPLICATION_CREDENTIALS names: while it is set, no login is looked at."""


def load(settings: Settings) -> Any:
    """The credentials that google-auth finds, without scopes.

    With them, an external account asks for its project, which many may not.

    Raises:
        CredentialError: GOOGLE_APPLICATION_CREDENTIALS is no path.
        UnusableError: there are none, or the file is none of the known ones.
    """
    import google.auth

    path = settings.get(ADC_VARIABLE, "") or Settings(os.environ).get(ADC_VARIABLE, "")
    shown = _shown(path)
    if path:
        _must_be_known(Path(path), shown)
    try:
        with warnings.catch_warnings():
            # google-auth warns about its own loader, and about user credentials without a quota project;
            # the API's 403 says the latter better (`answers`).
            warnings.simplefilter("ignore")
            found, _ = google.auth.load_credentials_from_file(path) if path else google.auth.default()
    except Exception as error:
        if path:
            raise UnusableFileError(
                f"{shown} names a file that looks like a credential, but its key cannot be used"
            ) from error
        raise UnusableError(_short(error)) from error
    except BaseException as error:
        if not is_panic(error):
            raise
        kind = UnusableFileError if path else UnusableError
        raise kind(f"{shown or 'the credentials file'}: its key cannot be read") from error
    return found


def _shown(path: str) -> str:
    """The variable with its path where that is one for sure; a secret that was put there is not shown."""
    plain = path.endswith(".json") and len(path) <= BODY_LIMIT
    if plain and Path(path).parent.is_dir() and (os.sep in path or Path(path).exists()):
        return f"{ADC_VARIABLE}={path}"
    return ADC_VARIABLE if path else ""


def _must_be_known(path: Path, shown: str) -> None:
    """Refuse what is no credentials file, in words of ours."""
    try:
        if path.exists() and not path.is_file():
            raise UnusableFileError(f"{shown} names a folder or a device, not a file")
        data = files.read(path, most=bounds.CREDENTIALS)
    except FileNotFoundError as error:
        raise UnusableFileError(f"{shown} names a file that is not there") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise UnusableFileError(f"{shown} names a file that cannot be read: {reason}") from error
    try:
        document = loads_answer(data, most=bounds.CREDENTIALS)
    except NotJSONError as error:
        empty = "it is empty" if not data.strip() else "it is not JSON"
        raise UnusableFileError(f"{shown} names a file that is no credential: {empty}") from error
    if not isinstance(document, dict):
        raise UnusableFileError(f"{shown} names a file that is no credential: it holds no JSON object")
    kind = document.get("type")
    if {"installed", "web"} & set(document):
        raise UnusableFileError(
            f"{shown} names the file of an OAuth client. That is no credential: logging in with it makes one"
        )
    if kind not in _TYPES:
        raise UnusableFileError(
            f"{shown} names a file that is no credential: its type is none of {', '.join(_TYPES)}"
        )
    missing = [key for key in _NEEDED.get(str(kind), ()) if not isinstance(document.get(key), str)]
    if missing:
        raise UnusableFileError(f"{shown} names a {kind} file without {', '.join(missing)}")


def token_request(trust: Trust) -> Request:
    """What google-auth fetches tokens with: our certificates, no redirect, nothing over plain http."""
    from google.auth.transport.requests import Request

    from reconciler.http.unredirected import TokenSession

    session = TokenSession()
    session.verify = trust.verify
    return Request(session=session)


def _short(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error.args[0] if error.args else error))[:BODY_LIMIT]
