"""Reads the documents of models that have what nearly every one has, without the schemas.

The schemas take longer to import than everything else together. Rule: this reader reads what `close_reader`
reads, which a test checks with any document. If a document has anything else (a fault, another spelling, a
key that is not in the tables below), it is left to `close_reader`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from msgspec import Struct

from reconciler.datasets.data_sets import DataSets
from reconciler.identity import encode_canonical
from reconciler.kind import Kind
from reconciler.manifests.base_limits import check_base
from reconciler.manifests.content import Content, Reading
from reconciler.manifests.documents import Document
from reconciler.manifests.kinds import API_VERSION
from reconciler.manifests.places import BESIDE
from reconciler.manifests.references import Declaration
from reconciler.manifests.texts import (
    ADAPTER_SIZES,
    ENDPOINT,
    INT32,
    JOB_DISPLAY_NAME,
    LABEL,
    LABEL_KEY,
    LABEL_LIMIT,
    NAME,
    TUNED_MODEL_DISPLAY_NAME,
    parse_base_name,
)
from reconciler.model import Address, Attributes, DataSet, Example, Lifecycle, Serving, Stack
from reconciler.problems import Place
from reconciler.settings.forms import LOCATION, PROJECT


class LeftError(Exception):
    """The document has something that this reader does not know."""


Read: TypeAlias = Callable[[Any], object]
"""Returns the value as the schema has it, or raises LeftError."""
Keys: TypeAlias = Mapping[str, "Read | Keys"]


def read_keys(keys: Keys, value: object, path: str, found: dict[str, Any]) -> None:
    """Read a mapping, and put each value under its path. Raises LeftError."""
    if type(value) is not dict or not value:
        raise LeftError
    for key, inner in value.items():
        known = keys.get(key)
        if known is None:
            raise LeftError
        if callable(known):
            found[path + key] = known(inner)
        else:
            read_keys(known, inner, f"{path}{key}.", found)


def _read_text(value: object, least: int = 0, most: int | None = None) -> str:
    if type(value) is not str or len(value) < least or (most is not None and len(value) > most):
        raise LeftError
    return value


def read_pattern(pattern: re.Pattern[str], most: int | None = None) -> Read:
    """Make the reader of a text of this form."""

    def read(value: object) -> str:
        if type(value) is not str or (most is not None and len(value) > most) or not pattern.fullmatch(value):
            raise LeftError
        return value

    return read


def read_choice(*choices: str) -> Read:
    """Make the reader of one of these texts."""
    return read_pattern(re.compile("|".join(map(re.escape, choices))))


def _read_whole(value: object) -> int:
    if type(value) is not int or not 1 <= value <= INT32:
        raise LeftError
    return value


def _read_number(value: object, least: float, most: float) -> float:
    if type(value) not in {int, float} or not least <= value <= most:  # type: ignore[operator]
        raise LeftError
    return float(value)  # type: ignore[arg-type]


_read_fraction = partial(_read_number, least=1e-30, most=1)
"""Not zero, which is rare, and nothing that may be zero in single precision."""
_read_positive = partial(_read_number, least=1e-30, most=1e30)


def _read_gemini_base(value: object) -> str:
    name = parse_base_name(value) if type(value) is str and value.startswith("models/") else None
    if name is None:
        raise LeftError
    return f"models/{name}"


def _read_vertex_base(value: object) -> str:
    name = parse_base_name(value) if type(value) is str and "/" not in value else None
    if name is None:
        raise LeftError
    return name


_LABEL_KEY, _LABEL = re.compile(LABEL_KEY, re.ASCII), re.compile(f"{LABEL}?", re.ASCII)


def read_labels(value: object) -> Mapping[str, str]:
    """Read labels."""
    if type(value) is not dict:
        raise LeftError
    for key, text in value.items():
        if type(text) is not str or len(key) > LABEL_LIMIT or len(text) > LABEL_LIMIT:
            raise LeftError
        if not (_LABEL_KEY.fullmatch(key) and _LABEL.fullmatch(text)):
            raise LeftError
    return value


def _read_examples(value: object) -> list[Example]:
    if type(value) is not list:
        raise LeftError
    found = []
    for item in value:
        if type(item) is not dict or item.keys() != {"text_input", "output"}:
            raise LeftError
        text_input, output = item["text_input"], item["output"]
        if type(text_input) is not str or type(output) is not str:
            raise LeftError
        found.append(Example(text_input, output))
    return found


def _read_path(value: object) -> str:
    if type(value) is not str or not value.strip():
        raise LeftError
    return value


read_name = read_pattern(re.compile(NAME, re.ASCII))
read_location = read_pattern(re.compile(LOCATION, re.ASCII))
read_project = read_pattern(re.compile(PROJECT, re.ASCII))

_NUMBERS = "tuning_task.hyperparameters"
_DATA = "spec.tuning_task.training_data"
_EXAMPLES, _FILE = f"{_DATA}.examples.examples", f"{_DATA}.file"
_ALWAYS = (frozenset({"apiVersion"}), frozenset({"metadata.name"}), frozenset({"spec.base_model"}))


class _Table(Struct, frozen=True):
    """What this reader knows of a kind.

    Attributes:
        keys: those of the whole document.
        required: paths, of which one of each set must be there.
        choices: paths of which at most one may be there.
        parent: as `Declaration.parent_path`.
        read_data: returns the data sets, see `form.Form.read_data_sets`. It takes what was read, and the
            attributes.
        checks_base: whether the base model's limits are documented.
    """

    keys: Keys
    required: tuple[frozenset[str], ...]
    choices: tuple[frozenset[str], ...]
    parent: str
    read_data: Callable[[Document, DataSets, Mapping[str, Any], Attributes], tuple[DataSet, ...]]
    checks_base: bool = False


def _read_pairs(
    document: Document, data_sets: DataSets, found: Mapping[str, Any], attributes: Attributes
) -> tuple[DataSet, ...]:
    if _EXAMPLES not in found:
        rest = len(encode_canonical(attributes))
        data = data_sets.read_file(found[_FILE], document.at(_FILE), rest=rest)
        return () if data is None else (data,)

    def find_place(number: int | None) -> Place:
        return document.at(_DATA).key_place if number is None else document.at(_EXAMPLES).at([number]).place

    # the request cannot be too long: a plain document has at most a million characters, so four million bytes
    inline = data_sets.read_inline(found[_EXAMPLES], find_place)
    return () if inline is None else (inline,)


def _read_addresses(
    document: Document, data_sets: DataSets, found: Mapping[str, Any], attributes: Attributes
) -> tuple[DataSet, ...]:
    from reconciler.manifests.job_data import read_data_sets

    del found, attributes
    return read_data_sets(document, data_sets, 0)


_TABLES: Mapping[str, _Table] = {
    "TunedModel": _Table(
        keys={
            "apiVersion": read_choice(API_VERSION),
            "kind": read_choice("TunedModel"),
            "metadata": {"name": read_name, "labels": read_labels},
            "spec": {
                "display_name": partial(_read_text, most=TUNED_MODEL_DISPLAY_NAME),
                "description": _read_text,
                "base_model": _read_gemini_base,
                "temperature": _read_fraction,
                "top_p": _read_fraction,
                "top_k": _read_whole,
                "tuning_task": {
                    "hyperparameters": {
                        "batch_size": _read_whole,
                        "epoch_count": _read_whole,
                        "learning_rate": _read_positive,
                        "learning_rate_multiplier": _read_positive,
                    },
                    "training_data": {"examples": {"examples": _read_examples}, "file": _read_path},
                },
            },
        },
        required=(*_ALWAYS, frozenset({_EXAMPLES, _FILE})),
        choices=(
            frozenset({f"spec.{_NUMBERS}.learning_rate", f"spec.{_NUMBERS}.learning_rate_multiplier"}),
            frozenset({_EXAMPLES, _FILE}),
        ),
        parent="spec.tuned_model_source.tuned_model",
        read_data=_read_pairs,
    ),
    "TuningJob": _Table(
        keys={
            "apiVersion": read_choice(API_VERSION),
            "kind": read_choice("TuningJob"),
            "metadata": {
                "name": read_name,
                "labels": read_labels,
                "location": read_location,
                "project": read_project,
            },
            "spec": {
                "tuned_model_display_name": partial(_read_text, least=1, most=JOB_DISPLAY_NAME),
                "description": _read_text,
                "base_model": _read_vertex_base,
                "supervised_tuning_spec": {
                    "training_dataset_uri": _read_path,
                    "validation_dataset_uri": _read_path,
                    "hyper_parameters": {
                        "epoch_count": _read_whole,
                        "learning_rate_multiplier": _read_positive,
                        "adapter_size": read_choice(*(f"ADAPTER_SIZE_{size}" for size in ADAPTER_SIZES)),
                    },
                },
            },
            "serving": {"endpoint": read_pattern(re.compile(ENDPOINT, re.ASCII))},
        },
        required=(*_ALWAYS, frozenset({"spec.supervised_tuning_spec.training_dataset_uri"})),
        choices=(),
        parent="spec.pre_tuned_model.tuned_model_name",
        read_data=_read_addresses,
        checks_base=True,
    ),
}


class PlainModels:
    """Reads the plain documents of one kind.

    Args:
        kind: the kind of the models.
        stack: the Stack.
        lifecycle: the one for models that say nothing themselves.
        data_sets: measures the training data.
    """

    def __init__(self, kind: Kind, stack: Stack, lifecycle: Lifecycle, data_sets: DataSets) -> None:
        self._kind, self._stack, self._lifecycle, self._data_sets = kind, stack, lifecycle, data_sets
        self._table = _TABLES.get(kind.name)
        self._paths = tuple(
            (path, path if path.startswith(BESIDE) else f"spec.{path}") for path in kind.fields
        )

    def read(self, document: Document) -> Reading | None:
        """Read a document whose values do not know their places. None if only its schema can read it.

        What is wrong with its data, or with its base model, is noted.
        """
        table, kind = self._table, self._kind
        if table is None:
            return None
        found: dict[str, Any] = {}
        try:
            read_keys(table.keys, document.body, "", found)
        except LeftError:
            return None
        there = found.keys()
        if not all(there & required for required in table.required):
            return None
        if any(len(there & choice) > 1 for choice in table.choices):
            return None
        attributes = {path: found[key] for path, key in self._paths if key in found}
        if table.checks_base:
            check_base(document, kind.bases, self._stack.location or "")
        data = table.read_data(document, self._data_sets, found, attributes)
        endpoint = found.get("serving.endpoint", "")
        declaration = Declaration(
            address=Address(kind.name, found["metadata.name"]),
            document=document,
            id="",
            imports="",
            parent=None,
            parent_path=table.parent,
            moved_from=None,
            endpoint=(endpoint, ""),
            trains=kind.trains,
        )
        content = Content(
            attributes=attributes,
            labels=found.get("metadata.labels", {}),
            lifecycle=self._lifecycle,
            serving=Serving(endpoint) if endpoint else None,
        )
        return Reading(declaration, content, data)
