"""`reconciler test`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.console import Console
from reconciler.errors import ExitCode
from reconciler.render.terminal import escape
from reconciler.state.values import Verdict


@click.command("test")
@options.paths
@options.service
@options.selection
@options.json_output
def command(*, as_json: bool, no_color: bool, **given: Any) -> int:
    """Run the checks of every managed model that serves; exits 4 when one fails, 3 when one is unknown."""
    from reconciler.operation.serving import check

    console = Console.of_environment(as_json=as_json, no_color=no_color)
    settings, inputs = wiring.split(given)
    with wiring.operation("test", wiring.Options(**settings, inputs=inputs)) as run:
        results = check(run)
        console.note(run.remark)
    if as_json:
        console.document(
            [
                {
                    "address": str(one.address),
                    "prompt": one.prompt,
                    "verdict": str(one.verdict),
                    "detail": one.detail,
                }
                for one in results
            ]
        )
    else:
        for one in results:
            # why a check failed begins with its prompt
            said = one.detail if one.verdict is Verdict.FAILED else repr(one.prompt)
            why = f": {one.detail}" if one.verdict is Verdict.UNKNOWN else ""
            console.lines([escape(f"{one.verdict}  {one.address}  {said}{why}")])
        if not results:
            whose = "None of these models" if inputs.targets or inputs.excludes else "No model"
            console.lines([f"{whose} that serves has checks."])
    verdicts = {one.verdict for one in results}
    if Verdict.FAILED in verdicts:
        return ExitCode.FAILED
    if Verdict.UNKNOWN not in verdicts:
        return ExitCode.DONE
    console.note("Not finished: some checks could not be asked. To ask again: reconciler test")
    return ExitCode.UNFINISHED
