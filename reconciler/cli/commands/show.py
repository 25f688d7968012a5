"""`reconciler show`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from reconciler import bounds, strictjson
from reconciler.cli import options, wiring
from reconciler.cli.apis import list_kinds
from reconciler.cli.console import Console
from reconciler.cli.plan_files import is_plan, load_plan, read_bytes
from reconciler.cli.record_selection import RecordSelection, may_be_address
from reconciler.errors import UsageError
from reconciler.state.values import Record, State


@click.command("show")
@click.argument("word", required=False, metavar="[ADDR, FILE or PATH]")
@options.paths
@options.service
@options.selection
@options.json_output
def command(*, word: str | None, as_json: bool, no_color: bool, **given: Any) -> None:
    """Show one model with its loss curve, the recorded state or a part of it, or a saved plan.

    Wildcards, --target, --exclude and PATHs of manifests select a part of the state. If ADDR is also the name
    of a file, the address is meant; write ./NAME for the file.
    """
    from reconciler.operation.serving import find_live

    console = Console.open(as_json=as_json, no_color=no_color)
    selection = RecordSelection("show", word, given)
    file = _find_plan(word)
    if file is not None and not (may_be_address(str(word)) and selection.is_recorded()):
        _print_plan(console, file)
        return
    with wiring.open_operation(selection.invocation, selection.ask_exact) as operation:
        state = operation.read_state()
        records = selection.find_records(operation.loaded, state)
        record = selection.find_exact(state)
        if record is None:
            _print_state(console, state, records, selection.remark)
            return
        main = record.serving or record.candidate or next(iter(record.models), None)
        live = None if main is None else find_live(operation, record.address, main)
        bases = operation.list_base_ends(state, [record], [] if live is None else [live])
    console.print_record(record, live, bases)


def _find_plan(word: str | None) -> Path | None:
    """Return the path if it is a saved plan. UsageError if it is neither a plan, an address nor manifests."""
    from reconciler.manifests.loading import load_names

    if word is None or not Path(word).is_file():
        return None
    try:
        if is_plan(Path(word)):
            return Path(word)
        has_meaning = may_be_address(word) or bool(load_names((word,), kinds=list_kinds(), variables={}))
    except UsageError:  # it is neither a plan nor a manifest
        has_meaning = may_be_address(word)
    if not has_meaning:
        raise UsageError(
            f"{word} is not a saved plan, and declares no model",
            "Give KIND/NAME, a file saved by plan --out, or manifests",
        )
    return None


def _print_state(console: Console, state: State, records: Sequence[Record], remark: str) -> None:
    from reconciler.render.text.records import render_state
    from reconciler.state import file as state_file

    shown = state.select(record.address for record in records)
    if console.as_json:
        console.print_document(strictjson.loads(state_file.dumps(shown), most=bounds.STATE))
    else:
        console.print_lines(render_state(shown, colour=console.has_colour, width=console.width))
    console.print_note(remark)


def _print_plan(console: Console, path: Path) -> None:
    plan = load_plan(path)
    if console.as_json:
        console.print_document(strictjson.loads(read_bytes(path), most=bounds.PLAN))
    else:
        console.print_plan(plan)
