"""`reconciler import`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.apis import list_kinds
from reconciler.cli.console import Console
from reconciler.cli.estate import take_stock
from reconciler.cli.invocation import Invocation
from reconciler.errors import UsageError
from reconciler.model.desired import Desired
from reconciler.model.live import Live
from reconciler.render.terminal import escape

if TYPE_CHECKING:
    from reconciler.plan.estate import Estate


@click.command("import")
@click.argument("words", nargs=-1, metavar="[ADDR ID] [PATH]...")
@click.option(
    "--all", "everything", is_flag=True, help="Write a manifest for each model that nobody manages."
)
@click.option("--kind", type=click.Choice(list(list_kinds())), help="With --all: only models of this kind.")
@click.option("--filter", "pattern", metavar="GLOB", help="With --all: only these ids or display names.")
@click.option("--out", metavar="FOLDER", help="With --all: where to write, inside PATH.  [default: PATH]")
@click.option("--include-foreign", is_flag=True, help="With --all: models of another Stack too.")
@options.json_output
@options.service
@options.locking
def command(*, words: tuple[str, ...], everything: bool, as_json: bool, no_color: bool, **given: Any) -> None:
    """Take over an existing model under the address of a manifest. Trains nothing.

    Prints the line to add to the manifest, so that the model can be found if the state is lost.
    With --all, only manifests are written: the next apply records their models.
    """
    console = Console.open(as_json=as_json, no_color=no_color)
    names = ("kind", "pattern", "out", "include_foreign")
    choice = {name: given.pop(name) for name in names}
    if everything:
        _print_estate(console, take_stock(words, given, **choice))
    elif any(choice.values()):
        raise UsageError("--kind, --filter, --out and --include-foreign belong to --all", "Add --all")
    else:
        _import_model(console, words, given)


def _import_model(console: Console, words: tuple[str, ...], given: Any) -> None:
    from reconciler.operation.importing import import_model

    if len(words) < 2:
        raise UsageError(
            f"{'ID' if words else 'ADDR'} is missing",
            "Give ADDR and ID, or --all for every model that nobody manages",
        )
    address, id, *paths = words
    with wiring.open_operation(Invocation.read("import", {**given, "paths": paths})) as operation:
        record, live = import_model(operation, address, id)
        desired = next(model for model in operation.loaded.desired if model.address == record.address)
        has_pinned_ids = operation.find_provider(record.address).kind.pinned_ids
    line = f"id: {live.id}" if has_pinned_ids else f"import: {live.name}"
    if console.as_json:
        shown = {"address": str(record.address), "id": live.id, "name": live.name, "status": str(live.status)}
        console.print_document({**shown, "metadata": "" if desired.imports else line})
        return
    console.print_note(
        f"Imported {live.name} as {record.address} ({live.status}). Nothing was trained.\n"
        "The service does not return training data, so the manifest's data is recorded as assumed."
    )
    if not desired.imports:
        _print_line_to_add(console, desired, live, line, has_pinned_ids=has_pinned_ids)


def _print_line_to_add(
    console: Console, desired: Desired, live: Live, line: str, *, has_pinned_ids: bool
) -> None:
    if not has_pinned_ids or desired.id != live.id:
        console.print_note(
            f"Add this line to metadata in {desired.place}, to find the model even if the state is lost:"
        )
    console.print_lines([escape(line) if has_pinned_ids else line])


def _print_estate(console: Console, found: tuple[Estate, str]) -> None:
    estate, next_command = found
    if console.as_json:
        from reconciler.render.estate import build_estate_document

        console.print_document(build_estate_document(estate))
        return
    from reconciler.render.text.estate import render_estate

    console.print_lines(render_estate(estate, next_command=next_command, width=console.width))
