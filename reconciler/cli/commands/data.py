"""`reconciler data`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import exit_codes, options
from reconciler.cli.console import Console
from reconciler.cli.data_selection import inspect


@click.command("data")
@click.argument("word", metavar="ADDR or FILE")
@options.paths
@options.service
@options.json_output
def command(*, word: str, as_json: bool, no_color: bool, **given: Any) -> int:
    """Show what is in the data of a declared model, or in a data file.

    Counts, lengths, estimated tokens, repeated examples, inputs with several outputs, labels, and examples of
    the validation data or of a check that are trained too. An object in Cloud Storage is read part by part,
    and not kept. A FILE ends in .jsonl, .json or .csv.
    """
    console = Console.open(as_json=as_json, no_color=no_color)
    inspection = inspect(word, given)
    if as_json:
        from reconciler.render.inspection import build_inspection_document

        console.print_document(build_inspection_document(inspection))
    else:
        from reconciler.render.text.inspection import render_inspection

        console.print_lines(render_inspection(inspection, colour=console.has_colour, width=console.width))
        console.print_diagnostics(inspection.errors)
    return exit_codes.decide_after_error() if inspection.errors else 0
