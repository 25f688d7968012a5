"""`reconciler report`."""

from __future__ import annotations

from typing import Any

import click

from reconciler import files
from reconciler.cli import options, wiring
from reconciler.cli.console import Console, emit, timestamp
from reconciler.errors import UsageError


@click.command("report")
@options.paths
@options.service
@options.selection
@click.option("-o", "--output", "out", metavar="FILE", help="Where to write it.  [default: standard output]")
def command(*, out: str | None, no_color: bool, **given: Any) -> None:
    """Write one self-contained HTML page: models, states, loss curves, drift."""
    from reconciler.operation.serving import curves
    from reconciler.render.html.page import render_report

    console = Console.of_environment(no_color=no_color)
    settings, inputs = wiring.split(given)
    with wiring.operation("report", wiring.Options(**settings, inputs=inputs, need=False)) as run:
        state = run.state()
        part = state.only(run.selected(state))
        console.note(run.remark)
        page = render_report(part, curves(run, part), run.drift(), run.context, now=timestamp())
    if out is None or out == "-":
        emit(page)
        return
    try:
        files.write_as_it_is(out, page.encode(errors="backslashreplace"))
    except OSError as error:
        raise UsageError(f"-o {out}: {error.strerror}", "Give a file that can be written") from error
    console.lines([f"Written to {out}."])
