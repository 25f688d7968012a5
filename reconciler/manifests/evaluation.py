"""`evaluation_config` of a supervised TuningJob: how the service measures the tuned model.

Keys and enum values are those of the API's discovery document (aiplatform v1, EvaluationConfig and its
parts). The whole becomes one value, its canonical JSON, because nobody asks for a part of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from reconciler.datasets.addresses import BUCKET
from reconciler.identity import encode_canonical
from reconciler.manifests import schema_types as schema

Map = dict[str, Any]
"""An object that the API gives no form, or one that has nothing to do with tuning."""

_PREFIX = rf"gs://{BUCKET}(?:/[^\x00-\x1f]{{0,1024}})?"


class GenerationConfig(schema.Declared):
    """Settings for the generation of answers. Objects in it are passed on as they are."""

    audio_timestamp: schema.Flag | None = None
    audio_transcription_config: Map | None = None
    candidate_count: schema.Whole | None = None
    enable_affective_dialog: schema.Flag | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2), schema.READ_NUMBER] | None = None
    image_config: Map | None = None
    logprobs: schema.Integer | None = None
    max_output_tokens: schema.Whole | None = None
    media_resolution: (
        Literal["MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"] | None
    ) = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2), schema.READ_NUMBER] | None = None
    response_format: list[Map] | None = None
    response_json_schema: Any = None
    response_logprobs: schema.Flag | None = None
    response_mime_type: schema.Text | None = None
    response_modalities: list[schema.Text] | None = None
    response_schema: Map | None = None
    routing_config: Map | None = None
    seed: schema.Integer | None = None
    speech_config: Map | None = None
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Field(ge=0, le=2), schema.READ_NUMBER] | None = None
    thinking_config: Map | None = None
    top_k: Annotated[float, Field(ge=0, allow_inf_nan=False), schema.READ_NUMBER] | None = None
    top_p: Annotated[float, Field(ge=0, le=1), schema.READ_NUMBER] | None = None
    translation_config: Map | None = None


class AutoraterConfig(schema.Declared):
    """The model that judges."""

    autorater_model: schema.Text | None = None
    flip_enabled: schema.Flag | None = None
    generation_config: GenerationConfig | None = None
    sampling_count: Annotated[int, Field(ge=1, le=32), schema.READ_INTEGER] | None = None


class BleuSpec(schema.Declared):
    """Precision of n-grams."""

    use_effective_order: schema.Flag | None = None


class RougeSpec(schema.Declared):
    """Recall of n-grams."""

    rouge_type: schema.Text | None = None
    split_summaries: schema.Flag | None = None
    use_stemmer: schema.Flag | None = None


class ExactMatchSpec(schema.Declared):
    """1 if the text is exactly the same, else 0."""


class ComputationBasedMetricSpec(schema.Declared):
    """One of the computed metrics, by name."""

    parameters: Map | None = None
    type: Literal["EXACT_MATCH", "BLEU", "ROUGE"]


class CustomCodeExecutionSpec(schema.Declared):
    """A Python function that the service runs."""

    evaluation_function: schema.Text


class PredefinedMetricSpec(schema.Declared):
    """A metric of Google's."""

    metric_spec_name: schema.Text
    metric_spec_parameters: Map | None = None


class CustomOutputFormatConfig(schema.Declared):
    """The form in which a judge's answer is returned."""

    return_raw_output: schema.Flag | None = None


class PairwiseMetricSpec(schema.Declared):
    """A judge's choice between two answers."""

    baseline_response_field_name: schema.Text | None = None
    candidate_response_field_name: schema.Text | None = None
    custom_output_format_config: CustomOutputFormatConfig | None = None
    metric_prompt_template: schema.Text
    system_instruction: schema.Text | None = None


class PointwiseMetricSpec(schema.Declared):
    """A judge's score of an answer."""

    custom_output_format_config: CustomOutputFormatConfig | None = None
    metric_prompt_template: schema.Text
    system_instruction: schema.Text | None = None


class LLMBasedMetricSpec(schema.Declared):
    """A judge with rubrics."""

    additional_config: Map | None = None
    judge_autorater_config: AutoraterConfig | None = None
    metric_prompt_template: schema.Text
    predefined_rubric_generation_spec: PredefinedMetricSpec | None = None
    result_parser_config: Map | None = None
    rubric_generation_spec: Map | None = None
    rubric_group_key: schema.Text | None = None
    system_instruction: schema.Text | None = None


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


class Metric(schema.Declared):
    """One measurement."""

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
        raise schema.make_refusal(
            f"has {' and '.join(found)}" if found else "does not say what it measures",
            f"A metric has exactly one of {', '.join(specs)}.",
        )
    return metric


class DatasetCustomMetric(schema.Declared):
    """A Python function over all results."""

    aggregation_function: schema.Text
    display_name: schema.Text | None = None


class GcsDestination(schema.Declared):
    """A folder in a bucket."""

    output_uri_prefix: Annotated[
        str, schema.validate_pattern(_PREFIX, "is not a folder in a bucket", "Write gs://BUCKET/FOLDER.")
    ]


class OutputConfig(schema.Declared):
    """The place that the results are written to."""

    gcs_destination: GcsDestination


class EvaluationConfig(schema.Declared):
    """The measurements to make once the training has ended."""

    autorater_config: AutoraterConfig | None = None
    dataset_custom_metrics: list[DatasetCustomMetric] | None = None
    inference_generation_config: GenerationConfig | None = None
    metrics: Annotated[list[Annotated[Metric, AfterValidator(_check_specs)]], Field(min_length=1)]
    output_config: OutputConfig


Evaluation = Annotated[
    EvaluationConfig,
    AfterValidator(
        lambda generation: encode_canonical(generation.model_dump(by_alias=True, exclude_none=True)).decode()
    ),
]
"""Read as an EvaluationConfig; its value is its canonical JSON."""
