"""`kind: TunedModel`: the Gemini API's TunedModel as a manifest declares it.

Its `spec` is the body of tunedModels.create, so that the code of Google's tutorial can be pasted. The limits
come from Google's fine-tuning guide and the API's proto. If no source states a limit, only the service checks
it.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from reconciler.datasets.data_sets import DataSets
from reconciler.datasets.lookalikes import KEY_HINTS
from reconciler.manifests import schema_types as schema
from reconciler.manifests.data_files import Columnar, read_layout
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import ModelEnvelope
from reconciler.manifests.form import Form
from reconciler.manifests.texts import BASE_PATTERN, ID, NAME, TUNED_MODEL_DISPLAY_NAME, parse_base_name
from reconciler.model.data import DataSet, Example
from reconciler.problems import Place

ProjectNumber = Annotated[int, Field(ge=1, le=schema.INT64), schema.READ_INTEGER]


def _read_base_model(value: str) -> str:
    if value.startswith(("tunedModels/", "TunedModel/")):
        raise schema.make_refusal(
            "names a tuned model", f"Write tuned_model_source: {{tuned_model: {value}}}."
        )
    if value.startswith("projects/") and "/publishers/" not in value:
        raise schema.make_refusal(
            "names a model of Vertex AI, which the Gemini API cannot tune",
            "Declare kind: TuningJob with pre_tuned_model: "
            "{tuned_model_name: projects/P/locations/L/models/M@VERSION}.",
        )
    name = parse_base_name(value)
    if name is None:
        raise schema.make_refusal(
            "is not a model's resource name", "Write models/NAME: models/gemini-1.5-flash-001-tuning."
        )
    return f"models/{name}"


def _check_twice(numbers: list[int]) -> list[int]:
    seen: set[int] = set()
    for number in numbers:
        if number in seen:
            raise schema.make_refusal(f"has {number} twice", "Remove one of them.")
        seen.add(number)
    return numbers


BaseModelName = Annotated[str, AfterValidator(_read_base_model), schema.show_pattern(BASE_PATTERN)]
_SOURCE = f"TunedModel/{NAME}|tunedModels/{ID}"


def _check_tuned_model(value: str) -> str:
    if re.fullmatch(_SOURCE, value, re.ASCII):
        return value
    if "publishers/" in value or value.startswith("models/"):
        name = parse_base_name(value)
        if name is not None and name[0].isalpha():
            raise schema.make_refusal("names a base model", f"Write base_model: models/{name}.")
    raise schema.make_refusal(
        "names neither a manifest nor a live model",
        f"Write tunedModels/{value}."
        if re.fullmatch(ID, value, re.ASCII)
        else "Write TunedModel/NAME for a manifest, tunedModels/ID for a model that is live.",
    )


TunedModelName = Annotated[str, AfterValidator(_check_tuned_model), schema.show_pattern(f"(?:{_SOURCE})")]


class TunedModelSource(schema.Declared):
    """The tuned model to tune further."""

    OUTPUT_ONLY: ClassVar = frozenset({"base_model"})

    tuned_model: TunedModelName


class Hyperparameters(schema.Declared):
    """The settings of the training. All are immutable. The service has a default for each."""

    HINTS: ClassVar = {
        "epochs": "Write epoch_count.",
        "adapter_size": "The Gemini API has none; it is Vertex AI's.",
    }

    batch_size: schema.Whole | None = None
    epoch_count: schema.Whole | None = None
    learning_rate: schema.Positive | None = None
    learning_rate_multiplier: schema.Positive | None = None


class DeclaredExample(schema.Declared):
    """One training pair. Both texts stay as they are written."""

    HINTS: ClassVar = KEY_HINTS

    text_input: str
    output: Annotated[str, WithJsonSchema({"type": "string", "minLength": 1})]


class DeclaredExamples(schema.Declared):
    """The API's TuningExamples."""

    examples: Annotated[list[DeclaredExample], Field(json_schema_extra={"minItems": 1})]


