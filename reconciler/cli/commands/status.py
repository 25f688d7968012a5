"""`reconciler status`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
from msgspec.structs import replace

from reconciler.cli import deadline, exit_codes, options, wiring
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation, Lists, Need


@click.command("status")
@click.argument("words", nargs=-1, metavar="[ADDR or PATH]...")
@options.service
@options.selection
@click.option("-w", "--watch", is_flag=True, help="Show it again until nothing is in training.")
@options.timeout
@options.json_output
def command(
    *,
    words: tuple[str, ...],
    watch: bool,
    as_json: bool,
    no_color: bool,
    timeout: timedelta | None,
    **given: Any,
) -> int:
    """Show what every declared and recorded model does: whether it serves, trains, waits or has failed.

    Changes nothing, and takes no lock. With --watch it ends with 3 if it is stopped while a model is in
    training. If ADDR is also the name of a file or folder, the address is meant; write ./NAME for the path.
    """
    from reconciler.cli import status_display

    deadline.start(timeout)
    console = Console.open(as_json=as_json, no_color=no_color)
    selection = status_display.read_words(words, given)
    invocation = replace(Invocation.read("status", selection, Need.ANY), reads_training=False)
    with wiring.open_operation(invocation, lists=Lists.PROGRESS) as operation:
        show = status_display.show_again if watch else status_display.show_once
        found = show(operation, invocation, console)
        console.print_note(operation.remark)
    status_display.advise(found, invocation, console, is_watch=watch)
    return exit_codes.decide_after_status(found, is_watch=watch)
