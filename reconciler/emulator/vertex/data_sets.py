"""Data sets in the object store: read when a job is created, judged, and counted.

One JSON object a line. For supervised tuning `contents`, in which user and model alternate and the
model has the last word; for preference optimization a prompt and scored `completions`. A token is
four characters here. What is wrong with the data fails the job, not the request, as it is read by
the job and not by the front end: no document says so, but the field for it is the job's error.
"""

import dataclasses
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.emulator.database import Store
from reconciler.emulator.errors import ApiError
from reconciler.emulator.json_text import read
from reconciler.emulator.protojson import parse
from reconciler.emulator.storage.objects import content_of
from reconciler.emulator.vertex.messages import EXAMPLE, PREFERENCE_EXAMPLE

MOST_TOKENS = 131_072
_MOST_VALIDATION = 5_000
_FREE_VALIDATION = 1_000
_LARGEST = 2**30
_BATCH = 8
_SAMPLES = 3


class Unfit(Exception):  # noqa: N818
    """What is wrong with a data set, in words for the job's error."""


@dataclasses.dataclass(frozen=True)
class Example:
    """What one line asks and answers, and what it counts."""

    prompt: str
    answer: str
    messages: int
    input_characters: int
    output_characters: int
    first: dict[str, Any]

    @property
    def tokens(self) -> int:
        """How long it is."""
        return _tokens(self.input_characters) + _tokens(self.output_characters)


