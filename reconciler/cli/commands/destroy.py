"""`reconciler destroy`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from reconciler.cli import approval, deadline, options, wiring
from reconciler.cli.console import Console
from reconciler.cli.execution import Run
from reconciler.cli.invocation import Invocation, Lists


@click.command("destroy")
@options.paths
@options.service
@options.locking
@options.selection
@options.guards
@options.auto_approve
@options.timeout
@options.json_output
def command(
    *, as_json: bool, no_color: bool, auto_approve: bool, timeout: timedelta | None, **given: Any
) -> int:
    """Delete every model that is recorded, after approval.

    If one of them is protected by prevent_destroy, nothing is deleted.
    """
    deadline.start(timeout)
    console = Console.open(as_json=as_json, no_color=no_color)
    approval.ensure_possible(console, is_approved=auto_approve)
    invocation = Invocation.read("destroy", {**given, "destroy": True})
    console.begin_stream()
    with wiring.open_operation(invocation, lists=Lists.MODELS) as operation:
        run = Run(invocation, operation, console)
        plan = run.show_plan()
        if not plan.has_work:
            return run.end_without_work(plan)
        if not auto_approve:
            approval.ask(
                plan, "Do you really want to delete all of these? Their trainings cannot be brought back."
            )
        return run.carry_out(plan, operation.recheck(plan))
