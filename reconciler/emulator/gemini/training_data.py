"""The tuning task of a request: examples and hyperparameters, checked and completed.

The limits are those of Google's fine-tuning guide. Twenty examples are advice there, not a rule:
Google's own tutorial tunes with fifteen.
"""

import dataclasses
from typing import Any

from reconciler.emulator.errors import ApiError, invalid

_LONGEST_INPUT = 40_000
_LONGEST_OUTPUT = 5_000
_MANY_EXAMPLES = 1_000
_AT = "tuned_model.tuning_task"


@dataclasses.dataclass(frozen=True)
class Task:
    """What to train on, and how."""

    pairs: list[tuple[str, str]]
    hyperparameters: dict[str, Any]


def read_task(task: dict[str, Any]) -> Task:
    """Return the tuning task, its gaps filled, or raise a 400."""
    examples = task.get("trainingData", {}).get("examples", {}).get("examples", [])
    if not examples:
        raise _required("training_data", "training data must have at least one example")
    pairs = [_pair(example, n) for n, example in enumerate(examples)]
    return Task(pairs, _hyperparameters(task.get("hyperparameters", {}), len(pairs)))


def _pair(example: dict[str, Any], number: int) -> tuple[str, str]:
    at = f"training_data.examples.examples[{number}]"
    given, wanted = example.get("textInput", ""), example.get("output", "")
    if not given:
        raise _required(f"{at}.text_input", "text_input is required")
    if not wanted:
        raise _required(f"{at}.output", "output is required")
    if len(given) > _LONGEST_INPUT:
        raise _required(f"{at}.text_input", f"longer than {_LONGEST_INPUT} characters")
    if len(wanted) > _LONGEST_OUTPUT:
        raise _required(f"{at}.output", f"longer than {_LONGEST_OUTPUT} characters")
    return given, wanted


def _hyperparameters(asked: dict[str, Any], examples: int) -> dict[str, Any]:
    many = examples > _MANY_EXAMPLES
    found: dict[str, Any] = {
        "epochCount": asked.get("epochCount", 5),
        "batchSize": asked.get("batchSize", 16 if many else 4),
    }
    if "learningRateMultiplier" in asked:
        found["learningRateMultiplier"] = asked["learningRateMultiplier"]
    else:
        found["learningRate"] = asked.get("learningRate", 0.0002 if many else 0.001)
    for name, value in found.items():
        if value <= 0:
            raise _required(f"hyperparameters.{name}", "must be positive")
    return found


def _required(path: str, what: str) -> ApiError:
    field = f"{_AT}.{path}"
    return invalid(f"* CreateTunedModelRequest.{field}: {what}", field=field)
