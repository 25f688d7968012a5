"""`reconciler force-unlock`."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import options, wiring
from reconciler.cli.console import Console
from reconciler.render.terminal import escape


@click.command("force-unlock")
@click.argument("lock_id", metavar="ID")
@options.place
@options.variables
def command(*, lock_id: str, **given: Any) -> None:
    """Break somebody's lock, given the id that the refusal named. Only when that run is surely dead."""
    shared = wiring.Options(**given, need=False)
    environ = wiring.environment()
    loaded, _ = wiring.manifests(shared, environ, models=False)
    holder = wiring.state_manager("force-unlock", shared, loaded.stack, environ).force_unlock(lock_id)
    Console().lines([escape(f"Unlocked. It was held by {holder}.")])
