"""The description of an API: its kinds, endpoint, credential and providers.

Each API has one `Api` (`gemini/api.py`, `vertex/api.py`); the command line has the list of them
(`cli/apis.py`) and knows nothing else about an API. Rule: describing an API imports nothing heavy; connecting
to it sends nothing and looks for no credential.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from reconciler.errors import Diagnostic
from reconciler.kind import Kind
from reconciler.model.desired import Desired
from reconciler.model.stack import Stack
from reconciler.settings import Settings
from reconciler.settings.hosts import is_loopback

if TYPE_CHECKING:  # neither is imported by a command that asks no service
    from reconciler.events import Uploading
    from reconciler.providers import Provider

EMULATOR = "emulator"
"""The service that answers on every address of this machine, whatever its port."""


class Target(Struct, frozen=True):
    """The endpoint and credential of a run, for the first line of a plan. Holds no secret.

    Attributes:
        base_url: without a final slash.
        service: see `Api.service`; EMULATOR for every loopback address.
        project: the project that the models belong to, "" if unknown.
        credential: its kind ("access token", "none"); "" if nobody looked for one.
    """

    base_url: str
    service: str
    project: str = ""
    credential: str = ""


class Setup(Struct, frozen=True):
    """The settings with which one run connects to an API.

    Attributes:
        stack: the Stack's settings. Use `endpoint` instead of its endpoint.
        endpoint: the Stack's endpoint if it serves this API, else "".
        emulator: the address of the emulator that --emulator started, "" without --emulator.
        environ: the environment variables.
        desired: the models of the API's kinds that manifests declare.
        parallelism: how many threads will call at once.
        lag: seconds for which an accepted change may stay invisible.
        stopping: whether the run is being stopped.
        tell: called with the progress of an upload.
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
    """One run's connection to an API."""

    @property
    def is_named(self) -> bool:
        """Whether the run names an endpoint, so that the service's own is not used."""

    @property
    def location(self) -> str:
        """The location of models that name none; "" if the API has no locations, or no default is set."""

    def find_target(self, *, contact: bool) -> Target:
        """Find the endpoint and the credential.

        Args:
            contact: if False, do not look for a credential.

        Raises:
            UsageError: the settings name no valid endpoint.
            CredentialError: there is no usable credential.
        """

    def open_providers(self) -> Iterable[Provider]:
        """Open a provider for each of the API's kinds. They share one pace, as they share the quotas."""

    def close(self) -> None:
        """Close what was opened."""


class Starter(Struct, frozen=True):
    """The files that `init` writes for a first model of a kind.

    Attributes:
        about: the API that tunes the kind, for the help text.
        write: takes the Stack's name and the environment. Returns file names with their texts.
        set_up: takes the same. Returns the lines of the Stack's spec that the kind needs, indented.
        suggest: takes the folder, the Stack and the declared models of the kind. Returns what to do before
            the first plan; "" for nothing special.
    """

    about: str
    write: Callable[[str, Mapping[str, str]], Mapping[str, str]]
    set_up: Callable[[str, Mapping[str, str]], str] = lambda *_: ""
    suggest: Callable[[str, Stack, Sequence[Desired]], str] = lambda *_: ""


class Api(Struct, frozen=True):
    """One API.

    Attributes:
        kinds: the kinds of model that the API serves. `init` offers the first.
        service: who runs the API, as states record it ("google"). A state holds models of one service.
        hosts: the API's own host names; `*` stands for any text. No other API is asked there.
        trusted_hosts: the hosts to which a manifest may send the credential ("*.example.com").
        endpoint_variable: the environment variable that names another endpoint.
        project_variable: the environment variable that names the project, "" for none.
        variables: the environment variables for endpoint and credential. --emulator ignores them.
        is_emulated: whether --emulator serves it.
        connect: opens a connection. UsageError if a setting of the environment is malformed.
        check: takes the Stack, the environment and the models. Yields the settings that are missing, as far
            as that is known offline.
        starter: what `init` writes for the first kind; None if `init` does not offer it.
    """

    kinds: tuple[Kind, ...]
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

    def serves(self, kind: str) -> bool:
        """Return whether this API serves the kind with this name."""
        return any(known.name == kind for known in self.kinds)

    def select(self, desired: Iterable[Desired]) -> list[Desired]:
        """Return the models of this API's kinds."""
        names = {kind.name for kind in self.kinds}
        return [model for model in desired if model.address.kind in names]


def find_service(base_url: str, service: str) -> str:
    """Return the service at an address: EMULATOR for an address on this machine, else the API's own."""
    return EMULATOR if is_loopback(base_url) else service