@dataclasses.dataclass(frozen=True)
class DataSet:
    """All lines that are used, and the numbers from 1 of those too long to be."""

    examples: list[Example]
    dropped: list[int]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What an answer is made of."""
        return [(example.prompt, example.answer) for example in self.examples]


def read_data_set(store: Store, uri: str, *, preference: bool) -> DataSet:
    """Return the data set at *uri*, or raise Unfit."""
    content = content_of(store, uri)
    if content is None:
        raise Unfit(f"The dataset file {uri} does not exist or is not readable.")
    if len(content) > _LARGEST:
        raise Unfit(f"The dataset file {uri} is larger than 1 GB.")
    examples, dropped = [], []
    for number, line in enumerate(_lines(content), 1):
        try:
            example = _preference(line) if preference else _supervised(line)
        except ApiError as error:
            raise Unfit(f"The dataset {uri} is invalid: line {number}: {error.message}") from error
        if example.tokens > MOST_TOKENS:
            dropped.append(number)
        else:
            examples.append(example)
    if not examples:
        raise Unfit(f"The dataset {uri} has no usable example.")
    return DataSet(examples, dropped)


def check_validation(training: DataSet, validation: DataSet, uri: str) -> None:
    """Raise Unfit for too many validation examples: 5000, and above 1000 as many as 30 % of training."""
    count = len(validation.examples)
    if count > _MOST_VALIDATION:
        raise Unfit(f"The validation dataset {uri} has more than {_MOST_VALIDATION} examples.")
    if count > _FREE_VALIDATION and count > 0.3 * len(training.examples):
        raise Unfit(
            f"The validation dataset {uri} has {count} examples: above {_FREE_VALIDATION}, at most 30 % of "
            "the training examples are allowed."
        )


def step_count(data: DataSet, epochs: int) -> int:
    """Return how many steps a tuning has."""
    return math.ceil(len(data.examples) * epochs / _BATCH)


def stats(data: DataSet, epochs: int, *, preference: bool) -> dict[str, Any]:
    """Return TuningDataStats."""
    examples = data.examples
    tokens = sum(example.tokens for example in examples)
    inputs = [_tokens(example.input_characters) for example in examples]
    outputs = [_tokens(example.output_characters) for example in examples]
    found: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(examples)),
        "totalBillableTokenCount": str(tokens),
        "tuningStepCount": str(step_count(data, epochs)),
    }
    reasons = [f"The example has more than {MOST_TOKENS} tokens."] * len(data.dropped)
    indices = [str(number) for number in data.dropped]
    if preference:
        found["userInputTokenDistribution"] = _distribution(inputs, supervised=False)
        found["userOutputTokenDistribution"] = _distribution(outputs, supervised=False)
        if indices:
            found |= {"droppedExampleIndices": indices, "droppedExampleReasons": reasons}
        return {"preferenceOptimizationDataStats": found}
    characters = sum(example.input_characters + example.output_characters for example in examples)
    found |= {
        "totalTuningCharacterCount": str(characters),
        "totalBillableCharacterCount": str(characters),
        "userInputTokenDistribution": _distribution(inputs, supervised=True),
        "userOutputTokenDistribution": _distribution(outputs, supervised=True),
        "userMessagePerExampleDistribution": _distribution(
            [example.messages for example in examples], supervised=True
        ),
        "userDatasetExamples": [example.first for example in examples[:_SAMPLES]],
    }
    if indices:
        found |= {
            "totalTruncatedExampleCount": str(len(indices)),
            "truncatedExampleIndices": indices,
            "droppedExampleReasons": reasons,
        }
    return {"supervisedTuningDataStats": found}


def _lines(content: bytes) -> Iterator[bytes]:
    return (line for line in content.splitlines() if line.strip())


def _supervised(line: bytes) -> Example:
    value = parse(EXAMPLE, read(line), "")
    contents = value.get("contents", [])
    if len(contents) < 2 or contents[-1].get("role") != "model":
        raise ApiError(400, "contents must begin with a user turn and end with a model turn.")
    return _example(value, contents[:-1], _text(contents[-1]))


def _preference(line: bytes) -> Example:
    value = parse(PREFERENCE_EXAMPLE, read(line), "")
    contents, completions = value.get("contents", []), value.get("completions", [])
    if not contents or len(completions) < 2:
        raise ApiError(400, "contents and two completions are required.")
    best = max(completions, key=lambda completion: completion.get("score", 0))
    return _example(value, contents, _text(best.get("completion", {})))


def _example(value: dict[str, Any], asked: list[dict[str, Any]], answer: str) -> Example:
    expected = "user"
    for content in asked:
        role = content.get("role", "user")
        if role not in {"user", "model", "function"}:
            raise ApiError(400, f"Please use a valid role: user, model. Not {role[:40]!r}.")
        if role not in {expected, "function"}:
            raise ApiError(400, "user and model turns must alternate, and a user begins.")
        expected = "model" if role in {"user", "function"} else "user"
        if not content.get("parts"):
            raise ApiError(400, "Each content must have at least one part.")
    if not answer and "tools" not in value:
        raise ApiError(400, "The answer of the model is empty.")
    system = _text(value.get("systemInstruction", {}))
    return Example(
        prompt=_text(asked[-1]),
        answer=answer,
        messages=len(asked) + 1,
        input_characters=len(system) + sum(len(_text(content)) for content in asked),
        output_characters=len(answer),
        first={"role": asked[0].get("role", "user"), "parts": [{"text": _text(asked[0])}]},
    )


def _text(content: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in content.get("parts", []))


def _tokens(characters: int) -> int:
    return math.ceil(characters / 4)


def _distribution(values: Sequence[int], *, supervised: bool) -> dict[str, Any]:
    total = sum(values)
    ordered = sorted(values)
    bucket = {"left": float(ordered[0]), "right": float(ordered[-1])}
    count = len(values)
    found: dict[str, Any] = {
        "sum": str(total) if supervised else float(total),
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        "mean": total / count,
        "median": float(statistics.median(ordered)),
        "p5": float(ordered[count * 5 // 100]),
        "p95": float(ordered[min(count - 1, count * 95 // 100)]),
        "buckets": [{**bucket, "count": float(count) if supervised else str(count)}],
    }
    return {**found, "billableSum": str(total)} if supervised else found
