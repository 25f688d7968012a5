"""`kind: TuningJob`: Vertex AI's TuningJob as a manifest declares it.

Its `spec` is the body of tuningJobs.create. Enum values and lengths come from the API's discovery
document (aiplatform v1, revision 20261106), and adapter sizes from Google's page on supervised tuning.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.manifests import schema_types as schema
from reconciler.manifests.base_limits import check_base
from reconciler.manifests.data_files import (
    ChatAddress,
    DataAddress,
    OptionalChatAddress,
    OptionalDataAddress,
)
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import ModelMetadata, ServedEnvelope
from reconciler.manifests.evaluation import Evaluation
from reconciler.manifests.form import Form
from reconciler.manifests.job_data import read_data_sets
from reconciler.manifests.stack import Location, Project
from reconciler.manifests.texts import BASE_PATTERN, JOB_DISPLAY_NAME, LIVE_JOB, NAME, parse_base_name
from reconciler.model.endpoint import BEST, LAST

LABEL_LIMIT = 63
"""Characters of a key or value: the discovery document says "no longer than 64", Google Cloud's rules 63."""
LABELS_LIMIT = 60
"""Google Cloud allows 64 a resource; the service and we add some."""

_MODEL = r"projects/[A-Za-z0-9:._-]+/locations/[a-z0-9-]+/models/[A-Za-z0-9_-]+(?:@[A-Za-z0-9_-]+)?"
_SOURCE = f"TuningJob/{NAME}|{_MODEL}"


def _read_base_model(value: str) -> str:
    if re.fullmatch(_MODEL, value, re.ASCII) or value.startswith("TuningJob/"):
        raise schema.make_refusal(
            "names a tuned model", f"Write pre_tuned_model: {{tuned_model_name: {value}}}."
        )
    _refuse_product(value)
    name = parse_base_name(value)
    if name is None:
        raise schema.make_refusal("is not the name of a base model", "Write one like gemini-3.1-flash-lite.")
    return name


def _refuse_product(value: str) -> None:
    """Refuse the name of an endpoint or a job, because only a tuned model can be tuned again."""
    found = re.fullmatch(r"(projects/[^/]+/locations/[^/]+)/(endpoints|tuningJobs)/.*", value)
    if found:
        what = "an endpoint" if found[2] == "endpoints" else "a tuning job"
        raise schema.make_refusal(
            f"names {what}, and not its model",
            f"Write pre_tuned_model: {{tuned_model_name: {found[1]}/models/M@VERSION}}, as the job's "
            "tunedModel.model says.",
        )
    if value.startswith(("tunedModels/", "TunedModel/")):
        raise schema.make_refusal(
            "names a tuned model of the Gemini API, which Vertex AI cannot tune",
            f"Declare kind: TunedModel with tuned_model_source: {{tuned_model: {value}}}.",
        )


def _check_tuned_model(value: str) -> str:
    if re.fullmatch(_SOURCE, value, re.ASCII):
        return value
    _refuse_product(value)
    if "publishers/" in value or value.startswith("models/"):
        name = parse_base_name(value)
        if name is not None and name[0].isalpha():
            raise schema.make_refusal("names a base model", f"Write base_model: {name}.")
    raise schema.make_refusal(
        "names neither a manifest nor a live model",
        "Write TuningJob/NAME for a manifest, projects/P/locations/L/models/M@VERSION for a live model.",
    )


def _check_labels(found: dict[str, str]) -> dict[str, str]:
    if len(found) > LABELS_LIMIT:
        raise schema.make_refusal(
            f"has {len(found)} labels, and at most {LABELS_LIMIT} are allowed", "Remove some."
        )
    for key, value in found.items():
        if key.startswith("reconciler_"):
            raise schema.make_refusal(
                f"has the label {key}", "Labels that begin with reconciler_ are ours; rename it."
            )
        if not key or not key[0].isalpha() or not _is_label(key):
            raise schema.make_refusal(f"has the label {key!r}, which is not one", _LABEL_ADVICE)
        if not _is_label(value):
            raise schema.make_refusal(f"has {key}: {value!r}, which is not a label's value", _LABEL_ADVICE)
    return found


