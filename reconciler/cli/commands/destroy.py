"""`reconciler destroy`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from reconciler.cli import deadline, execution, options, wiring
from reconciler.cli.console import Console, timestamp
from reconciler.cli.summary import Course, conclude
from reconciler.errors import UsageError


@click.command("destroy")
@options.paths
@options.service
@options.locking
@options.selection
@options.guards
@options.auto_approve
@click.option("--timeout", type=options.DURATION, metavar="D", help="End after this, whatever hangs.")
@options.json_output
def command(
    *, as_json: bool, no_color: bool, auto_approve: bool, timeout: timedelta | None, **given: Any
) -> int:
    """Delete all that is recorded; what is protected by prevent_destroy refuses it before the first call."""
    deadline.start(timeout)
    console = Console.of_environment(as_json=as_json, no_color=no_color)
    execution.must_be_approvable(console, approved=auto_approve)
    settings, inputs = wiring.split({**given, "destroy": True})
    if as_json:
        from reconciler.render import stream

        console.records([stream.build_version_record(timestamp())])
    shared = wiring.Options(**settings, inputs=inputs, need=False)
    with wiring.operation("destroy", shared) as run:
        with execution.shown_if_refused(console):
            plan, _ = run.plan()
        console.plan(plan)
        course = Course("destroy", plan, wiring.resume_commands(shared, "destroy", selected=True))
        if not plan.has_work:
            if as_json:
                conclude(console, course, (), 0)
            return 0
        question = "Do you really want to delete all of these? Their trainings cannot be brought back."
        if not auto_approve and not execution.approved(plan, question):
            raise UsageError("not approved; nothing was changed")
        return execution.carry_out(run, run.recheck(plan), console, course, wait=True)
