"""`reconciler output`."""

from __future__ import annotations

import os
from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.console import Console
from reconciler.cli.record_selection import Chosen
from reconciler.manifests import Loaded
from reconciler.render.terminal import escape
from reconciler.state.values import State


@click.command("output")
@click.argument("word", required=False, metavar="[ADDR or PATH]")
@options.paths
@options.service
@options.selection
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "env"]), default="text", show_default=True
)
def command(*, word: str | None, form: str, no_color: bool, **given: Any) -> None:
    """Print the resource name to call, for the program that serves it; only of models that serve."""
    from reconciler.operation import serving

    console = Console.of_environment(no_color=no_color)
    chosen = Chosen(word, given)

    def asks(loaded: Loaded, state: State) -> set[str]:
        """No service, where every name is recorded; an endpoint that is named must fit all the same."""
        found = {one.address.kind for one in chosen.tried(loaded, state) if one.serving is not None}
        kinds = wiring.kinds()
        asked = any(kind in kinds and not kinds[kind].called_by_name for kind in found)
        named = given["emulator"] or loaded.stack.endpoint or os.environ.get("GOOGLE_GEMINI_BASE_URL")
        return found if asked or named else set()

    with wiring.operation("output", chosen.options, models=False, asks=asks) as run:
        state = run.state()
        records = chosen.records(run.loaded, state)
        exact = chosen.exact(state)
        if exact is not None:
            serving.handle(run, exact)
        names = serving.outputs(run, records)
    if form == "json":
        console.document({str(one): name for one, name in names.items()})
    elif form == "env":
        console.lines(escape(f"{one.variable}={name}") for one, name in names.items())
    elif exact is not None:
        console.lines(map(escape, names.values()))
    else:
        console.lines(escape(f"{one} {name}") for one, name in names.items())
    console.note(chosen.note)
    if not names:
        console.note("None of these serves yet." if records else "Nothing is recorded here.")
