"""`reconciler apply`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from reconciler.cli import deadline, execution, options, wiring
from reconciler.cli.console import Console, timestamp
from reconciler.cli.plan_files import check_place, saved_plan
from reconciler.cli.summary import Course, conclude, outputs
from reconciler.errors import UsageError

_IN_THE_PLAN = {
    "variables": "--var",
    "variable_files": "--var-file",
    "targets": "--target",
    "excludes": "--exclude",
    "replace": "--replace",
    "retry_failed": "--retry-failed",
    "max_trainings": "--max-trainings",
    "max_deletes": "--max-deletes",
}
"""What a saved plan holds, with the options that would say it again."""


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
    """Create what is missing, wait until each model serves, and record it.

    A FILE saved by `reconciler plan --out FILE` runs exactly that plan, or is refused.
    """
    deadline.start(timeout)
    console = Console.of_environment(as_json=as_json, no_color=no_color)
    saved = saved_plan(Path(given["paths"][0])) if given["paths"] else None
    if saved is None:
        _must_exist(given["paths"])
        execution.must_be_approvable(console, approved=auto_approve)
        settings, inputs = wiring.split(given)
    else:
        again = [option for name, option in _IN_THE_PLAN.items() if _is_given(given[name])]
        if again or len(given["paths"]) > 1:
            what = ", ".join(again) or "more paths"
            raise UsageError(
                f"{given['paths'][0]} is a saved plan, which holds its paths, variables, selection and "
                f"guards: {what} cannot be given again",
                "Apply it as it is, or make a new plan",
            )
        settings, inputs = wiring.of_plan(given, saved)
    if as_json:
        from reconciler.render import stream

        console.records([stream.build_version_record(timestamp())])
    need = not inputs.destroy
    shared = wiring.Options(**settings, inputs=inputs, need=need)
    resume = wiring.resume_commands(shared, "apply", selected=False)
    with wiring.operation("apply", shared) as run:
        if saved is None:
            with execution.shown_if_refused(console):
                plan, _ = run.plan()
            execution.warn(console, run.loaded.warnings, plan)
            console.plan(plan)
            if not plan.has_work:
                run.name_state()
                if as_json:
                    conclude(console, Course("apply", plan, resume), (), 0)
                    outputs(run, console)
                return 0
            if not auto_approve and not execution.approved(plan, "Do you want to perform these actions?"):
                raise UsageError("not approved; nothing was changed")
        else:
            plan = saved
            check_place(plan, run.context)
            run.same_lineage(plan)
            if as_json:
                console.plan(plan)
        course = Course("apply", plan, resume)
        return execution.carry_out(run, run.recheck(plan), console, course, wait=not no_wait)


def _must_exist(paths: Iterable[str]) -> None:
    """Asked first: for a plan file that is not there, --auto-approve would be the wrong advice."""
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(
                f"{path}: there is no such file or folder",
                "Give a folder of manifests, or a plan saved with: reconciler plan --out FILE",
            )


def _is_given(value: object) -> bool:
    """Whether an option was on the command line; --max-deletes 0 is."""
    return value is not None and value is not False and value != ()
