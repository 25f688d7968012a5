"""The table of `kind: TuningJob` for plain documents. `tuning_job` has its schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from reconciler.datasets.chat import SUPERVISED
from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.base_limits import check_base
from reconciler.manifests.documents import Document
from reconciler.manifests.job_data import read_data_sets
from reconciler.manifests.plain_table import ALWAYS, Table, make_keys
from reconciler.manifests.plain_values import (
    read_choice,
    read_location,
    read_pattern,
    read_positive,
    read_project,
    read_text,
    read_vertex_base,
    read_visible,
    read_whole,
)
from reconciler.manifests.texts import ADAPTER_SIZES, ENDPOINT, JOB_DISPLAY_NAME, LIVE_JOB
from reconciler.model.data import DataSet
from reconciler.model.names import Attributes

_TRAINING, _VALIDATION = f"{SUPERVISED}.training_dataset_uri", f"{SUPERVISED}.validation_dataset_uri"


def _read_data(
    document: Document, data_sets: DataSets, found: Mapping[str, Any], attributes: Attributes
) -> tuple[DataSet, ...]:
    del attributes
    named = [field for field in (_TRAINING, _VALIDATION) if f"spec.{field}" in found]
    return read_data_sets(document, data_sets, 0, named)


TABLE = Table(
    keys=make_keys(
        "TuningJob",
        metadata={"location": read_location, "project": read_project, "import": read_pattern(LIVE_JOB)},
        spec={
            "tuned_model_display_name": partial(read_text, least=1, most=JOB_DISPLAY_NAME),
            "description": read_text,
            "base_model": read_vertex_base,
            "supervised_tuning_spec": {
                "training_dataset_uri": read_visible,
                "validation_dataset_uri": read_visible,
                "hyper_parameters": {
                    "epoch_count": read_whole,
                    "learning_rate_multiplier": read_positive,
                    "adapter_size": read_choice(*(f"ADAPTER_SIZE_{size}" for size in ADAPTER_SIZES)),
                },
            },
        },
        beside={"serving": {"endpoint": read_pattern(ENDPOINT)}},
    ),
    required=ALWAYS | {"spec.base_model"},
    choices=frozenset({f"spec.{_TRAINING}"}),
    within=f"spec.{SUPERVISED}.",
    parent="spec.pre_tuned_model.tuned_model_name",
    read_data=_read_data,
    questions=SUPERVISED,
    check_base=check_base,
    base_paths=("spec.base_model", "metadata.location", f"spec.{SUPERVISED}.hyper_parameters.adapter_size"),
)