_LABEL_ADVICE = f"At most {LABEL_LIMIT} lower-case letters, digits, '_' and '-'; a key begins with a letter."


def _is_label(text: str) -> bool:
    return len(text) <= LABEL_LIMIT and all(
        letter in "_-" or (letter.isalnum() and letter == letter.lower()) for letter in text
    )


BaseModelName = Annotated[str, AfterValidator(_read_base_model), schema.show_pattern(BASE_PATTERN)]
AdapterSize = Literal[
    "ADAPTER_SIZE_ONE",
    "ADAPTER_SIZE_TWO",
    "ADAPTER_SIZE_FOUR",
    "ADAPTER_SIZE_EIGHT",
    "ADAPTER_SIZE_SIXTEEN",
    "ADAPTER_SIZE_THIRTY_TWO",
]
ServiceAccount = Annotated[
    str,
    schema.validate_pattern(
        r"(?:[^@\s]+@[^@\s]+)?", "is not a service account", "Write NAME@PROJECT.iam.gserviceaccount.com."
    ),
]


JobName = Annotated[
    str,
    schema.validate_pattern(
        LIVE_JOB,
        "is not the name of a tuning job",
        "Write its number, or projects/P/locations/L/tuningJobs/NUMBER.",
    ),
    schema.show_pattern(LIVE_JOB),
]


_KEY = "(?:projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+)?"
_KEY_ADVICE = "Write projects/P/locations/L/keyRings/R/cryptoKeys/K."

KeyName = Annotated[
    str,
    schema.validate_pattern(_KEY, "is not the name of a key", _KEY_ADVICE),
    schema.show_pattern(_KEY),
]


class PlacedMetadata(ModelMetadata):
    """Identifies a model, and names its project and location, for which there are defaults."""

    HINTS: ClassVar = {**ModelMetadata.HINTS, "region": "Write location."}

    import_: JobName | None = Field(default=None, alias="import")
    location: Location | None = None
    project: Project | None = None


class SupervisedHyperParameters(schema.Declared):
    """The settings of the training. All are immutable. The service chooses those that are absent."""

    HINTS: ClassVar = {
        "epochs": "Write epoch_count.",
        "batch_size": "Vertex AI has none.",
        "learning_rate": "Write learning_rate_multiplier.",
    }

    epoch_count: schema.Whole | None = None
    learning_rate_multiplier: schema.Positive | None = None
    adapter_size: AdapterSize | None = None


class PreferenceHyperParameters(SupervisedHyperParameters):
    """The same as for supervised tuning, and beta, the weight of the KL divergence."""

    beta: schema.Positive | None = None


class _TuningSpec(schema.Declared):
    HINTS: ClassVar = {
        "hyperparameters": "Write hyper_parameters.",
        "training_data": "Write training_dataset_uri: gs://… or a file.",
    }

    export_last_checkpoint_only: schema.Flag | None = None


class SupervisedTuningSpec(_TuningSpec):
    """Supervised tuning. A data set is gs://BUCKET/NAME, a name at the service, or a file here."""

    training_dataset_uri: DataAddress | None = None
    validation_dataset_uri: OptionalDataAddress = None
    hyper_parameters: SupervisedHyperParameters = Field(default_factory=SupervisedHyperParameters)
    evaluation_config: Annotated[Evaluation | None, BeforeValidator(lambda value: value or None)] = None


class PreferenceOptimizationSpec(_TuningSpec):
    """Preference tuning: from pairs of answers, and without an evaluation."""

    HINTS: ClassVar = {**_TuningSpec.HINTS, "evaluation_config": "Only supervised tuning takes one."}

    training_dataset_uri: ChatAddress | None = None
    validation_dataset_uri: OptionalChatAddress = None
    hyper_parameters: PreferenceHyperParameters = Field(default_factory=PreferenceHyperParameters)


class PreTunedModel(schema.Declared):
    """The tuned model to tune further."""

    OUTPUT_ONLY: ClassVar = frozenset({"base_model"})

    tuned_model_name: Annotated[
        str, AfterValidator(_check_tuned_model), schema.show_pattern(f"(?:{_SOURCE})")
    ]
    checkpoint_id: schema.OptionalText | None = None


