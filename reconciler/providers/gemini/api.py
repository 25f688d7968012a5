"""Describes the Gemini API to the command line."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.providers.api import Api, Setup, Target, find_service
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.gemini.starter import STARTER
from reconciler.providers.google.settings import LOGIN_VARIABLES, PROJECT_VARIABLE, SERVICE, TRUSTED_HOSTS

if TYPE_CHECKING:
    from reconciler.http import Transport
    from reconciler.providers.gemini.provider import GeminiProvider

HOST = "generativelanguage.googleapis.com"
ENDPOINT_VARIABLE = "GOOGLE_GEMINI_BASE_URL"


class GeminiConnection:
    """Implements `providers.api.Connection`."""

    location = ""

    def __init__(self, setup: Setup) -> None:
        named = setup.emulator or setup.endpoint or setup.environ.get(ENDPOINT_VARIABLE, "")
        self.is_named = bool(named)
        self._url = named or f"https://{HOST}"
        self._project = setup.stack.project or setup.environ.get(PROJECT_VARIABLE, "")
        self._setup = setup

    @cached_property
    def _transport(self) -> Transport:
        from reconciler.providers.google.connection import connect

        return connect(
            base_url=self._url,
            environ=self._setup.environ,
            project=self._project,
            parallelism=self._setup.parallelism,
            stopping=self._setup.stopping,
        )

    def find_target(self, *, contact: bool) -> Target:
        """See `Connection`."""
        url = self._transport.base_url
        credential = self._transport.credential.description if contact else ""
        return Target(url, find_service(url, SERVICE), self._project, credential)

    def open_providers(self) -> list[GeminiProvider]:
        """Open the provider of TunedModel."""
        from reconciler.providers.gemini.provider import GeminiProvider
        from reconciler.providers.google.connection import sign_without_keys

        login = sign_without_keys(self._transport, self._setup.environ, self._project)
        return [GeminiProvider(self._transport, login=login, lag_seconds=self._setup.lag)]

    def close(self) -> None:
        """Close every connection."""
        if "_transport" in vars(self):  # else none was opened
            self._transport.close()


GEMINI = Api(
    kinds=(TUNED_MODEL,),
    service=SERVICE,
    hosts=(HOST,),
    trusted_hosts=TRUSTED_HOSTS,
    endpoint_variable=ENDPOINT_VARIABLE,
    project_variable=PROJECT_VARIABLE,
    variables=LOGIN_VARIABLES | {ENDPOINT_VARIABLE, "GEMINI_API_KEY"},
    is_emulated=True,
    connect=GeminiConnection,
    starter=STARTER,
)
