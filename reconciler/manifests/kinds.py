"""The kinds of model that a manifest can declare: one line each, one sibling module each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.datasets.data_sets import DataSets
from reconciler.kind import Base
from reconciler.manifests import tuned_model, tuning_data, tuning_job
from reconciler.manifests.base_limits import check_base
from reconciler.manifests.envelope import ModelEnvelope
from reconciler.manifests.located import YamlMap
from reconciler.model import DataSet
from reconciler.problems import Problems

Choice = tuple[str, tuple[str, str], bool]
"""Where, which keys exclude each other, whether one of them must be there."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a kind is written.

    Attributes:
        manifest: the model of its whole document.
        choices: its oneofs.
        data: the keys of the training data, of which one must be there where a model may have to be trained.
        parent: the field that may name another manifest of the kind, "" if none.
        data_sets: (document, its file, what reads data files, where to note what is wrong, bytes of the
            request beside the data) to its data sets; empty after noting what is wrong.
        check_base: (document, its file, table of base models, the Stack's location, where to note what is
            wrong) notes what the base model does not take; None where only the service knows.
    """

    manifest: type[ModelEnvelope]
    choices: tuple[Choice, ...]
    data: tuple[str, ...]
    parent: str
    data_sets: Callable[[YamlMap, str, DataSets, Problems, int], tuple[DataSet, ...]]
    check_base: Callable[[YamlMap, str, Mapping[str, Base], str, Problems], None] | None = None


FORMS: Mapping[str, Form] = {
    "TunedModel": Form(
        tuned_model.TunedModelManifest,
        tuned_model.CHOICES,
        tuned_model.DATA,
        tuned_model.PARENT,
        tuned_model.data_sets,
    ),
    "TuningJob": Form(
        tuning_job.TuningJobManifest,
        tuning_job.CHOICES,
        tuning_job.DATA,
        tuning_job.PARENT,
        tuning_data.data_sets,
        check_base,
    ),
}

STACK = "Stack"


def field_value(spec: Any, path: str) -> Any:
    """What a validated spec says at a field's path; None when it says nothing."""
    for step in path.split("."):
        spec = getattr(spec, step, None)
        if spec is None:
            return None
    return spec