class EncryptionSpec(schema.Declared):
    """The customer's own key."""

    kms_key_name: KeyName | None = None


class TuningJobSpec(schema.Declared):
    """The body of tuningJobs.create."""

    OUTPUT_ONLY: ClassVar = frozenset(
        {
            "name",
            "state",
            "create_time",
            "start_time",
            "end_time",
            "update_time",
            "error",
            "experiment",
            "gcs_metrics_uri",
            "tuned_model",
            "tuning_data_stats",
            "evaluate_dataset_runs",
        }
    )
    HINTS: ClassVar = {
        "display_name": "Write tuned_model_display_name.",
        **dict.fromkeys(
            ("tuning_task", "tuned_model_source", "temperature", "top_p", "top_k", "reader_project_numbers"),
            "It is a key of kind: TunedModel.",
        ),
        **dict.fromkeys(("location", "project", "import"), "It belongs in metadata."),
        **dict.fromkeys(("lifecycle", "checks"), "It belongs beside spec, not into it."),
        **dict.fromkeys(
            ("hyper_parameters", "training_dataset_uri"), "It belongs in supervised_tuning_spec."
        ),
    }

    base_model: BaseModelName | None = None
    pre_tuned_model: PreTunedModel | None = None
    supervised_tuning_spec: SupervisedTuningSpec | None = None
    preference_optimization_spec: PreferenceOptimizationSpec | None = None
    tuned_model_display_name: Annotated[str, Field(min_length=1, max_length=JOB_DISPLAY_NAME)] | None = None
    description: str | None = None
    labels: Annotated[dict[str, str], AfterValidator(_check_labels)] | None = None
    encryption_spec: EncryptionSpec | None = None
    service_account: ServiceAccount | None = None


class TuningJobManifest(ServedEnvelope):
    """A whole document of this kind."""

    kind: Literal["TuningJob"]
    metadata: PlacedMetadata
    spec: TuningJobSpec


_EVERY_EPOCH = 9
"""Up to so many epochs, the service keeps a checkpoint of each, with the ids 1, 2, 3 (Google's page "Use
checkpoints"). Of more epochs it keeps some, and the last."""


def check_checkpoint(document: Document) -> None:
    """Check that the training can have the chosen checkpoint, as far as documents tell that before."""
    node = document.at("serving.checkpoint")
    choice = str(node.value) if type(node.value) is int else node.text
    if choice in {"", LAST}:
        return
    for spec in (SUPERVISED, PREFERENCE):
        only_last = document.at(f"spec.{spec}.export_last_checkpoint_only")
        epochs = document.at(f"spec.{spec}.hyper_parameters.epoch_count").value
        if only_last.value is True:
            node.error(
                f"serving.checkpoint: {choice} cannot be chosen, because the training keeps only its last "
                "checkpoint",
                f"Write last. Or take export_last_checkpoint_only out (at {only_last.place}); that trains "
                "again.",
            )
        elif _is_beyond(choice, epochs):
            ids = ", ".join(map(str, range(1, epochs + 1)))
            node.error(
                f"serving.checkpoint: a training of {epochs} epochs has no checkpoint {choice}",
                f"It has one of each epoch: {ids}. Write one of these, last or best.",
            )


def _is_beyond(choice: str, epochs: object) -> bool:
    """Return whether a training of so many epochs has a checkpoint for each, and none with this id."""
    if type(epochs) is not int or epochs > _EVERY_EPOCH or choice == BEST:
        return False
    return not (choice.isdecimal() and 1 <= int(choice) <= epochs)


FORM = Form(
    manifest=TuningJobManifest,
    choices=(
        ("spec", ("base_model", "pre_tuned_model"), True),
        ("spec", ("supervised_tuning_spec", "preference_optimization_spec"), True),
    ),
    data=(
        "supervised_tuning_spec.training_dataset_uri",
        "preference_optimization_spec.training_dataset_uri",
    ),
    parent="pre_tuned_model.tuned_model_name",
    read_data_sets=read_data_sets,
    check_base=check_base,
    check_checkpoint=check_checkpoint,
    questions=SUPERVISED,
)
