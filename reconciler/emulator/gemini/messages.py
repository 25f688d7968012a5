"""Declares the messages of the Gemini API's requests, as its protos do, and the enums of its answers."""

from collections.abc import Mapping

from reconciler.emulator.protojson import Field, Message, accept_any, make_fields

_STRING, _FLOAT, _INT32 = Field(), Field("TYPE_FLOAT"), Field("TYPE_INT32")
_TIME = Field("TYPE_TIMESTAMP")

_SNAPSHOT: Message = {
    **make_fields("TYPE_INT32", "step epoch"),
    "mean_loss": _FLOAT,
    "compute_time": _TIME,
}
_EXAMPLE: Message = {"text_input": Field(oneof="model_input"), "output": _STRING}
_EXAMPLES: Message = {"examples": Field(message=_EXAMPLE, repeated=True)}
_HYPERPARAMETERS: Message = {
    "learning_rate": Field("TYPE_FLOAT", oneof="learning_rate_option"),
    "learning_rate_multiplier": Field("TYPE_FLOAT", oneof="learning_rate_option"),
    "epoch_count": _INT32,
    "batch_size": _INT32,
}
_TUNING_TASK: Message = {
    **make_fields("TYPE_TIMESTAMP", "start_time complete_time"),
    "snapshots": Field(message=_SNAPSHOT, repeated=True),
    "training_data": Field(message={"examples": Field(message=_EXAMPLES, oneof="dataset")}),
    "hyperparameters": Field(message=_HYPERPARAMETERS),
}
_SOURCE = make_fields("TYPE_STRING", "tuned_model base_model")
STATES = ("STATE_UNSPECIFIED", "CREATING", "ACTIVE", "FAILED")
TUNED_MODEL: Message = {
    "tuned_model_source": Field(message=_SOURCE, oneof="source_model"),
    "base_model": Field(oneof="source_model"),
    **make_fields("TYPE_STRING", "name display_name description"),
    **make_fields("TYPE_FLOAT", "temperature top_p"),
    "top_k": _INT32,
    "state": Field("TYPE_ENUM", names=STATES),
    **make_fields("TYPE_TIMESTAMP", "create_time update_time"),
    "tuning_task": Field(message=_TUNING_TASK),
    "reader_project_numbers": Field("TYPE_INT64", repeated=True),
}
GRANTEES = ("GRANTEE_TYPE_UNSPECIFIED", "USER", "GROUP", "EVERYONE")
ROLES = ("ROLE_UNSPECIFIED", "OWNER", "WRITER", "READER")
PERMISSION: Message = {
    **make_fields("TYPE_STRING", "name email_address"),
    "grantee_type": Field("TYPE_ENUM", names=GRANTEES),
    "role": Field("TYPE_ENUM", names=ROLES),
}
TRANSFER_OWNERSHIP: Message = make_fields("TYPE_STRING", "name email_address")
_PART: Message = {
    "text": Field(oneof="data"),
    **accept_any(
        """
        inline_data file_data function_call function_response executable_code code_execution_result
        thought thought_signature video_metadata media_resolution part_metadata
        """
    ),
}
_CONTENT: Message = {"parts": Field(message=_PART, repeated=True), "role": _STRING}
GENERATE_CONTENT: Message = {
    **make_fields("TYPE_STRING", "model cached_content"),
    "contents": Field(message=_CONTENT, repeated=True),
    "system_instruction": Field(message=_CONTENT),
    **accept_any("tools tool_config safety_settings generation_config"),
}
COUNT_TOKENS: Message = {
    "model": _STRING,
    "contents": Field(message=_CONTENT, repeated=True),
    "generate_content_request": Field(message=GENERATE_CONTENT),
}

# Enums of answers, for callers who ask for numbers.
_NUMBERS: Mapping[str, Mapping[str, int]] = {
    "state": {name: number for number, name in enumerate(STATES)},
    "granteeType": {name: number for number, name in enumerate(GRANTEES)},
    "role": {name: number for number, name in enumerate(ROLES)},
    "finishReason": {"STOP": 1},
    "probability": {"NEGLIGIBLE": 1},
    "category": {
        "HARM_CATEGORY_HARASSMENT": 7,
        "HARM_CATEGORY_HATE_SPEECH": 8,
        "HARM_CATEGORY_SEXUALLY_EXPLICIT": 9,
        "HARM_CATEGORY_DANGEROUS_CONTENT": 10,
    },
}


def number_enums(value: object) -> object:
    """Return the answer *value* with its enums as numbers."""
    if isinstance(value, list):
        return [number_enums(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _NUMBERS.get(key, {}).get(item, item) if isinstance(item, str) else number_enums(item)
        for key, item in value.items()
    }
