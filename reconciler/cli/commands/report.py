"""`reconciler report`."""

from __future__ import annotations

from typing import Any

import click

from reconciler import files
from reconciler.cli import options, wiring
from reconciler.cli.console import Console, print_text, timestamp
from reconciler.cli.invocation import Invocation, Need
from reconciler.errors import UsageError


@click.command("report")
@options.paths
@options.service
@options.selection
@click.option("-o", "--output", "out", metavar="FILE", help="Where to write it.  [default: standard output]")
def command(*, out: str | None, no_color: bool, **given: Any) -> None:
    """Write an HTML page with every model, its loss curve and its drift. The page needs no other file."""
    from reconciler.operation.serving import find_curves
    from reconciler.operation.status import look
    from reconciler.render.html.page import render_report

    console = Console.open(no_color=no_color)
    with wiring.open_operation(Invocation.read("report", given, Need.ANY)) as operation:
        state = operation.read_state()
        part = state.select(operation.select(state))
        console.print_note(operation.remark)
        live = find_curves(operation, part)
        models = look(operation)
        bases = operation.list_base_ends(state, part.resources.values(), live.values())
        page = render_report(
            part, models, live, operation.find_drift(), operation.context, now=timestamp(), bases=bases
        )
    if out is None or out == "-":
        print_text(page)
        return
    _write(out, page)
    console.print_lines([f"Written to {out}."])


def _write(out: str, page: str) -> None:
    try:
        files.write_in_place(out, page.encode(errors="backslashreplace"))
    except OSError as error:
        raise UsageError(f"-o {out}: {error.strerror}", "Give a file that can be written") from error
