"""`reconciler rollback`."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import click
from msgspec.structs import replace

from reconciler.cli import approval, deadline, options, wiring
from reconciler.cli.console import Console
from reconciler.cli.execution import Run
from reconciler.cli.invocation import Invocation


@click.command("rollback")
@click.argument("address", metavar="ADDR")
@options.paths
@options.service
@options.locking
@click.option("--to", metavar="ID", default="", help="Let this model serve.  [default: the one before]")
@click.option("--undo", is_flag=True, help="Let the model serve again that is held back.")
@options.auto_approve
@options.timeout
@options.json_output
def command(
    *,
    address: str,
    to: str,
    undo: bool,
    as_json: bool,
    no_color: bool,
    auto_approve: bool,
    timeout: timedelta | None,
    **given: Any,
) -> int:
    """Let a former model serve again at once, after approval. Trains and deletes nothing.

    The manifest stays as it is. The model that served is held back until the manifest declares another
    training, or until --undo.
    """
    from reconciler.operation.rolling_back import ask_kinds_of, prepare_rollback

    deadline.start(timeout)
    console = Console.open(as_json=as_json, no_color=no_color)
    approval.ensure_possible(console, is_approved=auto_approve, takes_plan=False)
    words = (address, *(("--to", to) if to else ()), *(("--undo",) if undo else ()))
    invocation = replace(Invocation.read("rollback", given), arguments=words)
    console.begin_stream()
    with wiring.open_operation(invocation, partial(ask_kinds_of, address)) as operation:
        run = Run(invocation, operation, console)
        plan, check = prepare_rollback(operation, address, to=to, undo=undo)
        console.print_plan(invocation.complete_plan(plan))
        if not plan.has_work:
            return run.end_without_work(plan)
        if not auto_approve:
            approval.ask(plan, "Do you want to go back to this model?")
        return run.carry_out(plan, check)
