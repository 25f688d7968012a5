"""`reconciler test`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import exit_codes, options, wiring
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation
from reconciler.state.values import Verdict


@click.command("test")
@options.paths
@options.service
@options.selection
@options.add_format("text", "junit", "json", help="Output format; junit is XML for CI systems.")
@options.json_output
def command(*, form: str, as_json: bool, no_color: bool, **given: Any) -> int:
    """Run the checks of the serving models.

    Exits with 4 if a check fails, or else with 3 if a check could not be run.
    """
    from reconciler.operation.serving import run_declared_checks
    from reconciler.render import checks

    as_json = as_json or form == "json"
    console = Console.open(as_json=as_json, no_color=no_color)
    invocation = Invocation.read("test", given)
    with wiring.open_operation(invocation) as operation:
        results = run_declared_checks(operation)
        console.print_note(operation.remark)
    if as_json:
        console.print_document(checks.build_documents(results))
    elif form == "junit":
        console.print_lines(checks.render_junit(results))
    else:
        shown = checks.render_results(results, width=console.width)
        console.print_lines(shown if results else [_explain_none(invocation)])
    verdicts = {result.verdict for _, result in results}
    if Verdict.UNKNOWN in verdicts and Verdict.FAILED not in verdicts:
        console.print_note(_explain_unknown(invocation))
    return exit_codes.decide_after_checks(verdicts)


def _explain_unknown(invocation: Invocation) -> str:
    return f"Not finished: some checks could not be run. To try again: {invocation.spell('test')}"


def _explain_none(invocation: Invocation) -> str:
    is_selected = invocation.inputs.targets or invocation.inputs.excludes
    return "None of these models that serve has checks." if is_selected else "No serving model has checks."
