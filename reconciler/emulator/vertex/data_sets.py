"""Data sets in the object store, which are read when a job is created, and what is counted in them.

A data set has a JSON object on each line. For supervised tuning it is `contents`, in which user and model
alternate and the model has the last word. For preference optimization it is a prompt and `completions` with
scores.

Bad data fails the job and not the request. No document says so, but the data is read by the job and not by
the front end, and the job has a field for the error.
"""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any

from reconciler.emulator.call import Call
from reconciler.emulator.errors import ApiError
from reconciler.emulator.generation import count_tokens, read_text
from reconciler.emulator.json_text import parse_json
from reconciler.emulator.protojson import parse_message
from reconciler.emulator.storage.contents import read_object
from reconciler.emulator.vertex.job_requests import SPECS, find_spec, is_multimodal
from reconciler.emulator.vertex.messages import EXAMPLE, PREFERENCE_EXAMPLE

_MOST_TOKENS = 131_072
_MOST_VALIDATION = 5_000
_FREE_VALIDATION = 1_000
_LARGEST = 2**30
_BATCH = 8
_SAMPLES = 3
_MOST_INDICES = 20


class UnfitDataError(Exception):
    """A data set is unfit for training. The message is the text of the job's error."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One line of a data set: its prompt, its answer, and how long they are. A token is four characters here.

    Attributes:
        messages: how many contents it has, with the answer.
        characters: how many characters input and output have.
        first: its first content.
    """

    prompt: str
    answer: str
    messages: int
    characters: int
    input_tokens: int
    output_tokens: int
    first: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class DataSet:
    """The examples that are used, and the numbers of the lines that are too long, counted from 1."""

    examples: list[Example]
    dropped: list[int]


def read_data(call: Call, fields: dict[str, Any]) -> DataSet:
    """Return the data of a job, empty for a multimodal dataset, of which nothing is known here."""
    kind, spec = find_spec(fields)
    training, validation = spec["trainingDatasetUri"], spec.get("validationDatasetUri", "")
    is_preference, checked = kind == SPECS[1], None
    if validation and not is_multimodal(validation):
        checked = _read_data_set(call, validation, is_preference=is_preference)
    if is_multimodal(training):
        return DataSet([], [])
    data = _read_data_set(call, training, is_preference=is_preference)
    if checked:
        _check_validation(data, checked, validation)
    return data


def _read_data_set(call: Call, uri: str, *, is_preference: bool) -> DataSet:
    """Return the data set at a gs:// address. UnfitDataError if it is missing or cannot be used."""
    content = read_object(call.database, uri)
    if content is None:
        raise UnfitDataError(f"The dataset file {uri} does not exist or is not readable.")
    if len(content) > _LARGEST:
        raise UnfitDataError(f"The dataset file {uri} is larger than 1 GB.")
    examples, dropped = [], []
    for number, line in enumerate((line for line in content.splitlines() if line.strip()), 1):
        try:
            example = _read_preference(line) if is_preference else _read_supervised(line)
        except ApiError as error:
            text = f"The dataset {uri} is invalid: line {number}: {error.message}"
            raise UnfitDataError(text) from error
        if example.input_tokens + example.output_tokens > _MOST_TOKENS:
            dropped.append(number)
        else:
            examples.append(example)
    if not examples:
        raise UnfitDataError(f"The dataset {uri} has no usable example.")
    return DataSet(examples, dropped)


def _check_validation(training: DataSet, validation: DataSet, uri: str) -> None:
    """Raise UnfitDataError for more than 5,000 examples, or more than 1,000 and 30 % of the training ones."""
    count = len(validation.examples)
    if count > _MOST_VALIDATION:
        raise UnfitDataError(f"The validation dataset {uri} has more than {_MOST_VALIDATION} examples.")
    if count > _FREE_VALIDATION and count > 0.3 * len(training.examples):
        raise UnfitDataError(
            f"The validation dataset {uri} has {count} examples: above {_FREE_VALIDATION}, at most 30 % of "
            "the training examples are allowed."
        )


