"""The tuning task of a request: its examples and hyperparameters, checked and completed.

The limits are those of Google's fine-tuning guide. The guide advises twenty examples or more, but that is no
rule: Google's own tutorial tunes with fifteen.
"""

from typing import Any

from reconciler.emulator.errors import ArgumentError
from reconciler.emulator.protojson import to_camel

_LONGEST = {"text_input": 40_000, "output": 5_000}
_MANY_EXAMPLES = 1_000
_AT = "tuned_model.tuning_task"


def read_task(task: dict[str, Any]) -> tuple[list[list[str]], dict[str, Any]]:
    """Return input and output of each example, and all hyperparameters; a 400 for what is out of bounds."""
    examples = task.get("trainingData", {}).get("examples", {}).get("examples", [])
    if not examples:
        raise _make_error("training_data", "training data must have at least one example")
    pairs = [_read_pair(example, n) for n, example in enumerate(examples)]
    return pairs, _complete_hyperparameters(task.get("hyperparameters", {}), len(pairs))


def _read_pair(example: dict[str, Any], number: int) -> list[str]:
    at = f"training_data.examples.examples[{number}]"
    for name, longest in _LONGEST.items():
        text = example.get(to_camel(name), "")
        if not text:
            raise _make_error(f"{at}.{name}", f"{name} is required")
        if len(text) > longest:
            raise _make_error(f"{at}.{name}", f"longer than {longest} characters")
    return [example["textInput"], example["output"]]


def _complete_hyperparameters(asked: dict[str, Any], examples: int) -> dict[str, Any]:
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
            raise _make_error(f"hyperparameters.{name}", "must be positive")
    return found


def _make_error(path: str, what: str) -> ArgumentError:
    field = f"{_AT}.{path}"
    return ArgumentError(f"* CreateTunedModelRequest.{field}: {what}", field=field)
