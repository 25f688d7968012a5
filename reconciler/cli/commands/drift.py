"""`reconciler drift`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import exit_codes, options, wiring
from reconciler.cli.console import Console, timestamp
from reconciler.cli.invocation import Invocation, Lists


@click.command("drift")
@options.paths
@options.service
@options.selection
@options.report_format
@options.json_output
def command(*, form: str, max_chars: int, as_json: bool, no_color: bool, **given: Any) -> int:
    """Show how live models differ from their records, and exit with 2 if they do.

    Sends GET requests only, and writes nothing, not even the state.
    """
    console = Console.open(as_json=as_json, no_color=no_color, form=form)
    invocation = Invocation.read("drift", given)
    with wiring.open_operation(invocation, lists=Lists.MODELS) as operation:
        found, context = invocation.complete_drift(operation.find_drift()), operation.context
        if as_json:
            from reconciler.render.plan_json import build_drift_document

            console.print_document(build_drift_document(found, context, operation.kinds, created=timestamp()))
        elif form == "markdown":
            from reconciler.render.markdown import render_drift_comment

            console.print_lines([render_drift_comment(found, context, max_chars=max_chars)])
        else:
            from reconciler.render.text.plan import render_drift

            lines = render_drift(found, context, colour=console.has_colour, width=console.width)
            console.print_lines(lines)
        console.print_note(operation.remark)
    return exit_codes.decide_after_drift(found)
