"""`reconciler output`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.apis import has_named_endpoint, list_kinds
from reconciler.cli.console import Console
from reconciler.cli.record_selection import RecordSelection
from reconciler.manifests import Loaded
from reconciler.model.names import Address
from reconciler.render.terminal import escape
from reconciler.state.values import State


@click.command("output")
@click.argument("word", required=False, metavar="[ADDR or PATH]")
@options.paths
@options.service
@options.selection
@options.add_format("text", "json", "env", help="Output format; env is for a shell or a .env file.")
def command(*, word: str | None, form: str, no_color: bool, **given: Any) -> None:
    """Print the resource name of each serving model, for programs that call it.

    With ADDR it prints the name of that model alone.
    """
    from reconciler.operation import serving

    console = Console.open(no_color=no_color)
    selection = RecordSelection("output", word, given)
    with wiring.open_operation(selection.invocation, partial(_ask, selection)) as operation:
        state = operation.read_state()
        records = selection.find_records(operation.loaded, state)
        exact = selection.find_exact(state)
        if exact is not None:
            serving.find_handle(operation, exact)
        names = serving.find_outputs(operation, records)
    if form == "json":
        console.print_document({str(address): name for address, name in names.items()})
    else:
        console.print_lines(_label_names(names, form, is_exact=exact is not None))
    console.print_note(selection.remark)
    if not names:
        console.print_note(
            "No selected model can be called yet." if records else "The state has no such record."
        )


def _label_names(names: Mapping[Address, str], form: str, *, is_exact: bool) -> Iterator[str]:
    """Label each name for its reader. The name of the one model that was asked for stands alone."""
    for address, name in names.items():
        label = f"{address.variable}=" if form == "env" else "" if is_exact else f"{address} "
        yield escape(f"{label}{name}")


def _ask(selection: RecordSelection, loaded: Loaded, state: State) -> set[str]:
    """Return the kinds whose service must be asked.

    None if all names are recorded. But with an endpoint of its own, always ask: the state must belong to it.
    """
    found = {
        record.address.kind for record in selection.try_records(loaded, state) if record.serving is not None
    }
    kinds = list_kinds()
    is_asked = any(kind in kinds and not kinds[kind].called_by_name for kind in found)
    is_named = selection.invocation.emulator or loaded.stack.endpoint or has_named_endpoint(os.environ)
    return found if is_asked or is_named else set()
