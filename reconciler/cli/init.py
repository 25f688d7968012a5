"""`reconciler init`."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from reconciler.cli import connect, options, starter
from reconciler.cli.console import Console
from reconciler.errors import CredentialError


@click.command("init")
@click.argument("path", default=connect.DEFAULT_PATH, metavar="[PATH]")
@options.service
def command(*, path: str, no_color: bool, **given: Any) -> None:
    """Write a first manifest and a Stack; check credentials, endpoint and state store.

    What exists is left as it is.
    """
    from reconciler.render.screen import wrap

    console = Console.of_environment(no_color=no_color)
    for file, written in starter.write(Path(path)):
        console.lines([f"{'Wrote' if written else 'Kept '} {file}"])
    try:
        with connect.operation("init", connect.Options(paths=(path,), **given)) as run:
            context = run.context
            state = run.state()
            tunable = {name: provider.base_models().tunable for name, provider in run.providers.items()}
            place = run.manager.place
    except CredentialError as error:
        without = "To try it without an account, give the commands --emulator"
        raise CredentialError(error.summary, f"{error.detail}\n    {without}") from error
    words = ["--emulator"] * bool(given.get("emulator")) + [path] * (path != connect.DEFAULT_PATH)
    following = shlex.join(["reconciler", "plan", *words])
    project = f", project {context.project}" if context.project else ""
    console.lines(
        [
            f"Service    {context.endpoint}{project}, credential: {context.credential}",
            f"State      {place}, {len(state.resources)} recorded",
            *(
                line
                for kind, names in tunable.items()
                for line in wrap(_offered(kind, names), console.width, hanging="    ")
            ),
            "",
            f"Next: edit {path}, then: {following}",
        ]
    )


def _offered(kind: str, names: Collection[str]) -> str:
    """The base models, each once: a name that is also there without its publisher says nothing new."""
    shown = sorted(one for one in names if "/" not in one or one.rpartition("/")[2] not in names)
    return f"{kind} can be tuned from: {', '.join(shown) or 'nothing this service offers today'}"
