"""`reconciler plan`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from reconciler import files
from reconciler.cli import execution, options, wiring
from reconciler.cli.console import Console, timestamp
from reconciler.errors import ExitCode, UsageError
from reconciler.plan.change import Plan


@click.command("plan")
@options.paths
@options.service
@options.decisions
@options.guards
@options.report_format
@options.json_output
@click.option("--out", metavar="FILE", help="Save the plan, for: reconciler apply FILE.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
@click.option("--destroy", is_flag=True, help="Plan the deletion of all that is recorded.")
@click.option("--refresh-only", is_flag=True, help="Show only how live differs from recorded.")
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
    """Show what apply would do."""
    console = Console.of_environment(as_json=as_json, no_color=no_color)
    if as_json:
        from reconciler.render import stream

        console.records([stream.build_version_record(timestamp())])
    settings, inputs = wiring.split(given)
    if inputs.refresh_only and inputs.destroy:
        raise UsageError("--refresh-only plans nothing, and --destroy plans deletions", "Give one of them")
    shared = wiring.Options(**settings, inputs=inputs, need=not inputs.destroy)
    with wiring.operation("plan", shared) as run:
        with execution.shown_if_refused(console):
            plan = run.refresh_plan() if inputs.refresh_only else run.plan()[0]
        execution.warn(console, run.loaded.warnings, plan)
    if out:
        save(plan, out)
    if form == "markdown" and not as_json:
        from reconciler.render.markdown import render_plan_comment

        console.lines([render_plan_comment(plan, max_chars=max_chars)])
    else:
        console.plan(plan)
    if out:
        console.note(f"\nSaved to {out}. To do exactly this: {wiring.apply_command(shared, out)}")
    changed = plan.has_changes or (inputs.refresh_only and any(one.fails for one in plan.drift))
    return ExitCode.CHANGES if detailed_exitcode and changed else ExitCode.DONE


def save(plan: Plan, out: str) -> None:
    """Write it whole or not at all, readable by its owner only; what is no file (a pipe) stays what it is."""
    from reconciler.render import planfile

    content = planfile.dumps(plan, wiring.kinds())
    path = Path(os.path.realpath(out))  # of a link the file is written, not the link replaced
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.is_symlink():  # it leads in a circle, and this says so
            path.stat()
        if Path(out).exists() and not Path(out).is_file():
            files.write_as_it_is(out, content)
            return
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"--out {out}: {error.strerror}", "Give a file that can be written") from error
