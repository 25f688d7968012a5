"""The description of an API: its kind, endpoint, credential and provider.

Each API has one `Api` (`gemini/api.py`, `vertex/api.py`); the command line has the list of them
(`cli/apis.py`) and knows no more than stands here. Rule: describing an API imports nothing heavy; connecting
to it sends nothing and looks for no credential.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reconciler.errors import Diagnostic
from reconciler.events import Uploading
from reconciler.kind import Kind
from reconciler.model import Desired, Stack
from reconciler.providers import Provider
from reconciler.settings import Settings
from reconciler.settings.hosts import is_loopback

EMULATOR = "emulator"
"""The service that answers on every address of this machine, whatever its port."""


@dataclass(frozen=True, slots=True)
class Target:
    """The endpoint and credential of a run, for the first line of a plan. Holds no secret.

    Attributes:
        base_url: without a final slash.
        service: see `Api.service`; EMULATOR for every loopback address.
        project: whose models they are, "" where unknown.
        credential: its kind ("access token", "none"); "" where none was looked for.
    """

    base_url: str
    service: str
    project: str = ""
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings with which one run connects to an API.

    Attributes:
        stack: its settings; of its endpoint see `endpoint`.
        endpoint: the Stack's, where this API may be asked there; else "".
        emulator: the address of the emulator of --emulator, "" without it.
        environ: the environment variables.
        desired: the models of the API's kind that manifests declare.
        parallelism: how many threads will call at once.
        lag: seconds for which an accepted change may not be visible.
        stopping: whether the run is being stopped.
        tell: is called with the progress of an upload.
    """

    stack: Stack
    endpoint: str
    emulator: str
    environ: Settings
    desired: Sequence[Desired]
    parallelism: int
    lag: float
    stopping: Callable[[], bool]
    tell: Callable[[Uploading], None]


class Connection(Protocol):
    """An API as one run uses it."""

    @property
    def is_named(self) -> bool:
        """Whether the run names an endpoint for it, and does not leave it to the service's own."""

    @property
    def location(self) -> str:
        """Where models are that name no location; "" where there are no locations, or none is named."""

    def find_target(self, *, contact: bool) -> Target:
        """Find the endpoint and the credential.

        Args:
            contact: False looks for no credential.

        Raises:
            UsageError: the settings fit no place.
            CredentialError: there is no usable credential.
        """

    def open_provider(self) -> Provider:
        """Open the provider of the API's kind."""

    def close(self) -> None:
        """Close what was opened."""


@dataclass(frozen=True, slots=True)
class Starter:
    """The files that `init` writes for a first model of a kind.

    Attributes:
        about: which API tunes it, for the help text.
        write: given the Stack's name and the environment, file name to text.
        set_up: given the same, the lines of the Stack's spec that the kind needs, indented.
        suggest: given the folder, the Stack and the declared models of the kind, what to do before a plan
            makes sense; "" for nothing special.
    """

    about: str
    write: Callable[[str, Mapping[str, str]], Mapping[str, str]]
    set_up: Callable[[str, Mapping[str, str]], str] = lambda *_: ""
    suggest: Callable[[str, Stack, Sequence[Desired]], str] = lambda *_: ""


@dataclass(frozen=True, slots=True)
class Api:
    """One API.

    Attributes:
        kind: the kind of model that it serves.
        service: whose it is, as states record it ("google"); a state holds models of one service.
        hosts: its own host names, where `*` is any text: an endpoint there is no other API's.
        trusted_hosts: where its credential may go on the word of a manifest ("*.example.com").
        endpoint_variable: the environment variable that names another endpoint.
        project_variable: the one that names the project, "" for none.
        variables: those that say where it is asked and as whom: --emulator does without them.
        is_emulated: whether --emulator serves it.
        connect: opens a connection; UsageError when a setting of the environment is malformed.
        check: what Stack and environment lack for these models, as far as that is known offline. Gets the
            Stack, the environment and the models.
        starter: what `init` writes for its kind; None where it offers none.
    """

    kind: Kind
    service: str
    hosts: tuple[str, ...]
    trusted_hosts: tuple[str, ...]
    endpoint_variable: str
    connect: Callable[[Setup], Connection]
    project_variable: str = ""
    variables: frozenset[str] = frozenset()
    is_emulated: bool = False
    check: Callable[[Stack, Settings, Sequence[Desired]], Iterable[Diagnostic]] = lambda *_: ()
    starter: Starter | None = None


def find_service(base_url: str, service: str) -> str:
    """Return the service at an address: EMULATOR on this machine, else the API's own."""
    return EMULATOR if is_loopback(base_url) else service
