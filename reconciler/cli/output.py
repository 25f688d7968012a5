"""`reconciler output`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import connect, options
from reconciler.cli.console import Console


@click.command("output")
@click.argument("address", required=False, metavar="[ADDR]")
@options.paths
@options.service
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "env"]), default="text", show_default=True
)
def command(*, address: str | None, form: str, no_color: bool, **given: Any) -> None:
    """Print the resource name to call, for the program that serves it; only of models that serve."""
    from reconciler import serving

    console = Console.of_environment(no_color=no_color)
    with connect.operation("output", connect.Options(**given, need=False), models=False) as run:
        state = run.state()
        names = serving.outputs(run, state)
        if address is not None:
            record = run.recorded(address, state)
            serving.handle(run, record)
            names = {record.address: names[record.address]}
    if form == "json":
        console.document({str(one): name for one, name in names.items()})
    elif form == "env":
        console.lines(f"{one.variable}={name}" for one, name in names.items())
    elif address is not None:
        console.lines(names.values())
    else:
        console.lines(f"{one} {name}" for one, name in names.items())