def _read_supervised(line: bytes) -> Example:
    value = parse_message(EXAMPLE, parse_json(line), "")
    contents = value.get("contents", [])
    if len(contents) < 2 or contents[-1].get("role") != "model":
        raise ApiError(400, "contents must begin with a user turn and end with a model turn.")
    return _make_example(value, contents[:-1], read_text(contents[-1]))


def _read_preference(line: bytes) -> Example:
    value = parse_message(PREFERENCE_EXAMPLE, parse_json(line), "")
    contents, completions = value.get("contents", []), value.get("completions", [])
    if not contents or len(completions) < 2:
        raise ApiError(400, "contents and two completions are required.")
    best = max(completions, key=lambda completion: completion.get("score", 0))
    return _make_example(value, contents, read_text(best.get("completion", {})))


def _make_example(value: dict[str, Any], contents: list[dict[str, Any]], answer: str) -> Example:
    """Return the example, after a check that its turns alternate."""
    expected = "user"
    for content in contents:
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
    system = read_text(value.get("systemInstruction", {}))
    given = system + "".join(map(read_text, contents))
    return Example(
        prompt=read_text(contents[-1]),
        answer=answer,
        messages=len(contents) + 1,
        characters=len(given) + len(answer),
        input_tokens=count_tokens(given),
        output_tokens=count_tokens(answer),
        first={"role": contents[0].get("role", "user"), "parts": [{"text": read_text(contents[0])}]},
    )


def count_steps(data: DataSet, epochs: int) -> int:
    """Return how many steps a tuning has."""
    return math.ceil(len(data.examples) * epochs / _BATCH)


def describe_data(data: DataSet, fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return the TuningDataStats of a job, None if nothing is known of its data.

    What is billed is the whole data once for each epoch. Dropped examples are not counted.
    """
    examples, (kind, spec) = data.examples, find_spec(fields)
    if not examples:
        return None
    epochs, is_preference = int(spec["hyperParameters"]["epochCount"]), kind == SPECS[1]
    inputs = [example.input_tokens for example in examples]
    outputs = [example.output_tokens for example in examples]
    stats: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(examples)),
        "totalBillableTokenCount": str((sum(inputs) + sum(outputs)) * epochs),
        "tuningStepCount": str(count_steps(data, epochs)),
        "userInputTokenDistribution": _describe_distribution(inputs, is_supervised=not is_preference),
        "userOutputTokenDistribution": _describe_distribution(outputs, is_supervised=not is_preference),
    }
    indices = [str(number) for number in data.dropped[:_MOST_INDICES]]
    if indices:
        reason = f"The example has more than {_MOST_TOKENS} tokens."
        stats["droppedExampleReasons"] = [reason] * len(indices)
    if is_preference:
        stats |= {"droppedExampleIndices": indices} if indices else {}
        return {"preferenceOptimizationDataStats": stats}
    characters = sum(example.characters for example in examples)
    messages = [example.messages for example in examples]
    stats |= {
        "totalTuningCharacterCount": str(characters),
        "totalBillableCharacterCount": str(characters * epochs),
        "userMessagePerExampleDistribution": _describe_distribution(messages, is_supervised=True),
        "userDatasetExamples": [example.first for example in examples[:_SAMPLES]],
    }
    if indices:
        stats |= {"totalTruncatedExampleCount": str(len(data.dropped)), "truncatedExampleIndices": indices}
    return {"supervisedTuningDataStats": stats}


def _describe_distribution(values: Sequence[int], *, is_supervised: bool) -> dict[str, Any]:
    """Return a distribution with one bucket; the two kinds of tuning have their numbers in other types."""
    total, count, ordered = sum(values), len(values), sorted(values)
    least, most = float(ordered[0]), float(ordered[-1])
    distribution: dict[str, Any] = {
        "sum": str(total) if is_supervised else float(total),
        "min": least,
        "max": most,
        "mean": total / count,
        "median": float(statistics.median(ordered)),
        "p5": float(ordered[count * 5 // 100]),
        "p95": float(ordered[min(count - 1, count * 95 // 100)]),
        "buckets": [{"left": least, "right": most, "count": float(count) if is_supervised else str(count)}],
    }
    return {**distribution, "billableSum": str(total)} if is_supervised else distribution
