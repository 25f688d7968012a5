"""`reconciler generate`."""

from __future__ import annotations

import sys
from typing import Any

import click

from reconciler import bounds
from reconciler.cli import options, wiring
from reconciler.cli.console import print_text
from reconciler.cli.record_selection import RecordSelection
from reconciler.errors import UsageError
from reconciler.manifests import Loaded
from reconciler.state.values import State


@click.command("generate")
@click.argument("address", metavar="ADDR")
@click.argument("prompt")
@options.paths
@options.service
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    metavar="T",
    help="Use this temperature instead of the model's.",
)
def command(*, address: str, prompt: str, temperature: float | None, no_color: bool, **given: Any) -> None:
    """Send a prompt to a managed model, and print its answer.

    A PROMPT of - is read from standard input.
    """
    from reconciler.model.checks import Prompt
    from reconciler.operation import serving

    del no_color  # an answer is never coloured
    prompt = _read_prompt(prompt)
    selection = RecordSelection("generate", address, given, takes_paths=False)

    def ask(loaded: Loaded, state: State) -> set[str]:
        return {record.address.kind for record in selection.try_records(loaded, state)}

    with wiring.open_operation(selection.invocation, ask) as operation:
        record = selection.find_record(operation.loaded, operation.read_state())
        answer = serving.ask(operation, record, Prompt(prompt), temperature=temperature)
    _print_answer(answer)


def _read_prompt(prompt: str) -> str:
    if prompt == "-":
        try:
            prompt = sys.stdin.buffer.read(bounds.PROMPT + 1).decode()
        except UnicodeDecodeError as error:
            raise UsageError("standard input is not UTF-8", "Convert the prompt to UTF-8") from error
    if len(prompt) > bounds.PROMPT:
        raise UsageError("the prompt is larger than 64 MB", "No model takes one that long")
    return prompt


def _print_answer(answer: str) -> None:
    if sys.stdout.isatty():
        from reconciler.render.terminal import escape_lines

        answer = escape_lines(answer)  # an answer must not control the terminal; a pipe gets it raw
    print_text(answer if answer.endswith("\n") else answer + "\n")
