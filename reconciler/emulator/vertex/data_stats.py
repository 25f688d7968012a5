"""What the service counts in a data set: TuningDataStats, and the steps of a tuning."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from reconciler.emulator.vertex.data_sets import MOST_TOKENS, DataSet

_BATCH = 8
_SAMPLES = 3


def count_steps(data: DataSet, epochs: int) -> int:
    """Return how many steps a tuning has."""
    return math.ceil(len(data.examples) * epochs / _BATCH)


def describe_data(data: DataSet, epochs: int, *, is_preference: bool) -> dict[str, Any]:
    """Return TuningDataStats."""
    examples = data.examples
    inputs = [example.input_tokens for example in examples]
    outputs = [example.output_tokens for example in examples]
    stats: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(examples)),
        "totalBillableTokenCount": str(sum(inputs) + sum(outputs)),
        "tuningStepCount": str(count_steps(data, epochs)),
        "userInputTokenDistribution": _describe_distribution(inputs, is_supervised=not is_preference),
        "userOutputTokenDistribution": _describe_distribution(outputs, is_supervised=not is_preference),
    }
    indices = [str(number) for number in data.dropped]
    if indices:
        reason = f"The example has more than {MOST_TOKENS} tokens."
        stats["droppedExampleReasons"] = [reason] * len(indices)
    if is_preference:
        stats |= {"droppedExampleIndices": indices} if indices else {}
        return {"preferenceOptimizationDataStats": stats}
    characters = sum(example.input_characters + example.output_characters for example in examples)
    messages = [example.messages for example in examples]
    stats |= {
        "totalTuningCharacterCount": str(characters),
        "totalBillableCharacterCount": str(characters),
        "userMessagePerExampleDistribution": _describe_distribution(messages, is_supervised=True),
        "userDatasetExamples": [example.first for example in examples[:_SAMPLES]],
    }
    if indices:
        stats |= {"totalTruncatedExampleCount": str(len(indices)), "truncatedExampleIndices": indices}
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
