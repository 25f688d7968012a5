"""The first manifest that `init --kind TunedModel` writes."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.providers.api import Starter
from reconciler.providers.google.tutorial import PAIRS

_MODEL = """\
# The first model of Google's tuning tutorial: it answers with the next number. The last five examples are
# not the tutorial's: Google advises 20 or more. Since May 2025 the Gemini API has had no base model that can
# be tuned. The emulator serves this one: add --emulator to each command.
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
    """As YAML reads it as text: what looks like a number is quoted."""
    return text if text[0].isalpha() else f'"{text}"'


STARTER = Starter("tuned by the Gemini API, which has no base model for it today", _write)
