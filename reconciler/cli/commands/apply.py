"""`reconciler apply`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from reconciler.cli import approval, deadline, options, wiring
from reconciler.cli.console import Console
from reconciler.cli.execution import Run
from reconciler.cli.invocation import Invocation, Lists
from reconciler.cli.plan_files import find_saved_plan


@click.command("apply")
@click.argument("paths", nargs=-1, metavar="[PATH or FILE]...")
@options.service
@options.locking
@options.decisions
@options.guards
@options.auto_approve
@options.waiting
@options.json_output
def command(
    *,
    as_json: bool,
    no_color: bool,
    auto_approve: bool,
    no_wait: bool,
    timeout: timedelta | None,
    **given: Any,
) -> int:
    """Make the service match the manifests, after approval.

    Trains the models that are missing, waits until each serves, and records them. A FILE saved by `reconciler
    plan --out FILE` is carried out exactly as it was shown, or refused if anything it touches has changed.
    """
    deadline.start(timeout)
    console = Console.open(as_json=as_json, no_color=no_color)
    saved = find_saved_plan(given["paths"])
    if saved is None:
        approval.ensure_possible(console, is_approved=auto_approve)
        invocation = Invocation.read("apply", given)
    else:
        invocation = Invocation.read_for_plan("apply", given, saved)
    console.begin_stream()
    with wiring.open_operation(invocation, lists=Lists.NONE if saved else Lists.MODELS) as operation:
        run = Run(invocation, operation, console)
        plan = run.show_plan() if saved is None else run.take_plan(saved)
        if saved is None and not plan.has_work:
            operation.record_stack_name()
            return run.end_without_work(plan)
        if saved is None and not auto_approve:
            approval.ask(plan, "Do you want to perform these actions?")
        return run.carry_out(plan, operation.recheck(plan), waits=not no_wait)
