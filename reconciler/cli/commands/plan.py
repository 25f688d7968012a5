"""`reconciler plan`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import exit_codes, options, wiring
from reconciler.cli.apis import list_kinds
from reconciler.cli.console import Console
from reconciler.cli.execution import Run
from reconciler.cli.invocation import Invocation, Lists
from reconciler.cli.plan_files import save_plan


@click.command("plan")
@options.paths
@options.service
@options.decisions
@options.guards
@options.report_format
@options.json_output
@click.option("--out", metavar="FILE", help="Save the plan to FILE, for: reconciler apply FILE.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there are changes.")
@click.option("--destroy", is_flag=True, help="Plan to delete all that is recorded.")
@click.option("--refresh-only", is_flag=True, help="Show only how live models differ from their records.")
def command(
    *,
    form: str,
    max_chars: int,
    as_json: bool,
    no_color: bool,
    out: str | None,
    detailed_exitcode: bool,
    **given: Any,
) -> int:
    """Show what apply would do, and change nothing."""
    console = Console.open(as_json=as_json, no_color=no_color, form=form)
    console.begin_stream()
    invocation = Invocation.read("plan", given)
    with wiring.open_operation(invocation, lists=Lists.MODELS) as operation:
        plan = Run(invocation, operation, console).make_plan()
    if out:
        save_plan(plan, out, list_kinds())
    if form == "markdown":
        from reconciler.render.markdown import render_plan_comment

        console.print_lines([render_plan_comment(plan, max_chars=max_chars)])
    else:
        console.print_plan(plan)
    if out:
        console.print_note(f"\nSaved to {out}. To do exactly this: {invocation.spell_apply(out)}")
    return exit_codes.decide_after_plan(plan, is_detailed=detailed_exitcode)
