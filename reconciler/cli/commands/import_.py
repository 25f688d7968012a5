"""`reconciler import`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation
from reconciler.model import Desired, Live
from reconciler.render.terminal import escape


@click.command("import")
@click.argument("address", metavar="ADDR")
@click.argument("id", metavar="ID")
@options.paths
@options.service
@options.locking
def command(*, address: str, id: str, no_color: bool, **given: Any) -> None:
    """Take over an existing model under the address of a manifest. Trains nothing.

    Prints the line to add to the manifest, so that the model can be found if the state is lost.
    """
    from reconciler.operation.importing import import_model

    console = Console.open(no_color=no_color)
    with wiring.open_operation(Invocation.read("import", given)) as operation:
        record, live = import_model(operation, address, id)
        desired = next(model for model in operation.loaded.desired if model.address == record.address)
        has_pinned_ids = operation.find_provider(record.address).kind.pinned_ids
    console.print_note(
        f"Imported {live.name} as {record.address} ({live.status}). Nothing was trained.\n"
        "The service does not return training data, so the manifest's data is recorded as assumed."
    )
    if not desired.imports:
        _print_line_to_add(console, desired, live, has_pinned_ids=has_pinned_ids)


def _print_line_to_add(console: Console, desired: Desired, live: Live, *, has_pinned_ids: bool) -> None:
    if not has_pinned_ids or desired.id != live.id:
        console.print_note(
            f"Add this line to metadata in {desired.place}, to find the model even if the state is lost:"
        )
    console.print_lines([escape(f"id: {live.id}") if has_pinned_ids else f"import: {live.name}"])
