"""The field tables of `kind: TuningJob` and `kind: ModelCopy`.

Data only, and light to import. Paths are those of the API's TuningJob and of its request for a copy
(CopyModelRequest), in snake_case. Of a copy, `source` is the request's source_model.
`metadata.location` and `metadata.project` are the manifest's own, because the API has them in the resource
name.
"""

from __future__ import annotations

from types import MappingProxyType

from reconciler.kind import Field, FieldRole, FieldType, Kind, OnChange
from reconciler.model.names import SOURCE
from reconciler.providers.base_models import PackagedBases

BASE_MODEL = "base_model"
PARENT = "pre_tuned_model.tuned_model_name"
CHECKPOINT = "pre_tuned_model.checkpoint_id"
DISPLAY_NAME = "tuned_model_display_name"
DESCRIPTION = "description"
LABELS = "labels"
EVALUATION = "supervised_tuning_spec.evaluation_config"
"""Its value is the JSON of the API's EvaluationConfig."""
SERVICE_ACCOUNT = "custom_service_account"
KEY = "encryption_spec.kms_key_name"
LOCATION = "metadata.location"
PROJECT = "metadata.project"
SPECS = ("supervised_tuning_spec", "preference_optimization_spec")
"""The two ways to tune; a job has one of them."""

PUBLISHER = "publishers/google/models/"
"""A prefix that a base model's name may have."""


BASE_NAMES = (f"projects/*/locations/*/{PUBLISHER}", PUBLISHER, "models/")
"""Prefixes that a base model's name may have. This API takes the name without a prefix."""

_WITH_PRESENCE = frozenset(
    {
        # `optional` in GenerationConfig, ThinkingConfig and AutoraterConfig: zero and false are values
        "audioTimestamp", "candidateCount", "enableAffectiveDialog", "flipEnabled", "frequencyPenalty",
        "includeThoughts", "logprobs", "maxOutputTokens", "presencePenalty", "responseLogprobs",
        "samplingCount", "seed", "temperature", "thinkingBudget", "topK", "topP",
        # members of a oneof: even an empty one is a choice
        "bleuSpec", "exactMatchSpec", "returnRawOutput", "rougeSpec",
    }
)  # fmt: skip
_ANY_JSON = frozenset(
    {"additionalConfig", "metadata", "metricSpecParameters", "parameters", "responseJsonSchema"}
)
"""Keys of an EvaluationConfig whose value counts though it is empty, and those that hold any JSON at all."""


def _make_hyperparameter(path: str, type: FieldType, *, absent: bool | None = None) -> Field:
    return Field(path, type, OnChange.REPLACE, role=FieldRole.HYPERPARAMETER, absent=absent)


def _list_spec_fields(name: str) -> tuple[Field, ...]:
    numbers = f"{name}.hyper_parameters"
    return (
        _make_hyperparameter(f"{numbers}.epoch_count", FieldType.INTEGER),
        # a double at the service; identities and comparisons use single precision
        _make_hyperparameter(f"{numbers}.learning_rate_multiplier", FieldType.FLOAT32),
        _make_hyperparameter(f"{numbers}.adapter_size", FieldType.STRING),
        # documented as false if it is not set
        _make_hyperparameter(f"{name}.export_last_checkpoint_only", FieldType.BOOLEAN, absent=False),
    )


_PLACES = (
    Field(LOCATION, FieldType.STRING, OnChange.REPLACE, role=FieldRole.PLACE),
    Field(PROJECT, FieldType.NAMES, OnChange.REPLACE, role=FieldRole.PLACE),
)

_FIELDS = (
    Field(BASE_MODEL, FieldType.STRING, OnChange.REPLACE, role=FieldRole.SOURCE, prefixes=BASE_NAMES),
    # the project by its id or its number, because the service answers with the number
    Field(PARENT, FieldType.STRING, OnChange.REPLACE, role=FieldRole.SOURCE, prefixes=("projects/*/",)),
    Field(CHECKPOINT, FieldType.STRING, OnChange.REPLACE, role=FieldRole.CHECKPOINT, absent=""),
    *_list_spec_fields(SPECS[0]),
    # it is run during training, and no later call can run it
    Field(
        EVALUATION,
        FieldType.JSON,
        OnChange.REPLACE,
        role=FieldRole.HYPERPARAMETER,
        counted=_WITH_PRESENCE,
        verbatim=_ANY_JSON,
    ),
    *_list_spec_fields(SPECS[1]),
    _make_hyperparameter(f"{SPECS[1]}.hyper_parameters.beta", FieldType.FLOAT32),
    Field(DISPLAY_NAME, FieldType.STRING, OnChange.UPDATE),
    Field(DESCRIPTION, FieldType.STRING, OnChange.UPDATE, absent=""),
    Field(LABELS, FieldType.STRINGS, OnChange.UPDATE, absent=()),
    Field(KEY, FieldType.STRING, OnChange.REPLACE, absent=""),
    Field("service_account", FieldType.STRING, OnChange.REPLACE, absent=""),
    *_PLACES,
)

TUNING_JOB = Kind(
    name="TuningJob",
    fields=MappingProxyType({field.path: field for field in _FIELDS}),
    data_field=f"{SPECS[0]}.training_dataset_uri",
    api="aiplatform.googleapis.com",
    access="its access is the project's IAM",
    epochs="hyper_parameters.epoch_count",  # in either spec; Google documents no default
    has_endpoints=True,
    bases=PackagedBases(__package__),
)

_COPY_FIELDS = (
    # the project by its id or its number, because the service answers with the number
    Field(SOURCE, FieldType.STRING, OnChange.REPLACE, role=FieldRole.SOURCE, prefixes=("projects/*/",)),
    # it only reads the source while the copy is made, and the copy does not show it
    Field(SERVICE_ACCOUNT, FieldType.STRING, OnChange.NOTHING, absent=""),
    Field(KEY, FieldType.STRING, OnChange.REPLACE, absent=""),
    *_PLACES,
)

MODEL_COPY = Kind(
    name="ModelCopy",
    fields=MappingProxyType({field.path: field for field in _COPY_FIELDS}),
    data_field="",
    api="aiplatform.googleapis.com",
    access="its access is the project's IAM",
    has_endpoints=True,
    trains=False,
)
