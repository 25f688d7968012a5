"""The kinds of model that a manifest can declare. Each has a line in the table, and a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.bases import Base
from reconciler.datasets.chat import SUPERVISED
from reconciler.datasets.data_sets import DataSets
from reconciler.manifests import model_copy, tuned_model, tuning_job
from reconciler.manifests.base_limits import check_base
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import ModelEnvelope
from reconciler.model import DataSet


def read_endpoint(document: Document) -> tuple[str, str]:
    """Return the id and the location of the stable endpoint that a document declares, "" for none."""
    return document.at("serving.endpoint").text, document.at("serving.location").text


Choice = tuple[str, tuple[str, str], bool]
"""Where, which keys exclude each other, whether one of them must be there."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a kind in manifests.

    Attributes:
        manifest: the schema of the whole document.
        choices: the API's oneofs.
        data: the keys of the training data. A model that may have to be trained needs one of them.
        parent: the field that may name another manifest, "" if none.
        parents: the kinds that this manifest may be of beside its own.
        read_data_sets: takes the document, the DataSets that measure files, and how many bytes the request
            has beside the data. Returns the data sets, even if other parts of the document are wrong. Returns
            none after noting what is wrong with them.
        check_base: takes the document, the table of base models and the Stack's location. Notes what the base
            model does not accept. None if only the service knows.
        check_checkpoint: takes the document. Notes a chosen checkpoint that the training cannot have. None if
            only the service knows.
        find_endpoint: takes the document. Returns the id and the location of its stable endpoint, "" if it
            has none.
        questions: the form (`datasets.measure.FORMS`) of the held-out files of the kind's checks.
    """

    manifest: type[ModelEnvelope]
    choices: tuple[Choice, ...]
    data: tuple[str, ...]
    parent: str
    read_data_sets: Callable[[Document, DataSets, int], tuple[DataSet, ...]]
    check_base: Callable[[Document, Mapping[str, Base], str], None] | None = None
    check_checkpoint: Callable[[Document], None] | None = None
    questions: str = ""
    parents: tuple[str, ...] = ()
    find_endpoint: Callable[[Document], tuple[str, str]] = read_endpoint


FORMS: Mapping[str, Form] = {
    "TunedModel": Form(
        manifest=tuned_model.TunedModelManifest,
        choices=(
            ("spec", ("base_model", "tuned_model_source"), True),
            ("spec.tuning_task.hyperparameters", ("learning_rate", "learning_rate_multiplier"), False),
            ("spec.tuning_task.training_data", ("examples", "file"), True),
        ),
        data=("tuning_task.training_data",),
        parent="tuned_model_source.tuned_model",
        read_data_sets=tuned_model.read_data_sets,
    ),
    "TuningJob": Form(
        manifest=tuning_job.TuningJobManifest,
        choices=(
            ("spec", ("base_model", "pre_tuned_model"), True),
            ("spec", ("supervised_tuning_spec", "preference_optimization_spec"), True),
        ),
        data=(
            "supervised_tuning_spec.training_dataset_uri",
            "preference_optimization_spec.training_dataset_uri",
        ),
        parent="pre_tuned_model.tuned_model_name",
        read_data_sets=tuning_job.read_data_sets,
        check_base=check_base,
        check_checkpoint=tuning_job.check_checkpoint,
        questions=SUPERVISED,
    ),
    "ModelCopy": Form(
        manifest=model_copy.ModelCopyManifest,
        choices=(
            ("spec.source", ("address", "model"), True),
            ("spec.source", ("state", "model"), False),
        ),
        data=(),
        parent="source.address",
        read_data_sets=model_copy.read_data_sets,
        questions=SUPERVISED,
        parents=("TuningJob",),
        find_endpoint=model_copy.find_endpoint,
        check_checkpoint=model_copy.check_checkpoint,
    ),
}

STACK = "Stack"
REMOVED = "Removed"
