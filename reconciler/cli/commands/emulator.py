"""`reconciler emulator`."""

from __future__ import annotations

import click

from reconciler.cli import options, start_emulator


@click.command("emulator")
@options.add_setting(
    "--port", click.IntRange(0, 65535), "N", 8085, "The port to listen on; 0 takes any free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--data",
    metavar="FILE",
    help="Keep its data in this file. Without it, all is lost when the emulator stops.",
)
@click.option(
    "--training-seconds",
    type=click.FloatRange(0, 86_400),
    metavar="N",
    help="How long a training takes.  [default: 4, or what FILE says]",
)
def command(*, port: int, host: str, data: str | None, training_seconds: float | None) -> None:
    """Serve both APIs on this machine until stopped, to try things without an account.

    It serves tuned models of the Gemini API and tuning jobs of Vertex AI. It does not train: a tuned model
    answers with the output of the training example that is nearest to the prompt. Its control plane (clock,
    faults, requests) is described at /emulator.
    """
    start_emulator.serve(host=host, port=port, data=data, training_seconds=training_seconds)
