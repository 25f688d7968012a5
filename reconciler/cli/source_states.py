"""Opens the other states that manifests of copies name.

Rule: a manifest may be somebody's pull request. So the credentials of HTTP state go only to the origin of the
run's own state, and no credential goes to a host that is not trusted (`settings.trust`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from reconciler.cli.invocation import Invocation
from reconciler.cli.offline_checks import list_distrusted
from reconciler.cli.state_store import choose_document, choose_state
from reconciler.errors import ManifestError
from reconciler.model.desired import Desired, StateSource
from reconciler.model.stack import Stack
from reconciler.settings import Settings
from reconciler.settings.hosts import parse_url

if TYPE_CHECKING:
    from reconciler.plan.copies import CopySource, SourceFault
    from reconciler.state.session import StateManager

_PORTS = {"http": 80, "https": 443}
_ONLY_FOR_LOCKS = frozenset(
    f"TF_HTTP_{name}"
    for name in ("LOCK_ADDRESS", "UNLOCK_ADDRESS", "LOCK_METHOD", "UNLOCK_METHOD", "UPDATE_METHOD")
)
_CREDENTIALS = frozenset(
    f"TF_HTTP_{name}"
    for name in (
        "USERNAME",
        "PASSWORD",
        "CLIENT_CERTIFICATE_PEM",
        "CLIENT_PRIVATE_KEY_PEM",
    )
)


def make_source_reader(
    invocation: Invocation, stack: Stack, desired: Iterable[Desired], settings: Settings
) -> Callable[[Iterable[StateSource], str], Mapping[StateSource, CopySource | SourceFault]]:
    """Make the function that reads what sources of copies serve. It takes the sources and the run's service.

    Raises:
        ManifestError: a manifest names a state to which nothing may be sent.
    """
    if distrusted := list_distrusted(desired, settings):
        raise ManifestError(distrusted)
    own, _ = choose_state(invocation, stack, settings)

    def open_state(source: StateSource) -> StateManager:
        from reconciler.state.backends import open_backend
        from reconciler.state.session import StateManager

        dropped = _ONLY_FOR_LOCKS if _is_same_origin(own, source.state) else _ONLY_FOR_LOCKS | _CREDENTIALS
        document = choose_document(invocation) if source.workspace == "default" else source.workspace
        named = "spec.source.state"
        store = open_backend(source.state, environ=settings.remove(dropped), document=document, named=named)
        return StateManager(store, operation=invocation.command, who="", lock_timeout=0.0)

    def read(sources: Iterable[StateSource], service: str) -> Mapping[StateSource, CopySource | SourceFault]:
        from reconciler.operation.copy_sources import read_sources

        return read_sources(sources, open_state, service)

    return read


def _is_same_origin(own: str, other: str) -> bool:
    """Return whether two addresses have the same scheme, host and port."""
    parts = [parse_url(url) for url in (own, other) if url.startswith(("http://", "https://"))]
    found = [(one.scheme, one.hostname, one.port or _PORTS[one.scheme]) for one in parts if one is not None]
    return len(found) == 2 and found[0] == found[1]