class TrainingData(Columnar):
    """The training data, in the manifest or in a file beside it."""

    examples: DeclaredExamples | None = None
    file: schema.Text | None = None


class TuningTask(schema.Declared):
    """The task: training data and hyperparameters."""

    OUTPUT_ONLY: ClassVar = frozenset({"start_time", "complete_time", "snapshots"})

    hyperparameters: Hyperparameters = Field(default_factory=Hyperparameters)
    training_data: TrainingData | None = None


class TunedModelSpec(schema.Declared):
    """The body of tunedModels.create."""

    OUTPUT_ONLY: ClassVar = frozenset({"name", "state", "create_time", "update_time"})
    HINTS: ClassVar = {
        "tuned_model_id": "The id is metadata.id; without it one is chosen for you.",
        **dict.fromkeys(
            (
                "pre_tuned_model",
                "supervised_tuning_spec",
                "preference_optimization_spec",
                "tuned_model_display_name",
            ),
            "It is a key of kind: TuningJob.",
        ),
        **dict.fromkeys(("hyperparameters", "training_data"), "It belongs in tuning_task."),
        **dict.fromkeys(("permissions", "lifecycle", "checks"), "It belongs beside spec, not into it."),
        **dict.fromkeys(("labels", "import"), "It belongs in metadata."),
    }

    display_name: Annotated[str, Field(max_length=TUNED_MODEL_DISPLAY_NAME)] | None = None
    description: str | None = None
    base_model: BaseModelName | None = None
    tuned_model_source: TunedModelSource | None = None
    temperature: schema.Fraction | None = None
    top_p: schema.Fraction | None = None
    top_k: schema.Whole | None = None
    reader_project_numbers: (
        Annotated[
            list[ProjectNumber], AfterValidator(_check_twice), Field(json_schema_extra={"uniqueItems": True})
        ]
        | None
    ) = None
    tuning_task: TuningTask | None = None


class TunedModelManifest(ModelEnvelope):
    """A whole document of this kind."""

    kind: Literal["TunedModel"]
    spec: TunedModelSpec


def read_data_sets(document: Document, data_sets: DataSets, rest: int) -> tuple[DataSet, ...]:
    """See `form.Form`."""
    data = document.at("spec.tuning_task.training_data")
    file, examples = data.at("file"), data.at("examples")
    if file.text.strip() and not examples.is_there:
        layout = read_layout(data, TrainingData)
        if layout is None:
            return ()
        stored = data_sets.read_file(file.text, file, rest=rest, layout=layout)
        return () if stored is None else (stored,)
    for key in ("columns", "delimiter") if examples.is_there else ():
        if data.at(key).value is not None:
            data.at(key).error(
                f"{key} is for a file, and these examples stand in the manifest", "Remove it.", of_key=True
            )
    items = examples.at("examples")
    if not isinstance(items.value, list) or file.is_there:
        return ()
    # an item that is not an example is noted already, with the whole document
    found = [(number, pair) for number, item in enumerate(items.value) if (pair := _read_example(item))]
    if items.value and not found:
        return ()

    def find_place(number: int | None) -> Place:
        return data.key_place if number is None else items.at([found[number][0]]).place

    inline = data_sets.read_inline([pair for _, pair in found], find_place, rest=rest)
    return () if inline is None else (inline,)


def _read_example(item: object) -> Example | None:
    if not isinstance(item, dict):
        return None
    text_input, output = item.get("text_input", item.get("textInput")), item.get("output")
    if isinstance(text_input, str) and isinstance(output, str):
        return Example(text_input, output)
    return None


FORM = Form(
    manifest=TunedModelManifest,
    choices=(
        ("spec", ("base_model", "tuned_model_source"), True),
        ("spec.tuning_task.hyperparameters", ("learning_rate", "learning_rate_multiplier"), False),
        ("spec.tuning_task.training_data", ("examples", "file"), True),
    ),
    data=("tuning_task.training_data",),
    parent="tuned_model_source.tuned_model",
    read_data_sets=read_data_sets,
)
