"""`reconciler emulator`."""

from __future__ import annotations

import os
import sqlite3
import sys

import click

from reconciler.cli import embedded_emulator
from reconciler.errors import UsageError


@click.command("emulator")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8085, show_default=True, help="0: any free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--data", metavar="FILE", help="Keep its state here; without, it is gone when it stops.")
@click.option(
    "--training-seconds",
    type=click.FloatRange(min=0),
    help="How long a training takes.  [default: 4, or as FILE says]",
)
def command(*, port: int, host: str, data: str | None, training_seconds: float | None) -> None:
    """Serve the APIs locally until stopped: tuned models of the Gemini API, tuning jobs of Vertex AI.

    It does not train: a tuned model answers from its training examples, the same prompt exactly, else the
    nearest one. Its control plane (clock, faults, requests) is described at /emulator.
    """
    from reconciler.emulator import Settings

    serve = embedded_emulator.server().serve

    def ready(url: str) -> None:
        variables = " ".join(f"{name}={url}" for name in ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"))
        sys.stdout.write(f"Serving on {url}\nTo use it: export {variables}\n")
        sys.stdout.flush()

    settings = None if training_seconds is None else Settings(training_seconds=training_seconds)
    try:
        serve(host=host, port=port, data=data, settings=settings, ready=ready)
    except sqlite3.DatabaseError as error:
        raise embedded_emulator.not_its_data(data or "", error) from error
    except OSError as error:
        # asyncio puts the address, once more, into strerror of what has an errno of its own
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        kept = f" or keep {data}" if data else ""
        raise UsageError(
            f"cannot listen on {host}:{port}{kept}: {reason}",
            f"Give another --port{', --host or --data' if data else ' or --host'}",
        ) from error
