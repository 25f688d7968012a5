"""What may be asked of a tuning job: the checks of a create request, and the gaps filled.

The base models, their days and their adapter sizes stand in reconciler.emulator.base_models.
"""

import re
from typing import Any

from reconciler.emulator.base_models import adapter_sizes, is_retired
from reconciler.emulator.call import Call
from reconciler.emulator.errors import ApiError, failed_precondition, invalid
from reconciler.emulator.protojson import camel
from reconciler.emulator.vertex.messages import ADAPTER_SIZES, JOB_OUTPUT, TUNING_JOB, with_texts
from reconciler.emulator.vertex.names import check_display_name, check_labels, place
from reconciler.emulator.vertex.records import ModelVersion, Records
from reconciler.emulator.vertex.versions import find_version

SPECS = ("supervisedTuningSpec", "preferenceOptimizationSpec")
_KEY = r"projects/[^/]+/locations/(?P<location>[^/]+)/keyRings/[^/]+/cryptoKeys/[^/]+"
_REGIONS_OF_3 = ("us-central1", "europe-west4")


def read_job(call: Call, records: Records) -> tuple[dict[str, Any], ModelVersion | None]:
    """Return the job that is asked for, and the model it goes on from; or raise a 400."""
    job = call.message(TUNING_JOB, "tuning_job")
    for name in JOB_OUTPUT:
        job.pop(camel(name), None)
    parent = _source(call, records, job)
    base = parent.system["base"] if parent else job["baseModel"].removeprefix("publishers/google/models/")
    _check_base(call, base, "pre_tuned_model" if parent else "base_model")
    specs = [name for name in SPECS if name in job]
    if not specs:
        text = "Exactly one of supervised_tuning_spec, preference_optimization_spec must be set."
        raise invalid(text, field="tuning_job")
    spec = job[specs[0]]
    _check_data_sets(spec, multimodal=specs[0] == SPECS[0])
    _check_evaluation(spec)
    spec["hyperParameters"] = _hyperparameters(base, spec.get("hyperParameters", {}))
    check_display_name(job.get("tunedModelDisplayName", ""), "tuned_model_display_name")
    check_labels(job.get("labels", {}))
    _check_key(call, job, base)
    if "serviceAccount" in job and not re.fullmatch(r"[^@\s]+@[^@\s]+", job["serviceAccount"]):
        raise invalid("Invalid service account.", field="tuning_job.service_account")
    filled: dict[str, Any] = with_texts(job)
    if "evaluationConfig" in spec:  # its integers are of 32 bits, which stay numbers
        filled[specs[0]]["evaluationConfig"] = spec["evaluationConfig"]
    return {key: value for key, value in filled.items() if value not in ("", {})}, parent


def _source(call: Call, records: Records, job: dict[str, Any]) -> ModelVersion | None:
    base = job.get("baseModel", "")
    if base:
        return None
    name = job.get("preTunedModel", {}).get("tunedModelName", "")
    if not name:
        text = "One of base_model, pre_tuned_model must be set."
        raise invalid(text, field="tuning_job.base_model")
    at = "tuning_job.pre_tuned_model"
    match = re.fullmatch(r"projects/[^/]+/locations/([^/]+)/models/([^/@]+)(?:@([^/@]+))?", name)
    if match is None or match[1] != place(call)["location"]:
        raise invalid(f"Invalid tuned model name: {name[:200]}", field=f"{at}.tuned_model_name")
    version = find_version(call, records, match[2], match[3] or "")
    checkpoints = [item["checkpointId"] for item in version.system["checkpoints"]]
    asked = job["preTunedModel"].get("checkpointId", "")
    if asked and asked not in checkpoints:
        raise invalid(f"Checkpoint {asked[:40]} does not exist.", field=f"{at}.checkpoint_id")
    job["preTunedModel"]["baseModel"] = version.system["base"]
    return version


def _check_base(call: Call, base: str, field: str) -> None:
    """Raise a 400 for a base that is not tunable, or not any more; no document has a text of its own."""
    settings = call.settings
    blocked = settings.tuning_blocked_days
    is_gone = is_retired(base, settings.vertex_retires, call.now, days_before=blocked)
    if is_gone or base not in settings.vertex_tunable:
        raise invalid(f"Base model {base[:120]} is not supported.", field=f"tuning_job.{field}")
    _check_region(call, base)


def _check_region(call: Call, base: str) -> None:
    location = call.path["location"]
    if base.startswith("gemini-3") and location not in _REGIONS_OF_3:
        text = f"Base model {base} is not supported in {location}; tune it in {' or '.join(_REGIONS_OF_3)}."
        raise invalid(text, field="tuning_job.base_model")


def _check_data_sets(spec: dict[str, Any], *, multimodal: bool) -> None:
    if not spec.get("trainingDatasetUri"):
        raise invalid("training_dataset_uri is required.", field="training_dataset_uri")
    for name in ("trainingDatasetUri", "validationDatasetUri"):
        uri = spec.get(name)
        if not uri or re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/.+", uri):
            continue
        if not (multimodal and is_multimodal(uri)):
            raise invalid(f"Invalid Cloud Storage URI: {uri[:200]}", field=name)


def is_multimodal(uri: str) -> bool:
    """Whether it is the resource name of a multimodal dataset."""
    return re.fullmatch(r"projects/[^/]+/locations/[^/]+/datasets/[^/]+", uri) is not None


def _check_evaluation(spec: dict[str, Any]) -> None:
    asked = spec.get("evaluationConfig")
    if asked is None:
        return
    at = "tuning_job.supervised_tuning_spec.evaluation_config"
    if not asked.get("metrics"):
        raise invalid("metrics are required.", field=f"{at}.metrics")
    prefix = asked.get("outputConfig", {}).get("gcsDestination", {}).get("outputUriPrefix", "")
    if not prefix.startswith("gs://"):
        raise invalid("A Cloud Storage destination is required.", field=f"{at}.output_config")


def _hyperparameters(base: str, asked: dict[str, Any]) -> dict[str, Any]:
    size = asked.get("adapterSize", ADAPTER_SIZES[0])
    fitting = [ADAPTER_SIZES[size.bit_length()] for size in adapter_sizes(base)]
    if size not in (ADAPTER_SIZES[0], *fitting):
        raise ApiError(400, "The adapter size is not supported for this base model.")
    if not 1 <= asked.get("epochCount", 1) <= 100:
        raise invalid("epoch_count must be between 1 and 100.", field="epoch_count")
    for name in ("learningRateMultiplier", "beta"):
        if asked.get(name, 1) <= 0:
            raise invalid(f"{name} must be positive.", field=name)
    default = {"epochCount": 3, "learningRateMultiplier": 1.0}
    filled = {**default, **asked}
    if size == ADAPTER_SIZES[0]:
        filled["adapterSize"] = "ADAPTER_SIZE_FOUR"
    return filled


def _check_key(call: Call, job: dict[str, Any], base: str) -> None:
    if "encryptionSpec" not in job:
        return
    match = re.fullmatch(_KEY, job["encryptionSpec"].get("kmsKeyName", ""))
    if match is None or match["location"] != call.path["location"]:
        text = "The key must be projects/*/locations/*/keyRings/*/cryptoKeys/*, in the job's region."
        raise invalid(text, field="encryption_spec.kms_key_name")
    if base.startswith("gemini-3"):
        raise failed_precondition(f"CMEK is not supported for base model {base}.")
