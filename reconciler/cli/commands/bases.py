"""`reconciler bases`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.base_uses import read_uses
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation, Need


@click.command("bases")
@options.paths
@options.place
@options.variables
@options.json_output
@options.no_color
def command(*, as_json: bool, no_color: bool, **given: Any) -> None:
    """Show the table of base models, and the declared and recorded models that are tuned from them.

    Asks no service. What cannot be read, manifests or state, is left out with a note.
    """
    console = Console.open(as_json=as_json, no_color=no_color)
    settings = wiring.read_settings()
    uses = read_uses(Invocation.read("bases", given, Need.ANY), settings, console.print_note)
    today = wiring.read_today(settings)
    if as_json:
        from reconciler.render.bases import build_bases_document

        console.print_document(build_bases_document(uses, today))
    else:
        from reconciler.render.text.bases import render_bases

        console.print_lines(render_bases(uses, today, colour=console.has_colour, width=console.width))
