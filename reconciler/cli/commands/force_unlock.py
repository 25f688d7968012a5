"""`reconciler force-unlock`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.console import Console
from reconciler.cli.invocation import Invocation, Need
from reconciler.render.terminal import escape


@click.command("force-unlock")
@click.argument("lock_id", metavar="ID")
@options.place
@options.variables
def command(*, lock_id: str, **given: Any) -> None:
    """Break the lock of another run. The error that refused the lock shows its ID.

    First make sure that the other run has ended. Two runs at the same time can lose a model.
    """
    manager, _ = wiring.open_stack_state(Invocation.read("force-unlock", given, Need.STACK))
    holder = manager.force_unlock(lock_id)
    Console().print_lines([escape(f"Unlocked. It was held by {holder}.")])
