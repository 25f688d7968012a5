"""`reconciler wait`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from reconciler.cli import deadline, options, wiring
from reconciler.cli.console import Console
from reconciler.cli.execution import Run
from reconciler.cli.invocation import Invocation, Lists


@click.command("wait")
@options.paths
@options.service
@options.locking
@options.selection
@options.timeout
@options.json_output
def command(*, as_json: bool, no_color: bool, timeout: timedelta | None, **given: Any) -> int:
    """Finish what an earlier apply has begun.

    Waits for trainings, sets permissions, runs checks, promotes the models that pass, and deletes those that
    they replace. Starts no training, except an approved one that the service had no room for. If a manifest
    has changed since, only the result of the training is recorded.
    """
    deadline.start(timeout)
    console = Console.open(as_json=as_json, no_color=no_color)
    invocation = Invocation.read("wait", given)
    console.begin_stream()
    with wiring.open_operation(invocation, lists=Lists.MODELS) as operation:
        run = Run(invocation, operation, console)
        pending = operation.plan_unfinished()
        console.print_note(operation.remark)
        if pending.has_work:
            code = run.carry_out(pending, operation.resume)
        else:
            console.print_note("Nothing to wait for.")
            code = run.end_without_work(pending)
        return run.end_wait(pending, code)
