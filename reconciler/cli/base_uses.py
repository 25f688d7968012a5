"""Reads manifests and state for `bases`. What cannot be read is left out: the table is useful without it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from reconciler.cli import wiring
from reconciler.cli.apis import list_kinds
from reconciler.cli.invocation import Invocation, Need
from reconciler.cli.state_store import open_state
from reconciler.errors import ManifestError, ReconcilerError
from reconciler.kind import override_kinds
from reconciler.manifests import Loaded
from reconciler.model.stack import Stack
from reconciler.plan.base_models import BaseFinder, BaseUse, list_uses
from reconciler.settings import Settings
from reconciler.state.values import State


def read_uses(invocation: Invocation, settings: Settings, tell: Callable[[str], None]) -> tuple[BaseUse, ...]:
    """Read the tables of base models, changed as the Stack says, and what is tuned from each one.

    Args:
        invocation: the command line.
        settings: of the environment.
        tell: prints a note on what could not be read.

    Raises:
        UsageError: a path or RECONCILER_TODAY is wrong.
        ReconcilerError: the state that --state names cannot be read.
    """
    loaded = _load(invocation, settings, tell)
    try:
        state = open_state(invocation, loaded.stack, settings).read()
    except ReconcilerError as error:
        if invocation.state_url:
            raise
        tell(f"The state is left out, because it cannot be read: {error.summary}")
        state = State()
    declared = {desired.address: desired for desired in loaded.desired}
    finder = BaseFinder(declared, state.resources, override_kinds(list_kinds(), loaded.stack))
    return list_uses(finder, wiring.read_today(settings))


def _load(invocation: Invocation, settings: Settings, tell: Callable[[str], None]) -> Loaded:
    """Load the manifests. If one is wrong, only the Stack; if that is wrong too, nothing."""
    try:
        return wiring.load_manifests(invocation, settings)[0]
    except ManifestError as error:
        tell(f"The manifests are left out, because they are not valid (see validate): {error.summary}")
    try:
        return wiring.load_manifests(replace(invocation, need=Need.STACK), settings)[0]
    except ManifestError:
        return Loaded((), Stack(), whole=True, files=())
