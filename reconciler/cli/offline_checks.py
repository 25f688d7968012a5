"""What Stack and environment lack for the models that are declared, as far as it is known offline."""

from __future__ import annotations

from reconciler.cli.apis import APIS
from reconciler.cli.stack_addresses import ensure_trusted
from reconciler.errors import Diagnostic, ManifestError, Severity
from reconciler.manifests import Loaded
from reconciler.settings import Settings


def check(loaded: Loaded, settings: Settings) -> tuple[Diagnostic, ...]:
    """The warnings that `validate` adds to those of the manifests.

    Args:
        loaded: the manifests.
        settings: of the environment: they name what a Stack leaves out.

    Raises:
        ManifestError: an API cannot do with what Stack and environment name, or the Stack names an address
            that no credential may go to.
    """
    stack = loaded.stack
    if stack.endpoint:
        ensure_trusted(stack, "spec.endpoint", settings)
    if stack.state and "RECONCILER_STATE" not in settings:
        ensure_trusted(stack, "spec.state", settings)
    found: list[Diagnostic] = []
    for api in APIS:
        desired = [one for one in loaded.desired if one.address.kind == api.kind.name]
        found += api.check(stack, settings, desired)
    errors = [one for one in found if one.severity is Severity.ERROR]
    if errors:
        raise ManifestError([*errors, *loaded.warnings])
    return tuple(found)
