"""Opens the state for a command, and names the user in its lock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reconciler.cli.apis import list_kinds
from reconciler.cli.console import print_message
from reconciler.cli.invocation import Invocation
from reconciler.model.stack import Stack
from reconciler.settings import Settings, hide_login

if TYPE_CHECKING:
    from reconciler.state.session import StateManager
    from reconciler.state.values import State

DEFAULT_STATE = "state"

_CI_RUNS = (
    "CI_JOB_URL",
    "BUILD_URL",
    "CIRCLE_BUILD_URL",
    "BUILDKITE_BUILD_URL",
    "SYSTEM_TEAMFOUNDATIONSERVERURI",
)
"""Environment variables with the URL of the CI run: GitLab, Jenkins, CircleCI, Buildkite, Azure."""


def open_state(invocation: Invocation, stack: Stack, settings: Settings) -> StateManager:
    """Open the state that --state, RECONCILER_STATE, the Stack or the default names, in this order.

    Prints one note if the state holds anything that this version does not know.

    Raises:
        UsageError, StateError: the address is invalid, or the state cannot be opened.
        ManifestError: only the Stack names the address, and its host is not trusted with credentials.
    """
    import socket

    from reconciler.state.backends import open_backend
    from reconciler.state.session import StateManager

    url, named = choose_state(invocation, stack, settings)
    document = choose_document(invocation)
    told: list[str] = []

    def tell_once(state: State) -> None:
        """Print what a newer version recorded, when the state is first read."""
        from reconciler.records import describe_unknown
        from reconciler.render.terminal import escape

        if not told:
            told.append(describe_unknown(state, list_kinds()))
            if told[0]:
                print_message(escape(told[0]))

    return StateManager(
        open_backend(url, environ=settings, document=document, named=named),
        operation=invocation.command,
        who=f"{_find_user()}@{socket.gethostname()}",
        run=hide_login(_find_ci_run(settings)),
        lock_timeout=invocation.lock_timeout.total_seconds(),
        notify=print_message,
        on_read=tell_once,
    )


def choose_document(invocation: Invocation) -> str:
    """Choose the name of the document in a folder or under a prefix: the emulator's state has its own."""
    return "emulator" if invocation.emulator and not invocation.state_url else "default"


def choose_state(invocation: Invocation, stack: Stack, settings: Settings) -> tuple[str, str]:
    """Choose the address of the state. Returns it, and what names it: see `open_state`."""
    from reconciler.cli.offline_checks import ensure_trusted

    if invocation.state_url or invocation.emulator:
        return invocation.state_url or DEFAULT_STATE, "--state"
    if in_environment := settings.get("RECONCILER_STATE"):
        return in_environment, "RECONCILER_STATE"
    if stack.state:
        ensure_trusted(stack, "spec.state", settings)
        return stack.state, f"{stack.place('spec.state')}: state"
    return DEFAULT_STATE, "State"


def _find_user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return str(os.getuid())


def _find_ci_run(environ: Mapping[str, str]) -> str:
    """Return the URL of the CI run, or "" outside CI."""
    if "GITHUB_RUN_ID" in environ:
        server, repository = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
        return f"{server}/{repository}/actions/runs/{environ['GITHUB_RUN_ID']}"
    return next((environ[name] for name in _CI_RUNS if environ.get(name)), "")
