"""Checks the addresses and settings of the Stack and the environment, without asking a service.

`settings.trust` decides which addresses are trusted. Here a refusal gets its file and line.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from reconciler.cli.apis import APIS, join_endpoint_variables, list_kinds
from reconciler.errors import Diagnostic, ManifestError, Severity
from reconciler.kind import override_kinds
from reconciler.manifests import Loaded
from reconciler.model.desired import Desired
from reconciler.model.stack import Stack
from reconciler.problems import fold
from reconciler.settings import Settings
from reconciler.settings.trust import explain_distrust

_NAMES = {
    "spec.endpoint": ("endpoint", "the Stack's endpoint", f"set {join_endpoint_variables('or')} instead"),
    "spec.state": ("state", "the Stack's state", "give --state or set RECONCILER_STATE instead"),
}
"""For each path: the attribute of Stack, its name in messages, and where else to set it."""


def ensure_trusted(stack: Stack, path: str, settings: Settings) -> None:
    """Refuse an address that only the Stack names, if no credential may go there.

    The Stack may be somebody's pull request. `path` is "spec.endpoint" or "spec.state", and is set there.

    Raises:
        ManifestError: with file and line.
        UsageError: RECONCILER_TRUSTED_HOSTS is not a list of hosts.
    """
    attribute, what, instead = _NAMES[path]
    line, column = stack.places.get(path, (stack.line or None, None))
    own_hosts = {host for api in APIS for host in api.trusted_hosts}
    url = str(getattr(stack, attribute))
    problem = explain_distrust(url, what, instead, settings=settings, own_hosts=own_hosts)
    if problem is not None:
        raise ManifestError([Diagnostic(*problem, stack.file, line, column)])


def list_distrusted(desired: Iterable[Desired], settings: Settings) -> list[Diagnostic]:
    """List the states of copies' sources to which nothing may be sent, with file and line."""
    own_hosts = {host for api in APIS for host in api.trusted_hosts}
    found = []
    for model in desired:
        if model.elsewhere is None:
            continue
        problem = explain_distrust(
            model.elsewhere.state,
            "spec.source.state",
            "give that address as a gs://, s3:// or az:// bucket",
            settings=settings,
            own_hosts=own_hosts,
        )
        if problem is not None:
            line, column = model.places.get("source", (model.line, 1))
            found.append(Diagnostic(*problem, model.file or None, line, column, address=str(model.address)))
    return found


def check_settings(loaded: Loaded, settings: Settings) -> tuple[Diagnostic, ...]:
    """Return the warnings that `validate` adds to those of the manifests.

    Raises:
        ManifestError: an API lacks a setting, or the Stack names a host that is not trusted with credentials.
    """
    stack = loaded.stack
    if stack.endpoint:
        ensure_trusted(stack, "spec.endpoint", settings)
    if stack.state and "RECONCILER_STATE" not in settings:
        ensure_trusted(stack, "spec.state", settings)
    found = [*list_distrusted(loaded.desired, settings), *list_missing_settings(loaded, settings)]
    if any(problem.severity is Severity.ERROR for problem in found):
        raise ManifestError([*found, *fold(loaded.warnings)])
    return tuple(found)


def list_warnings(loaded: Loaded, settings: Settings, today: date) -> tuple[Diagnostic, ...]:
    """List all warnings of `validate`: of the manifests, of the settings, and of base models that retire.

    Raises:
        ManifestError: see `check_settings`.
    """
    return (*fold(loaded.warnings), *check_settings(loaded, settings), *_warn_of_bases(loaded, today))


def _warn_of_bases(loaded: Loaded, today: date) -> tuple[Diagnostic, ...]:
    """Warn of base models that retire soon, have retired or are refused, and may be trained from."""
    from reconciler.plan.base_models import BaseFinder, list_endings

    declared = {desired.address: desired for desired in loaded.desired}
    finder = BaseFinder(declared, {}, override_kinds(list_kinds(), loaded.stack))
    trainable = [desired.address for desired in loaded.desired if desired.data and not desired.imports]
    return list_endings(finder, trainable, today)


def list_missing_settings(loaded: Loaded, settings: Settings) -> list[Diagnostic]:
    """List the settings that each API lacks: as errors, or as warnings if only a plan needs them."""
    found: list[Diagnostic] = []
    for api in APIS:
        found += api.check(loaded.stack, settings, api.select(loaded.desired))
    return found
