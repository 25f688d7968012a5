"""State in Google Cloud Storage.

Credentials: GOOGLE_OAUTH_ACCESS_TOKEN, else application default credentials. STORAGE_EMULATOR_HOST, as
in Google's own clients, replaces the service by an emulator, which never sees a real credential.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from obstore.store import GCSStore

from reconciler.errors import CredentialError, ReconcilerError
from reconciler.http import defaults
from reconciler.settings import Settings
from reconciler.settings.secrecy import hidden
from reconciler.settings.tls import Trust
from reconciler.state.backends.network import RETRY, client

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from obstore.store import GCSCredential

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_HOST = "https://storage.googleapis.com"


def open_store(bucket: str, settings: Settings) -> GCSStore:
    """The bucket; nothing is contacted yet.

    Raises:
        CredentialError: none is found, or the emulator is not on this machine.
    """
    if emulator := settings.get("STORAGE_EMULATOR_HOST"):
        return GCSStore(
            bucket,
            config={"base_url": emulator},
            credential_provider=_Token("emulator"),  # without any, obstore asks the metadata server
            client_options=client(settings, emulator, setting="STORAGE_EMULATOR_HOST"),
            retry_config=RETRY,
        )
    return GCSStore(
        bucket,
        credential_provider=credential_provider(bucket, settings),
        client_options=client(settings, _HOST, setting="gs://"),
        retry_config=RETRY,
    )


class _Token:
    """Answers the same token each time."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self) -> GCSCredential:
        return {"token": self._token, "expires_at": None}


class _DefaultCredentials:
    """Application default credentials; obstore's own provider asks for no scope and needs aiohttp."""

    def __init__(self, credentials: Credentials, settings: Settings) -> None:
        self._credentials, self._trust = credentials, Trust.of(settings)
        named = defaults.ADC_VARIABLE in settings
        self._where = defaults.ADC_VARIABLE if named else "application default credentials"
        self._hidden = settings.secrets

    def __call__(self) -> GCSCredential:
        if not self._credentials.valid:
            from google.auth.exceptions import GoogleAuthError

            try:
                self._credentials.refresh(defaults.token_request(self._trust))
            except ReconcilerError as error:
                # obstore makes a text of it, in which only this survives
                raise RuntimeError(error.summary) from None
            except (GoogleAuthError, ValueError, TypeError, KeyError, AttributeError, OSError) as error:
                raise RuntimeError(f"{self._where}: {hidden(_why(error), self._hidden)}") from None
        expiry: datetime | None = self._credentials.expiry
        return {
            "token": str(self._credentials.token),
            "expires_at": expiry.replace(tzinfo=UTC) if expiry else None,
        }


def _why(error: Exception) -> str:
    """Why there is no token; google-auth says it, but for what it makes of a file of another form."""
    from google.auth.exceptions import GoogleAuthError

    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "the TLS certificate of the token endpoint is not trusted"
    if isinstance(error, GoogleAuthError):
        return f"no access token: {error.args[0] if error.args else type(error).__name__}"
    return "no access token: the credentials are not what they should be"


def credential_provider(bucket: str, settings: Settings) -> _Token | _DefaultCredentials:
    """What answers a fresh token each time it is called.

    Raises:
        CredentialError: there is none.
    """
    if token := settings.get("GOOGLE_OAUTH_ACCESS_TOKEN"):
        return _Token(token)
    from google.auth.credentials import with_scopes_if_required

    try:
        # Scopes only afterwards: with them, a federated credential looks up its project over the network.
        credentials = with_scopes_if_required(defaults.load(settings), [_SCOPE])
    except defaults.UnusableFileError as error:
        raise CredentialError(
            f"gs://{bucket}: no Google credential is found: {error}",
            f"Set {defaults.ADC_VARIABLE} to the path of a credentials file, or unset it and log in: "
            "gcloud auth application-default login. GOOGLE_OAUTH_ACCESS_TOKEN wins over both.",
        ) from error
    except defaults.UnusableError as error:
        raise CredentialError(
            f"gs://{bucket}: no Google credential is found: {error}",
            "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS or "
            "GOOGLE_OAUTH_ACCESS_TOKEN. An API key does not open a bucket.",
        ) from error
    return _DefaultCredentials(credentials, settings)
