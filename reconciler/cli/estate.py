"""Asks the service of each kind for `import --all`, and writes the manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler.cli import wiring
from reconciler.cli.apis import list_kinds
from reconciler.cli.invocation import Invocation, Need
from reconciler.errors import CredentialError, ForbiddenError, UsageError

if TYPE_CHECKING:
    from reconciler.manifests import Loaded
    from reconciler.plan.estate import Estate
    from reconciler.state.values import State


def _ask_only(kind: str, loaded: Loaded, state: State) -> set[str]:
    del loaded, state
    return {kind}


def take_stock(
    paths: Sequence[str],
    given: Mapping[str, Any],
    *,
    kind: str | None,
    pattern: str | None,
    out: str | None,
    include_foreign: bool,
) -> tuple[Estate, str]:
    """Write a manifest for each live model that nobody manages. Returns what was found, and what to run next.

    Without `kind` each kind is asked. One whose service is not set up here is left out with the reason,
    because few projects use both APIs.

    Raises:
        UsageError, CredentialError, ServiceError: no service could be asked.
    """
    from reconciler.operation.estate import choose_folder, survey, write_files
    from reconciler.plan.estate import Estate, Wish

    folder = choose_folder(paths or (wiring.DEFAULT_PATH,), out)
    invocation = Invocation.read("import", {**given, "paths": tuple(paths)}, Need.ANY)
    found, failures = Estate(), dict[str, UsageError | CredentialError | ForbiddenError]()
    wish = Wish(pattern or "", include_foreign)
    kinds = [kind] if kind else list(list_kinds())
    for name in kinds:
        try:
            with wiring.open_operation(invocation, partial(_ask_only, name)) as operation:
                seen = survey(operation, name, wish)
        except (UsageError, CredentialError, ForbiddenError) as error:
            failures[name] = error
            continue
        seen = write_files(seen, folder)
        found = Estate(found.written + seen.written, found.omitted + seen.omitted)
    if len(failures) == len(kinds):
        raise next(iter(failures.values()))
    unasked = tuple((name, error.summary) for name, error in failures.items())
    return Estate(found.written, found.omitted, unasked), invocation.spell("plan")
