"""The table of `kind: TunedModel` for plain documents. `tuned_model` has its schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from reconciler.datasets.data_sets import DataSets
from reconciler.identity import encode_canonical
from reconciler.manifests.documents import Document
from reconciler.manifests.plain_table import ALWAYS, Table, make_keys
from reconciler.manifests.plain_values import (
    LeftError,
    read_fraction,
    read_gemini_base,
    read_pattern,
    read_positive,
    read_text,
    read_visible,
    read_whole,
)
from reconciler.manifests.texts import ID, LIVE_TUNED_MODEL, TUNED_MODEL_DISPLAY_NAME
from reconciler.model.data import DataSet, Example
from reconciler.model.names import Attributes
from reconciler.problems import Place

_RATES = frozenset(
    f"spec.tuning_task.hyperparameters.{rate}" for rate in ("learning_rate", "learning_rate_multiplier")
)
_DATA = "spec.tuning_task.training_data"
_EXAMPLES, _FILE = f"{_DATA}.examples.examples", f"{_DATA}.file"
_KEYS = 2
"""Of an example: text_input and output."""


def _read_examples(value: object) -> list[Example]:
    if type(value) is not list:
        raise LeftError
    found = []
    for item in value:
        if type(item) is not dict or len(item) != _KEYS:
            raise LeftError
        text_input, output = item.get("text_input"), item.get("output")
        if type(text_input) is not str or type(output) is not str:
            raise LeftError
        found.append(Example(text_input, output))
    return found


def _read_data(
    document: Document, data_sets: DataSets, found: Mapping[str, Any], attributes: Attributes
) -> tuple[DataSet, ...]:
    if _FILE in found:
        rest = len(encode_canonical(attributes))
        data = data_sets.read_file(found[_FILE], document.at(_FILE), rest=rest)
        return () if data is None else (data,)

    def find_place(number: int | None) -> Place:
        return document.at(_DATA).key_place if number is None else document.at(_EXAMPLES).at([number]).place

    if _EXAMPLES not in found:
        return ()
    # the request cannot be too long: a plain document has at most a million characters, so four million bytes
    inline = data_sets.read_inline(found[_EXAMPLES], find_place)
    return () if inline is None else (inline,)


TABLE = Table(
    keys=make_keys(
        "TunedModel",
        metadata={"id": read_pattern(ID), "import": read_pattern(LIVE_TUNED_MODEL)},
        spec={
            "display_name": partial(read_text, most=TUNED_MODEL_DISPLAY_NAME),
            "description": read_text,
            "base_model": read_gemini_base,
            "temperature": read_fraction,
            "top_p": read_fraction,
            "top_k": read_whole,
            "tuning_task": {
                "hyperparameters": {
                    "batch_size": read_whole,
                    "epoch_count": read_whole,
                    "learning_rate": read_positive,
                    "learning_rate_multiplier": read_positive,
                },
                "training_data": {"examples": {"examples": _read_examples}, "file": read_visible},
            },
        },
    ),
    required=ALWAYS | {"spec.base_model"},
    choices=frozenset({_EXAMPLES, _FILE}),
    excluding=_RATES,
    parent="spec.tuned_model_source.tuned_model",
    read_data=_read_data,
)
