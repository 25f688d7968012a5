"""`reconciler show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from reconciler.cli import connect, options
from reconciler.cli.console import Console
from reconciler.cli.saved import looks_like_plan
from reconciler.errors import UsageError


@click.command("show")
@click.argument("what", required=False, metavar="[ADDR or FILE]")
@options.paths
@options.service
@options.json_output
def command(*, what: str | None, as_json: bool, no_color: bool, **given: Any) -> None:
    """Show one model with its loss curve, the whole state, or a saved plan.

    ADDR wins over a file of the same name; write ./NAME for the file.
    """
    from reconciler.serving import seen

    console = Console.of_environment(as_json=as_json, no_color=no_color)
    options_given = connect.Options(**given, need=False)
    if what is not None and what.startswith(("./", "../", "/")):
        return _plan(console, Path(what))
    with connect.operation("show", options_given, models=False) as run:
        state = run.state()
        if what is None:
            return _state(console, state)
        try:
            record = run.recorded(what, state)
        except UsageError:
            if Path(what).is_file():
                return _plan(console, Path(what))
            raise
        model = record.serving or record.candidate or record.models[0]
        live = seen(run, record.address, model)
    if as_json:
        from reconciler.render.records import record_document

        console.document(record_document(record, live))
        return None
    from reconciler.render.text import show_lines

    console.lines(show_lines(record, live, colour=console.colour, width=console.width))
    return None


def _plan(console: Console, path: Path) -> None:
    from reconciler.render import planfile

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", "Give KIND/NAME, or a file saved by plan --out"
        ) from error
    if not looks_like_plan(data):
        raise UsageError(f"{path} is not a saved plan", "Give KIND/NAME, or a file saved by plan --out")
    plan = planfile.loads(data, place=str(path))
    if console.as_json:
        console.document(json.loads(data))
    else:
        console.plan(plan)


def _state(console: Console, state: Any) -> None:
    from reconciler import statefile
    from reconciler.render.text import state_lines

    if console.as_json:
        console.document(json.loads(statefile.dumps(state)))
    else:
        console.lines(state_lines(state, colour=console.colour, width=console.width))
