"""Declares the messages of Vertex AI's requests, from the aiplatform v1 discovery document.

Output-only fields may be sent, because clients send whole resources back, but they are not read. v1beta1
takes the fields of v1 here: a field that only v1beta1 has is refused as unknown.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.emulator.protojson import Field, Message, accept_any, make_fields

_STRING, _DOUBLE, _INT64 = Field(), Field("TYPE_DOUBLE"), Field("TYPE_INT64")
_BOOL, _MAP, _ANY = Field("TYPE_BOOL"), Field("TYPE_MAP"), Field("TYPE_ANY")

ADAPTER_SIZES = (
    "ADAPTER_SIZE_UNSPECIFIED",
    "ADAPTER_SIZE_ONE",
    "ADAPTER_SIZE_TWO",
    "ADAPTER_SIZE_FOUR",
    "ADAPTER_SIZE_EIGHT",
    "ADAPTER_SIZE_SIXTEEN",
    "ADAPTER_SIZE_THIRTY_TWO",
)
_HYPERPARAMETERS: Message = {
    "epoch_count": _INT64,
    "learning_rate_multiplier": _DOUBLE,
    "adapter_size": Field("TYPE_ENUM", names=ADAPTER_SIZES),
}
_DATASETS: Message = {
    **make_fields("TYPE_STRING", "training_dataset_uri validation_dataset_uri"),
    "export_last_checkpoint_only": _BOOL,
}
_OUTPUT: Message = {"gcs_destination": Field(message={"output_uri_prefix": _STRING})}
_EVALUATION: Message = {
    "output_config": Field(message=_OUTPUT),
    **accept_any("metrics autorater_config dataset_custom_metrics inference_generation_config"),
}
_SUPERVISED: Message = {
    **_DATASETS,
    "hyper_parameters": Field(message=_HYPERPARAMETERS),
    "evaluation_config": Field(message=_EVALUATION),
}
_PREFERENCE: Message = {
    **_DATASETS,
    "hyper_parameters": Field(message={**_HYPERPARAMETERS, "beta": _DOUBLE}),
}
_PRE_TUNED = make_fields("TYPE_STRING", "tuned_model_name checkpoint_id base_model")
# The fields that only the service sets.
JOB_OUTPUT = """
    name state create_time start_time end_time update_time error experiment gcs_metrics_uri tuned_model
    tuning_data_stats evaluate_dataset_runs
"""
TUNING_JOB: Message = {
    **accept_any(JOB_OUTPUT),
    "base_model": Field(oneof="source_model"),
    "pre_tuned_model": Field(message=_PRE_TUNED, oneof="source_model"),
    "supervised_tuning_spec": Field(message=_SUPERVISED, oneof="tuning_spec"),
    "preference_optimization_spec": Field(message=_PREFERENCE, oneof="tuning_spec"),
    **make_fields("TYPE_STRING", "tuned_model_display_name description service_account"),
    "labels": _MAP,
    "encryption_spec": Field(message={"kms_key_name": _STRING}),
}
MODEL: Message = {
    **make_fields(
        "TYPE_STRING", "name display_name description etag default_checkpoint_id version_description"
    ),
    "labels": _MAP,
    "version_aliases": Field(repeated=True),
    **accept_any(
        """
        artifact_uri base_model_source checkpoints container_spec create_time data_stats deployed_models
        encryption_spec explanation_spec metadata metadata_artifact metadata_schema_uri model_source_info
        original_model_info pipeline_job predict_schemata satisfies_pzi satisfies_pzs
        supported_deployment_resources_types supported_export_formats supported_input_storage_formats
        supported_output_storage_formats training_pipeline update_time version_create_time version_id
        version_update_time
        """
    ),
}
ENDPOINT: Message = {
    **make_fields("TYPE_STRING", "name display_name description etag"),
    "labels": _MAP,
    **accept_any(
        """
        client_connection_config create_time dedicated_endpoint_dns dedicated_endpoint_enabled
        deployed_models enable_private_service_connect encryption_spec gdc_config
        gen_ai_advanced_features_config model_deployment_monitoring_job network
        predict_request_response_logging_config private_service_connect_config satisfies_pzi
        satisfies_pzs traffic_split update_time
        """
    ),
}
DEPLOYED_MODEL: Message = {
    **make_fields("TYPE_STRING", "model checkpoint_id display_name id"),
    "disable_container_logging": _BOOL,
    **accept_any(
        """
        automatic_resources create_time dedicated_resources disable_explanations enable_access_logging
        explanation_spec faster_deployment_config gdc_connected_model model_version_id private_endpoints
        service_account shared_resources speculative_decoding_spec status system_labels
        """
    ),
}
DEPLOY: Message = {
    "deployed_model": Field(message=DEPLOYED_MODEL),
    "traffic_split": _ANY,
}
MUTATE: Message = {"deployed_model": Field(message=DEPLOYED_MODEL), "update_mask": _STRING}
MERGE_ALIASES: Message = {"version_aliases": Field(repeated=True)}
COPY: Message = {
    "source_model": _STRING,
    "model_id": Field(oneof="destination_model"),
    "parent_model": Field(oneof="destination_model"),
    "encryption_spec": Field(message={"kms_key_name": _STRING}),
    "custom_service_account": _STRING,
}
UNDEPLOY: Message = {"deployed_model_id": _STRING, "traffic_split": _ANY}
WAIT = make_fields("TYPE_STRING", "name timeout")
NOTHING = make_fields("TYPE_STRING", "name")
_PART: Message = {
    "text": _STRING,
    **accept_any(
        """
        audio_transcription code_execution_result executable_code file_data function_call
        function_response inline_data media_resolution speech_metadata thought thought_signature
        video_metadata
        """
    ),
}
CONTENT: Message = {"parts": Field(message=_PART, repeated=True), "role": _STRING}
GENERATE_CONTENT: Message = {
    "contents": Field(message=CONTENT, repeated=True),
    "system_instruction": Field(message=CONTENT),
    "labels": _MAP,
    "cached_content": _STRING,
    **accept_any(
        """
        continuation_token generation_config model_armor_config output_config safety_settings tool_config
        tools
        """
    ),
}
COUNT_TOKENS: Message = {
    "model": _STRING,
    "contents": Field(message=CONTENT, repeated=True),
    "system_instruction": Field(message=CONTENT),
    **accept_any("generation_config instances tools"),
}
# One line of a data set. Tools and generation settings are taken as they come.
EXAMPLE: Message = {
    "contents": Field(message=CONTENT, repeated=True),
    "system_instruction": Field(message=CONTENT),
    **accept_any("tools generation_config labels"),
}
PREFERENCE_EXAMPLE: Message = {
    **EXAMPLE,
    "completions": Field(message={"score": _DOUBLE, "completion": Field(message=CONTENT)}, repeated=True),
}


def write_integers_as_text(value: Any) -> Any:
    """Return *value* with its integers as text, which is how JSON has those of 64 bits in answers."""
    if isinstance(value, Mapping):
        return {key: write_integers_as_text(item) for key, item in value.items()}
    return str(value) if type(value) is int else value
