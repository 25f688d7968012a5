"""`reconciler init`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.bases import sort_offered
from reconciler.cli import options, scaffold, wiring
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation
from reconciler.errors import CredentialError, UsageError

if TYPE_CHECKING:
    from reconciler.operation import Operation


@click.command("init")
@click.argument("path", default=wiring.DEFAULT_PATH, metavar="[PATH]")
@click.option(
    "--kind",
    type=click.Choice(list(scaffold.STARTERS)),
    default=next(iter(scaffold.STARTERS)),
    show_default=True,
    help="The kind of the first model: "
    + "; ".join(f"{kind} is {starter.about}" for kind, starter in scaffold.STARTERS.items())
    + ".",
)
@options.service
def command(*, path: str, kind: str, no_color: bool, **given: Any) -> None:
    """Write first manifests, and check that credentials, endpoint and state store work.

    Files that exist are left as they are. Adds to .gitignore what should not be committed.
    """
    console = Console.open(no_color=no_color)
    for file, is_written in scaffold.write_manifests(Path(path), kind, os.environ):
        console.print_lines([f"{'Wrote' if is_written else 'Kept '} {file}"])
    added = scaffold.extend_gitignore(Path(".gitignore"))
    console.print_lines([f"Added {', '.join(added)} to .gitignore" if added else "Kept  .gitignore"])
    invocation = Invocation.read("init", {**given, "paths": (path,)})
    try:
        with wiring.open_operation(invocation) as operation:
            lines = list(_check(operation, path, console.width))
    except (CredentialError, UsageError) as error:
        advice = f"{error.detail}\nTo try it without an account, add --emulator to each command"
        raise type(error)(error.summary, advice) from error
    words = ["--emulator"] * invocation.emulator + [path] * (path != wiring.DEFAULT_PATH)
    console.print_lines([*lines[:-1], f"{lines[-1]}, then: {shlex.join(['reconciler', 'plan', *words])}"])


def _check(operation: Operation, path: str, width: int) -> Iterator[str]:
    """Ask the service and read the state. Yields what they answer, and last what to do before a plan."""
    from reconciler.render.terminal import wrap

    context, loaded, state = operation.context, operation.loaded, operation.read_state()
    project = f", project {context.project}" if context.project else ""
    yield f"Service    {context.endpoint}{project}, credential: {context.credential}"
    yield f"State      {operation.manager.place}, {len(state.resources)} recorded"
    for kind in sorted({model.address.kind for model in loaded.desired} or operation.providers):
        names = operation.providers[kind].list_base_models().tunable
        offered = sort_offered(operation.kinds[kind].bases, names)
        yield from wrap(_list_base_models(kind, offered), width, hanging="    ")
    yield ""
    yield f"Next: {scaffold.suggest_edit(path, loaded, context.service)}"


def _list_base_models(kind: str, names: Collection[str]) -> str:
    """List each base model once. Leaves out a long name if the name without its publisher is listed too."""
    shown = [name for name in names if "/" not in name or name.rpartition("/")[2] not in names]
    return f"{kind} can be tuned from: {', '.join(shown) or 'nothing this service offers today'}"
