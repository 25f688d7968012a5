"""`reconciler generate`."""

from __future__ import annotations

import sys
from typing import Any

import click

from reconciler import bounds
from reconciler.cli import options, wiring
from reconciler.cli.console import emit
from reconciler.cli.record_selection import Chosen
from reconciler.errors import UsageError
from reconciler.manifests import Loaded
from reconciler.state.values import State


@click.command("generate")
@click.argument("address", metavar="ADDR")
@click.argument("prompt")
@options.paths
@options.service
@click.option("--temperature", type=click.FloatRange(0, 2), help="Instead of the model's own.")
def command(*, address: str, prompt: str, temperature: float | None, no_color: bool, **given: Any) -> None:
    """Ask a managed model; PROMPT - reads standard input."""
    from reconciler.operation import serving

    del no_color  # an answer is never coloured
    if prompt == "-":
        try:
            prompt = sys.stdin.buffer.read(bounds.PROMPT + 1).decode()
        except UnicodeDecodeError as error:
            raise UsageError("standard input is not UTF-8", "Convert the prompt to UTF-8") from error
    if len(prompt) > bounds.PROMPT:
        raise UsageError("the prompt is larger than 64 MB", "No model takes one that long")
    chosen = Chosen(address, given, of_paths=False)

    def asks(loaded: Loaded, state: State) -> set[str]:
        return {one.address.kind for one in chosen.tried(loaded, state)}

    with wiring.operation("generate", chosen.options, models=False, asks=asks) as run:
        provider, handle = serving.handle(run, chosen.one(run.loaded, run.state()))
        answer = provider.generate(handle, prompt, temperature=temperature)
    if sys.stdout.isatty():
        from reconciler.render.terminal import escape_lines

        answer = escape_lines(answer)  # what a model says must not drive the terminal; a pipe gets it raw
    emit(answer if answer.endswith("\n") else answer + "\n")
