"""`evaluation_config` of a supervised TuningJob: what the service measures of the tuned model.

Keys and enum values are those of the API's discovery document (aiplatform v1, EvaluationConfig and what is in
it). It becomes one value, its canonical JSON, because nobody asks for a part of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from reconciler.datasets.addresses import BUCKET
from reconciler.identity import encode_canonical
from reconciler.manifests.schema_types import (
    Declared,
    Flag,
    Integer,
    Number,
    Text,
    Whole,
    make_refusal,
    validate_pattern,
)

Map = dict[str, Any]
"""An object that the API gives no form, or one that has nothing to do with tuning."""

_PREFIX = rf"gs://{BUCKET}(?:/[^\x00-\x1f]{{0,1024}})?"


class GenerationConfig(Declared):
    """How answers are generated. Objects in it are passed on as they are."""

    audio_timestamp: Flag | None = None
    audio_transcription_config: Map | None = None
    candidate_count: Whole | None = None
    enable_affective_dialog: Flag | None = None
    frequency_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    image_config: Map | None = None
    logprobs: Integer | None = None
    max_output_tokens: Whole | None = None
    media_resolution: (
        Literal["MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"] | None
    ) = None
    presence_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    response_format: list[Map] | None = None
    response_json_schema: Any = None
    response_logprobs: Flag | None = None
    response_mime_type: Text | None = None
    response_modalities: list[Text] | None = None
    response_schema: Map | None = None
    routing_config: Map | None = None
    seed: Integer | None = None
    speech_config: Map | None = None
    stop_sequences: list[str] | None = None
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    thinking_config: Map | None = None
    top_k: Annotated[Number, Field(ge=0)] | None = None
    top_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    translation_config: Map | None = None


class AutoraterConfig(Declared):
    """The model that judges."""

    autorater_model: Text | None = None
    flip_enabled: Flag | None = None
    generation_config: GenerationConfig | None = None
    sampling_count: Annotated[Integer, Field(ge=1, le=32)] | None = None


class BleuSpec(Declared):
    """Precision of n-grams."""

    use_effective_order: Flag | None = None


class RougeSpec(Declared):
    """Recall of n-grams."""

    rouge_type: Text | None = None
    split_summaries: Flag | None = None
    use_stemmer: Flag | None = None


class ExactMatchSpec(Declared):
    """1 for the very text, else 0."""


class ComputationBasedMetricSpec(Declared):
    """One of the computed metrics, by name."""

    parameters: Map | None = None
    type: Literal["EXACT_MATCH", "BLEU", "ROUGE"]


class CustomCodeExecutionSpec(Declared):
    """A Python function that the service runs."""

    evaluation_function: Text


class PredefinedMetricSpec(Declared):
    """A metric of Google's."""

    metric_spec_name: Text
    metric_spec_parameters: Map | None = None


class CustomOutputFormatConfig(Declared):
    """What a judge's answer is returned as."""

    return_raw_output: Flag | None = None


class PairwiseMetricSpec(Declared):
    """A judge's choice between two answers."""

    baseline_response_field_name: Text | None = None
    candidate_response_field_name: Text | None = None
    custom_output_format_config: CustomOutputFormatConfig | None = None
    metric_prompt_template: Text
    system_instruction: Text | None = None


class PointwiseMetricSpec(Declared):
    """A judge's score of an answer."""

    custom_output_format_config: CustomOutputFormatConfig | None = None
    metric_prompt_template: Text
    system_instruction: Text | None = None


class LLMBasedMetricSpec(Declared):
    """A judge with rubrics."""

    additional_config: Map | None = None
    judge_autorater_config: AutoraterConfig | None = None
    metric_prompt_template: Text
    predefined_rubric_generation_spec: PredefinedMetricSpec | None = None
    result_parser_config: Map | None = None
    rubric_generation_spec: Map | None = None
    rubric_group_key: Text | None = None
    system_instruction: Text | None = None


AGGREGATIONS = Literal[
    "AVERAGE",
    "MODE",
    "STANDARD_DEVIATION",
    "VARIANCE",
    "MINIMUM",
    "MAXIMUM",
    "MEDIAN",
    "PERCENTILE_P90",
    "PERCENTILE_P95",
    "PERCENTILE_P99",
]


class Metric(Declared):
    """One thing that is measured."""

    aggregation_metrics: list[AGGREGATIONS] | None = None
    bleu_spec: BleuSpec | None = None
    computation_based_metric_spec: ComputationBasedMetricSpec | None = None
    custom_code_execution_spec: CustomCodeExecutionSpec | None = None
    exact_match_spec: ExactMatchSpec | None = None
    llm_based_metric_spec: LLMBasedMetricSpec | None = None
    metadata: Map | None = None
    pairwise_metric_spec: PairwiseMetricSpec | None = None
    pointwise_metric_spec: PointwiseMetricSpec | None = None
    predefined_metric_spec: PredefinedMetricSpec | None = None
    rouge_spec: RougeSpec | None = None


def _check_specs(metric: Metric) -> Metric:
    specs = [name for name in Metric.model_fields if name.endswith("_spec")]
    found = [name for name in specs if getattr(metric, name) is not None]
    if len(found) != 1:
        raise make_refusal(
            f"has {' and '.join(found)}" if found else "does not say what it measures",
            f"A metric has exactly one of {', '.join(specs)}.",
        )
    return metric


class DatasetCustomMetric(Declared):
    """A Python function over all results."""

    aggregation_function: Text
    display_name: Text | None = None


class GcsDestination(Declared):
    """A folder in a bucket."""

    output_uri_prefix: Annotated[
        str, validate_pattern(_PREFIX, "is not a folder in a bucket", "Write gs://BUCKET/FOLDER.")
    ]


class OutputConfig(Declared):
    """Where the results go."""

    gcs_destination: GcsDestination


class EvaluationConfig(Declared):
    """What is measured once the training has ended."""

    autorater_config: AutoraterConfig | None = None
    dataset_custom_metrics: list[DatasetCustomMetric] | None = None
    inference_generation_config: GenerationConfig | None = None
    metrics: Annotated[list[Annotated[Metric, AfterValidator(_check_specs)]], Field(min_length=1)]
    output_config: OutputConfig


Evaluation = Annotated[
    EvaluationConfig,
    AfterValidator(lambda one: encode_canonical(one.model_dump(by_alias=True, exclude_none=True)).decode()),
]
"""Read as an EvaluationConfig; its value is its canonical JSON."""
