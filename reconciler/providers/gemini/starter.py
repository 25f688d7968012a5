"""Writes the first manifest of `init --kind TunedModel`."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.providers.api import Starter
from reconciler.providers.google.tutorial import PAIRS

_MODEL = """\
# The first model of Google's tuning tutorial. The model answers with the next number.
# The last five examples are not from the tutorial. They are here because Google advises at least 20 examples.
# Since May 2025 the Gemini API has had no base model that can be tuned.
# The emulator serves this base model: add --emulator to each command that contacts a service.
apiVersion: reconciler/v1
kind: TunedModel
metadata:
  name: number-generator
spec:
  display_name: number generator model
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task:
    hyperparameters: {batch_size: 2, learning_rate: 0.001, epoch_count: 5}
    training_data:
      examples:
        examples:
"""


def _write(name: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    del name, environ
    items = "".join(
        f"          - {{text_input: {_quote(text)}, output: {_quote(output)}}}\n" for text, output in PAIRS
    )
    return {"number-generator.yaml": _MODEL + items}


def _quote(text: str) -> str:
    """Put a text that YAML would read as a number in quotes."""
    return text if text[0].isalpha() else f'"{text}"'


STARTER = Starter(
    "tuned by the Gemini API (Google no longer offers tuning for it; the emulator does)", _write
)
