"""`reconciler test`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import exit_codes, options, wiring
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation
from reconciler.render.terminal import escape
from reconciler.state.values import Verdict

if TYPE_CHECKING:
    from reconciler.operation.serving import CheckResult


@click.command("test")
@options.paths
@options.service
@options.selection
@options.json_output
def command(*, as_json: bool, no_color: bool, **given: Any) -> int:
    """Run the checks of the serving models.

    Exits with 4 if a check fails, or else with 3 if a check could not be run.
    """
    from reconciler.operation.serving import run_declared_checks

    console = Console.open(as_json=as_json, no_color=no_color)
    invocation = Invocation.read("test", given)
    with wiring.open_operation(invocation) as operation:
        results = run_declared_checks(operation)
        console.print_note(operation.remark)
    if as_json:
        console.print_document([{**asdict(result), "address": str(result.address)} for result in results])
    elif results:
        console.print_lines(map(_describe, results))
    else:
        is_selected = invocation.inputs.targets or invocation.inputs.excludes
        whose = "None of these models" if is_selected else "No model"
        console.print_lines([f"{whose} that serves has checks."])
    verdicts = {result.verdict for result in results}
    if Verdict.UNKNOWN in verdicts and Verdict.FAILED not in verdicts:
        again = invocation.spell("test")
        console.print_note(f"Not finished: some checks could not be run. To try again: {again}")
    return exit_codes.decide_after_checks(verdicts)


def _describe(result: CheckResult) -> str:
    # why a check failed begins with its prompt
    said = result.detail if result.verdict is Verdict.FAILED else repr(result.prompt)
    why = f": {result.detail}" if result.verdict is Verdict.UNKNOWN else ""
    return escape(f"{result.verdict}  {result.address}  {said}{why}")
