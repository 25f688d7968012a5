"""State in Google Cloud Storage.

Credentials: GOOGLE_OAUTH_ACCESS_TOKEN, else application default credentials. STORAGE_EMULATOR_HOST, as
in Google's own clients, replaces the service by an emulator, which never sees a real credential.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from obstore.store import GCSStore

from reconciler.backends.network import CLIENT, RETRY, check_address
from reconciler.errors import CredentialError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from obstore.store import ClientConfig, GCSCredential

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def open_store(bucket: str, environ: Mapping[str, str]) -> GCSStore:
    """The bucket; nothing is contacted yet.

    Raises:
        CredentialError: none is found, or the emulator is not on this machine.
    """
    emulator = environ.get("STORAGE_EMULATOR_HOST")
    if emulator:
        address = (emulator if "://" in emulator else f"http://{emulator}").rstrip("/")
        client: ClientConfig = {**CLIENT, "allow_http": check_address(address, "STORAGE_EMULATOR_HOST")}
        return GCSStore(
            bucket,
            config={"base_url": address},
            credential_provider=_Token("emulator"),  # without any, obstore asks the metadata server
            client_options=client,
            retry_config=RETRY,
        )
    return GCSStore(
        bucket,
        credential_provider=credential_provider(bucket, environ),
        client_options=CLIENT,
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

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self) -> GCSCredential:
        from google.auth.transport.requests import Request

        if not self._credentials.valid:
            self._credentials.refresh(Request())
        expiry: datetime | None = self._credentials.expiry
        return {
            "token": str(self._credentials.token),
            "expires_at": expiry.replace(tzinfo=UTC) if expiry else None,
        }


def credential_provider(bucket: str, environ: Mapping[str, str]) -> _Token | _DefaultCredentials:
    """What answers a fresh token each time it is called.

    Raises:
        CredentialError: there is none.
    """
    if token := environ.get("GOOGLE_OAUTH_ACCESS_TOKEN"):
        return _Token(token)
    import google.auth
    from google.auth.credentials import with_scopes_if_required
    from google.auth.exceptions import GoogleAuthError

    try:
        # Scopes only afterwards: with them, a federated credential looks up its project over the network.
        credentials = with_scopes_if_required(google.auth.default()[0], [_SCOPE])
    except GoogleAuthError as error:
        raise CredentialError(
            f"gs://{bucket}: no Google credential is found: {error}",
            "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS or "
            "GOOGLE_OAUTH_ACCESS_TOKEN. An API key does not open a bucket.",
        ) from error
    return _DefaultCredentials(credentials)
