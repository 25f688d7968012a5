"""`reconciler cost`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation, Need


@click.command("cost")
@options.place
@options.variables
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Count from this day on: 2026-11-01."
)
@options.json_output
@options.no_color
def command(*, since: datetime | None, as_json: bool, no_color: bool, **given: Any) -> None:
    """Show what trainings have cost, by month and model, from the state.

    Asks no service. What was billed and what was only estimated are summed apart, and so are currencies.
    """
    from reconciler.plan.costs import sum_spent
    from reconciler.render.costs import build_cost_document
    from reconciler.render.text.costs import render_costs

    console = Console.open(as_json=as_json, no_color=no_color)
    invocation = Invocation.read("cost", given, Need.STACK)
    with wiring.complete_advice(invocation):
        manager, _ = wiring.open_stack_state(invocation)
        spent = sum_spent(manager.read(), since.date().isoformat() if since else "")
    if as_json:
        console.print_document(build_cost_document(spent))
    else:
        console.print_lines(render_costs(spent, colour=console.has_colour, width=console.width))
