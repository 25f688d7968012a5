"""The first manifests that `init` writes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from reconciler.errors import UsageError

_STACK = """\
# Settings of this folder. The name is part of every id: keep it.
apiVersion: reconciler/v1
kind: Stack
metadata:
  name: {name}
spec:
  guards: {{max_trainings: 5, max_deletes: 5}}
"""

_MODEL = """\
# The first model of Google's tuning tutorial: it answers with the next number. The last five examples are
# not the tutorial's: Google advises 20 or more.
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
          - {text_input: "1", output: "2"}
          - {text_input: "3", output: "4"}
          - {text_input: "-3", output: "-2"}
          - {text_input: twenty two, output: twenty three}
          - {text_input: two hundred, output: two hundred one}
          - {text_input: ninety nine, output: one hundred}
          - {text_input: "8", output: "9"}
          - {text_input: "-98", output: "-97"}
          - {text_input: "1,000", output: "1,001"}
          - {text_input: "10,100,000", output: "10,100,001"}
          - {text_input: thirteen, output: fourteen}
          - {text_input: eighty, output: eighty one}
          - {text_input: one, output: two}
          - {text_input: three, output: four}
          - {text_input: seven, output: eight}
          - {text_input: "25", output: "26"}
          - {text_input: "-1", output: "0"}
          - {text_input: forty five, output: forty six}
          - {text_input: three hundred, output: three hundred one}
          - {text_input: nineteen, output: twenty}
"""


def write(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Each file and whether it was written; one that exists is left as it is.

    A folder that holds manifests already gets nothing more.

    Raises:
        UsageError: the folder cannot be written.
    """
    existing = [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("*.yml"))] if folder.is_dir() else []
    if existing:
        yield from ((file, False) for file in existing)
        return
    name = f"{_word(Path.cwd().name)}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in (("stack.yaml", _STACK.format(name=name)), ("number-generator.yaml", _MODEL)):
            path = folder / file
            path.write_text(text, encoding="utf-8")
            yield path, True
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", "Give a folder that can be written") from error


def _word(text: str) -> str:
    """A folder's name as a Stack may bear it, short enough for the suffix."""
    kept = "".join(one if one.isascii() and one.isalnum() else "-" for one in text.lower()).strip("-")
    return kept[:20].strip("-") if kept[:1].isalpha() else "models"
