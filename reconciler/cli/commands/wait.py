"""`reconciler wait`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from reconciler.cli import deadline, execution, options, wiring
from reconciler.cli.console import Console, timestamp
from reconciler.cli.summary import Course, conclude, outputs
from reconciler.errors import Diagnostic, ExitCode


@click.command("wait")
@options.paths
@options.service
@options.locking
@options.selection
@click.option("--timeout", type=options.DURATION, metavar="D", help="End after this, whatever hangs.")
@options.json_output
def command(*, as_json: bool, no_color: bool, timeout: timedelta | None, **given: Any) -> int:
    """Finish what an apply approved: records, permissions, checks, promotion, deletion of the replaced.

    A create that an apply approved, and the service had no room for, is sent as soon as there is; no other
    training is started. Where the manifest has changed meanwhile, the outcome is only recorded.
    """
    deadline.start(timeout)
    console = Console.of_environment(as_json=as_json, no_color=no_color)
    settings, inputs = wiring.split(given)
    if as_json:
        from reconciler.render import stream

        console.records([stream.build_version_record(timestamp())])
    shared = wiring.Options(**settings, inputs=inputs)
    resume = wiring.resume_commands(shared, "wait", selected=True)
    with wiring.operation("wait", shared) as run:
        pending = run.unfinished()
        console.note(run.remark)
        course = Course("wait", pending, resume)
        if pending.has_work:
            code = execution.carry_out(run, run.resume(), console, course, wait=True)
        else:
            console.note("Nothing to wait for.")
            if as_json:
                conclude(console, course, (), 0)
                outputs(run, console)
            code = ExitCode.DONE
        for note in pending.notes:
            console.note(note)
        if as_json:
            console.errors([Diagnostic(note, severity="warning") for note in pending.notes])
        if pending.notes and code is ExitCode.DONE:
            console.note(f"Not finished yet. To go on: {resume.apply}")
            return ExitCode.UNFINISHED
        return code
