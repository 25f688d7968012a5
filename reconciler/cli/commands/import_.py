"""`reconciler import`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.console import Console
from reconciler.render.terminal import escape


@click.command("import")
@click.argument("address", metavar="ADDR")
@click.argument("id", metavar="ID")
@options.paths
@options.service
@options.locking
def command(*, address: str, id: str, no_color: bool, **given: Any) -> None:
    """Adopt a live model under a declared address, and print the line to add: metadata.id or .import."""
    from reconciler.operation.importing import import_model

    console = Console.of_environment(no_color=no_color)
    with wiring.operation("import", wiring.Options(**given)) as run:
        record, live = import_model(run, address, id)
        want = next(one for one in run.loaded.desired if one.address == record.address)
    console.note(
        f"{record.address} is {live.name} from now on ({live.status}). Nothing was trained.\n"
        "What it was trained from cannot be seen: it is recorded as what the manifest declares."
    )
    if want.imports:
        return
    if not run.provider(record.address).kind.pinned_ids:
        console.note(f"Add this line to metadata in {want.place}, so that it is found again without state:")
        console.lines([f"import: {live.name}"])
        return
    if want.id != live.id:
        console.note(f"Add this line to metadata in {want.place}, so that it is found again without state:")
    console.lines([escape(f"id: {live.id}")])
