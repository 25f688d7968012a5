"""The field table of `kind: TunedModel`: which fields exist, how they compare, what changes do.

Data only, and light to import: `validate` and `plan` read it without any HTTP library. A field that is not
in the table is output only, or training data, which the API never returns.
"""

from __future__ import annotations

from types import MappingProxyType

from reconciler.kind import Field, FieldRole, FieldType, Kind, OnChange
from reconciler.providers.base_models import PackagedBases

HYPERPARAMETERS = "tuning_task.hyperparameters"
BASE_MODEL = "base_model"
PARENT = "tuned_model_source.tuned_model"
BASE_NAMES = ("projects/*/locations/*/publishers/google/models/", "publishers/google/models/", "models/")
"""Prefixes that a base model's name may have. This API's own prefix is the last."""

_FIELDS = (
    # source_model is a oneof of these two; both are immutable (tuned_model.proto)
    Field(BASE_MODEL, FieldType.STRING, OnChange.REPLACE, role=FieldRole.SOURCE, prefixes=BASE_NAMES),
    Field(PARENT, FieldType.STRING, OnChange.REPLACE, role=FieldRole.SOURCE),
    Field("display_name", FieldType.STRING, OnChange.UPDATE, absent=""),
    Field("description", FieldType.STRING, OnChange.UPDATE, absent=""),
    # These are `optional` in the proto: zero is a value, and the base model decides absent ones.
    Field("temperature", FieldType.FLOAT32, OnChange.UPDATE),
    Field("top_p", FieldType.FLOAT32, OnChange.UPDATE),
    Field("top_k", FieldType.INTEGER, OnChange.UPDATE),
    Field("reader_project_numbers", FieldType.INTEGERS, OnChange.UPDATE, absent=()),
    *(
        Field(f"{HYPERPARAMETERS}.{name}", type, OnChange.REPLACE, role=FieldRole.HYPERPARAMETER)
        for name, type in (
            ("batch_size", FieldType.INTEGER),
            ("epoch_count", FieldType.INTEGER),
            ("learning_rate", FieldType.FLOAT32),
            ("learning_rate_multiplier", FieldType.FLOAT32),
        )
    ),
)

TUNED_MODEL = Kind(
    name="TunedModel",
    fields=MappingProxyType({field.path: field for field in _FIELDS}),
    data_field="tuning_task.training_data",
    api="generativelanguage.googleapis.com",
    permissions=True,
    pinned_ids=True,
    collection="tunedModels/",
    called_by_name=True,
    epochs=f"{HYPERPARAMETERS}.epoch_count",
    batch=f"{HYPERPARAMETERS}.batch_size",
    # The guide documents 5 and 4, but the service may choose by the number of examples.
    default_epochs=5,
    default_batch=4,
    instead="TuningJob",
    lists_progress=True,
    bases=PackagedBases(__package__),
)
