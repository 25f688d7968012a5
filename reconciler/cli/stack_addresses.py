"""Refuses addresses in the Stack that are not trusted, with file and line. `settings.trust` decides."""

from __future__ import annotations

from reconciler.cli.apis import APIS, join_endpoint_variables
from reconciler.errors import ManifestError
from reconciler.model import Stack
from reconciler.settings import Settings
from reconciler.settings.trust import Named, explain_distrust

_NAMES = {
    "spec.endpoint": (
        "endpoint",
        "the Stack's endpoint",
        f"set {join_endpoint_variables('or')} instead",
    ),
    "spec.state": ("state", "the Stack's state", "give --state or set RECONCILER_STATE instead"),
}
"""Path to attribute, to what it is called, and to how the environment or the command line says it."""


def ensure_trusted(stack: Stack, path: str, settings: Settings) -> None:
    """Refuse an address that only the Stack names, if no credential may go there.

    Args:
        stack: may be somebody's pull request.
        path: "spec.endpoint" or "spec.state", which is set.
        settings: name the hosts that are trusted.

    Raises:
        ManifestError: with file and line.
        UsageError: RECONCILER_TRUSTED_HOSTS is not a list of hosts.
    """
    attribute, what, instead = _NAMES[path]
    line, column = stack.places.get(path, (stack.line or None, None))
    named = Named(str(getattr(stack, attribute)), what, stack.file, line, column, instead)
    problem = explain_distrust(named, settings, {host for api in APIS for host in api.trusted_hosts})
    if problem is not None:
        raise ManifestError([problem])
