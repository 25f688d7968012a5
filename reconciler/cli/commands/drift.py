"""`reconciler drift`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.console import Console, timestamp
from reconciler.errors import ExitCode


@click.command("drift")
@options.paths
@options.service
@options.selection
@options.report_format
@options.json_output
def command(*, form: str, max_chars: int, as_json: bool, no_color: bool, **given: Any) -> int:
    """Compare live with recorded. Sends GETs only and writes nothing, not even state; exits 2 on drift."""
    console = Console.of_environment(as_json=as_json, no_color=no_color)
    settings, inputs = wiring.split(given)
    with wiring.operation("drift", wiring.Options(**settings, inputs=inputs)) as run:
        found = run.drift()
        if as_json:
            from reconciler.render.plan_json import build_drift_document

            console.document(build_drift_document(found, run.context, run.kinds, created=timestamp()))
        elif form == "markdown":
            from reconciler.render.markdown import render_drift_comment

            console.lines([render_drift_comment(found, run.context, max_chars=max_chars)])
        else:
            from reconciler.render.text import render_drift

            console.lines(render_drift(found, run.context, colour=console.colour, width=console.width))
        console.note(run.remark)
    return ExitCode.CHANGES if any(one.fails for one in found) else ExitCode.DONE
