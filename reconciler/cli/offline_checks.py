"""Finds settings that the Stack and the environment lack, without asking a service."""

from __future__ import annotations

from reconciler.cli.apis import APIS
from reconciler.cli.stack_addresses import ensure_trusted
from reconciler.errors import Diagnostic, ManifestError, Severity
from reconciler.manifests import Loaded
from reconciler.settings import Settings


def check_settings(loaded: Loaded, settings: Settings) -> tuple[Diagnostic, ...]:
    """Return the warnings that `validate` adds to those of the manifests.

    Args:
        loaded: the manifests.
        settings: of the environment: they name what a Stack leaves out.

    Raises:
        ManifestError: an API lacks a setting, or the Stack names a host that is not trusted with credentials.
    """
    stack = loaded.stack
    if stack.endpoint:
        ensure_trusted(stack, "spec.endpoint", settings)
    if stack.state and "RECONCILER_STATE" not in settings:
        ensure_trusted(stack, "spec.state", settings)
    found = list_missing(loaded, settings)
    if any(one.severity is Severity.ERROR for one in found):
        raise ManifestError([*found, *loaded.warnings])
    return tuple(found)


def list_missing(loaded: Loaded, settings: Settings) -> list[Diagnostic]:
    """List the settings that each API lacks: as errors, or as warnings if only a plan needs them."""
    found: list[Diagnostic] = []
    for api in APIS:
        desired = [one for one in loaded.desired if one.address.kind == api.kind.name]
        found += api.check(loaded.stack, settings, desired)
    return found
