"""Chooses the APIs of one run, with their endpoints and credentials.

Rule: all APIs of a run belong to one service, because its state does: Google's, or an emulator's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from threading import Lock

from msgspec.structs import replace

from reconciler.cli.apis import APIS, join_endpoint_variables
from reconciler.cli.offline_checks import ensure_trusted
from reconciler.errors import UsageError
from reconciler.events import Uploading
from reconciler.manifests import Loaded
from reconciler.model.live import LAG_SECONDS
from reconciler.providers import Provider, Providers
from reconciler.providers.api import EMULATOR, Api, Connection, Setup, Target
from reconciler.settings import Settings, read_seconds
from reconciler.settings.hosts import parse_url


class Services:
    """The APIs of one run; nothing is sent and no credential is looked for before it is needed.

    Until `use` is called, no kind is in use.

    Args:
        emulator: the address of the emulator of --emulator, "" without it.
        stopping: returns whether the run is being stopped.
        tell: shows the progress of an upload.

    Attributes:
        lag: seconds for which an accepted change may not be visible.

    Raises:
        UsageError: a setting of the environment is not what it must be.
        ManifestError: the Stack's endpoint is not trusted with a credential.
    """

    def __init__(
        self,
        loaded: Loaded,
        environ: Settings,
        *,
        emulator: str,
        parallelism: int,
        stopping: Callable[[], bool],
        tell: Callable[[Uploading], None],
    ) -> None:
        self.lag = read_seconds(environ, "RECONCILER_LAG_SECONDS", LAG_SECONDS)
        self._services: list[tuple[Api, Connection]] = []
        for api in APIS:
            setup = Setup(
                stack=loaded.stack,
                endpoint="" if emulator else _find_endpoint(api, loaded, environ),
                emulator=emulator,
                environ=environ,
                desired=api.select(loaded.desired),
                parallelism=parallelism,
                lag=self.lag,
                stopping=stopping,
                tell=tell,
            )
            self._services.append((api, api.connect(setup)))
        self._used: list[tuple[Api, Connection]] = []
        self._is_emulated = bool(emulator)

    def use(self, kinds: Collection[str]) -> None:
        """Use the services of these kinds of model; none if the run calls no service.

        Raises:
            UsageError: the emulator does not serve one of them.
        """
        for api in APIS if self._is_emulated else ():
            unserved = [kind.name for kind in api.kinds if kind.name in kinds and not api.is_emulated]
            if unserved:
                raise UsageError(
                    f"the emulator does not serve {' and '.join(unserved)}",
                    f"Run it without --emulator, or set {api.endpoint_variable} to a server of your own",
                )
        self._used = [service for service in self._services if any(map(service[0].serves, kinds))]

    def find_target(self, *, contact: bool) -> Target:
        """Find the endpoint of the APIs in use, or of a likely one. With `contact`, find a credential too.

        Raises:
            UsageError: the APIs in use are of two services.
            CredentialError: there is no usable credential.
        """
        services = self._used or [self._choose_likely()]
        found = [connection.find_target(contact=False) for _, connection in services]
        for other in found[1:]:
            if other.service != found[0].service:
                raise _refuse_mixed(found[0], other, [api for api, _ in services])
        if contact:
            found = [connection.find_target(contact=True) for _, connection in services]
        credentials = dict.fromkeys(target.credential for target in found if target.credential)
        return replace(
            found[0],
            base_url=" and ".join(dict.fromkeys(target.base_url for target in found)),
            credential=" and ".join(credentials),
            project=next((target.project for target in found if target.project), ""),
        )

    def _choose_likely(self) -> tuple[Api, Connection]:
        """Return the first API that an endpoint is named for, else the first."""
        return next((service for service in self._services if service[1].is_named), self._services[0])

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that name "endpoint" and "project" of the APIs in use, for advice."""
        apis = [api for api, _ in self._used or [self._choose_likely()]]
        projects = dict.fromkeys(api.project_variable for api in apis if api.project_variable)
        return {"endpoint": join_endpoint_variables("or", apis), "project": " or ".join(projects)}

    @property
    def location(self) -> str:
        """The location of models that name none; "" if no API in use has locations."""
        return next((connection.location for _, connection in self._used if connection.location), "")

    def open_providers(self) -> Providers:
        """Return a provider for each kind. Those of an API are opened when one of them is asked for."""
        return _OpenedLate(self._services)

    def close(self) -> None:
        """Close every connection."""
        for _, connection in self._services:
            connection.close()


class _OpenedLate(Mapping[str, Provider]):
    """Maps the name of a kind to its provider, which is opened when it is asked for."""

    def __init__(self, services: Iterable[tuple[Api, Connection]]) -> None:
        self._connections = {kind.name: connection for api, connection in services for kind in api.kinds}
        self._opened: dict[str, Provider] = {}
        self._lock = Lock()

    def __getitem__(self, kind: str) -> Provider:
        with self._lock:
            if kind not in self._opened:
                opened = self._connections[kind].open_providers()
                self._opened |= {provider.kind.name: provider for provider in opened}
            return self._opened[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._connections

    def __iter__(self) -> Iterator[str]:
        return iter(self._connections)

    def __len__(self) -> int:
        return len(self._connections)


def _find_endpoint(api: Api, loaded: Loaded, environ: Settings) -> str:
    """Return the Stack's endpoint, where it is this API's; "" where its host is another's."""
    url = loaded.stack.endpoint
    if not url:
        return ""
    parts = parse_url(url)
    host = (parts.hostname or "").removesuffix(".") if parts else ""
    owners = _match_hosts(host, lambda api: api.hosts) or _match_hosts(host, lambda api: api.trusted_hosts)
    if owners and api not in owners:
        return ""
    ensure_trusted(loaded.stack, "spec.endpoint", environ)
    return url


def _match_hosts(host: str, hosts_of: Callable[[Api], tuple[str, ...]]) -> list[Api]:
    return [api for api in APIS if any(fnmatchcase(host, pattern) for pattern in hosts_of(api))]


def _refuse_mixed(first: Target, other: Target, apis: Sequence[Api]) -> UsageError:
    if EMULATOR in {first.service, other.service}:
        return UsageError(
            f"{first.base_url} and {other.base_url} do not belong together: one is an emulator",
            f"Set {join_endpoint_variables('and', apis)} both, or neither",
        )
    return UsageError(
        f"{first.base_url} and {other.base_url} belong to two services, and a state holds models of one",
        "Put the models of each service into a folder of their own, with a Stack and a state of its own",
    )
