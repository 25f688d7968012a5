"""State in Google Cloud Storage.

Credentials: GOOGLE_OAUTH_ACCESS_TOKEN, or else application default credentials. As in Google's own clients,
STORAGE_EMULATOR_HOST points at an emulator. No real credential is sent to it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING

from obstore.store import GCSStore

from reconciler import google_login
from reconciler.errors import CredentialError, ReconcilerError
from reconciler.google_login import ADC_VARIABLE, Login
from reconciler.redaction import hide_secrets
from reconciler.settings import Settings
from reconciler.state.backends.network import RETRY, configure_client

if TYPE_CHECKING:
    from obstore.store import GCSCredential

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_HOST = "https://storage.googleapis.com"


def open_store(bucket: str, settings: Settings) -> GCSStore:
    """Open the bucket. Nothing is contacted yet.

    Raises:
        CredentialError: no credential is found, or the emulator is not on this machine.
    """
    if emulator := settings.get("STORAGE_EMULATOR_HOST"):
        return GCSStore(
            bucket,
            config={"base_url": emulator},
            credential_provider=_keep_token("emulator"),  # or obstore asks the metadata server
            client_options=configure_client(settings, emulator, setting="STORAGE_EMULATOR_HOST"),
            retry_config=RETRY,
        )
    return GCSStore(
        bucket,
        credential_provider=find_credentials(bucket, settings),
        client_options=configure_client(settings, _HOST, setting="gs://"),
        retry_config=RETRY,
    )


def _keep_token(token: str) -> Callable[[], GCSCredential]:
    """Make a function that returns the same token each time."""
    return lambda: {"token": token, "expires_at": None}


class _DefaultCredentials:
    """Application default credentials. obstore's own provider asks for no scope and needs aiohttp."""

    def __init__(self, login: Login, settings: Settings) -> None:
        self._login = login
        self._where = ADC_VARIABLE if ADC_VARIABLE in settings else "application default credentials"
        self._hidden = settings.secrets

    def __call__(self) -> GCSCredential:
        if not self._login.is_valid:
            try:
                self._login.refresh()
            except ReconcilerError as error:
                # obstore keeps only the text of the error
                raise RuntimeError(error.summary) from None
            except google_login.NoTokenError as error:
                raise RuntimeError(f"{self._where}: {hide_secrets(_explain(error), self._hidden)}") from None
        expiry = self._login.expiry
        return {
            "token": self._login.token,
            "expires_at": expiry.replace(tzinfo=UTC) if expiry else None,
        }


def _explain(error: google_login.NoTokenError) -> str:
    """Explain why there is no token."""
    match error.fault:
        case google_login.Fault.UNTRUSTED:
            return "the TLS certificate of the token endpoint is not trusted"
        case google_login.Fault.MALFORMED:
            return "no access token: the credentials are malformed"
        case _:
            return f"no access token: {error}"


def find_credentials(bucket: str, settings: Settings) -> Callable[[], GCSCredential]:
    """Find a credential: a function that returns a token which is still valid.

    Raises:
        CredentialError: there is none.
    """
    if token := settings.get("GOOGLE_OAUTH_ACCESS_TOKEN"):
        return _keep_token(token)
    try:
        login = google_login.log_in(settings, (_SCOPE,))
    except google_login.UnusableFileError as error:
        raise CredentialError(
            f"gs://{bucket}: no Google credential found: {error}",
            f"Set {ADC_VARIABLE} to the path of a credentials file, or unset it and log in: "
            "gcloud auth application-default login. If it is set, GOOGLE_OAUTH_ACCESS_TOKEN is used instead.",
        ) from error
    except google_login.UnusableError as error:
        raise CredentialError(
            f"gs://{bucket}: no Google credential found: {error}",
            "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS or "
            "GOOGLE_OAUTH_ACCESS_TOKEN. An API key does not open a bucket.",
        ) from error
    return _DefaultCredentials(login, settings)
