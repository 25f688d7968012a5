"""Measures pairs that stand in a manifest and have nothing wrong with them, as nearly all do.

Rule: this module imports nothing that only other data needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from reconciler.datasets.pair_lines import encode_pairs
from reconciler.model.data import DataSet, Example

INPUT_LIMIT = 40_000
OUTPUT_LIMIT = 5_000
"""Characters of one example (Google's fine-tuning guide, datasets for Gemini 1.5 Flash)."""


def measure_plain_pairs(examples: Sequence[Example], most: int) -> DataSet | None:
    """Measure pairs in a manifest of which a survey has nothing to tell: sound ones, each with its own input.

    Returns None for others, and for more than `most` bytes. `measure_rows` tells what is wrong with them.
    """
    inputs, outputs = [example.text_input for example in examples], [example.output for example in examples]
    if len(set(inputs)) < len(inputs) or "" in outputs:
        return None
    lengths, output_lengths = list(map(len, inputs)), list(map(len, outputs))
    if max(lengths) > INPUT_LIMIT or max(output_lengths) > OUTPUT_LIMIT:
        return None
    try:
        lines = encode_pairs(inputs, outputs)
    except UnicodeEncodeError:
        return None
    if len(lines) > most:
        return None
    digest = hashlib.sha256(lines).hexdigest()
    return DataSet(digest, len(examples), sum(lengths) + sum(output_lengths), inline=tuple(examples))
