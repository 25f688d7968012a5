"""`reconciler show`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from reconciler import bounds, strictjson
from reconciler.cli import options, wiring
from reconciler.cli.console import Console
from reconciler.cli.plan_files import content, is_plan
from reconciler.cli.record_selection import Chosen, may_be_address
from reconciler.errors import ReconcilerError, UsageError
from reconciler.manifests import Loaded, load_names
from reconciler.state.values import Record, State


@click.command("show")
@click.argument("word", required=False, metavar="[ADDR, FILE or PATH]")
@options.paths
@options.service
@options.selection
@options.json_output
def command(*, word: str | None, as_json: bool, no_color: bool, **given: Any) -> None:
    """Show one model with its loss curve, the whole state or a part of it, or a saved plan.

    ADDR wins over a file of the same name; write ./NAME for the file. Wildcards, --target, --exclude and
    PATHs of manifests show that part of the state.
    """
    console = Console.of_environment(as_json=as_json, no_color=no_color)
    chosen = Chosen(word, given)
    file = _saved(word)
    if file is not None and not (may_be_address(str(word)) and _is_recorded(chosen)):
        _plan(console, file)
    else:
        _recorded(console, chosen)


def _saved(word: str | None) -> Path | None:
    """The file, where the word is that of a saved plan; what may be an address as well need be none."""
    if word is None or not Path(word).is_file():
        return None
    try:
        if is_plan(Path(word)):
            return Path(word)
        useful = may_be_address(word) or bool(load_names((word,), kinds=wiring.kinds(), variables={}))
    except UsageError:  # it is neither a plan nor a manifest
        useful = may_be_address(word)
    if not useful:
        raise UsageError(
            f"{word} is not a saved plan, and declares no model",
            "Give KIND/NAME, a file saved by plan --out, or manifests",
        )
    return None


def _is_recorded(chosen: Chosen) -> bool:
    """Whether the word is an address of the state; where that cannot be read, the file is what there is."""
    try:
        with wiring.operation("show", chosen.options, models=False, asks=wiring.no_kind) as run:
            return chosen.exact(run.state()) is not None
    except ReconcilerError:
        return False


def _recorded(console: Console, chosen: Chosen) -> None:
    from reconciler.operation.serving import seen

    def asks(_loaded: Loaded, state: State) -> set[str]:
        exact = chosen.exact(state)
        return set() if exact is None else {exact.address.kind}

    with wiring.operation("show", chosen.options, models=False, asks=asks) as run:
        state = run.state()
        records = chosen.records(run.loaded, state)
        record = chosen.exact(state)
        if record is None:
            return _state(console, chosen, state, records)
        live = seen(run, record.address, record.serving or record.candidate or record.models[0])
    if console.as_json:
        from reconciler.render.records import record_document

        console.document(record_document(record, live))
        return None
    from reconciler.render.text import render_record

    console.lines(render_record(record, live, colour=console.colour, width=console.width))
    return None


def _state(console: Console, chosen: Chosen, state: State, records: Sequence[Record]) -> None:
    from reconciler.render.text import render_state
    from reconciler.state import file as state_file

    shown = state.only(one.address for one in records)
    if console.as_json:
        console.document(strictjson.loads(state_file.dumps(shown), most=bounds.STATE))
    else:
        console.lines(render_state(shown, colour=console.colour, width=console.width))
    console.note(chosen.note)


def _plan(console: Console, path: Path) -> None:
    from reconciler.render import planfile

    data = content(path)
    plan = planfile.loads(data, place=str(path))
    if console.as_json:
        console.document(strictjson.loads(data, most=bounds.PLAN))
    else:
        console.plan(plan)
