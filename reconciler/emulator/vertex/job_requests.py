"""The request that creates a tuning job: its checks, and the hyperparameters that it leaves out.

The base models, their days of retirement and their adapter sizes are in reconciler.emulator.base_models.
"""

import re
from typing import Any

from reconciler.emulator.base_models import VERTEX, Base, is_retired
from reconciler.emulator.call import Call
from reconciler.emulator.errors import ApiError, ArgumentError, PreconditionError
from reconciler.emulator.protojson import to_camel
from reconciler.emulator.vertex import lookup, places
from reconciler.emulator.vertex.fields import check_display_name, check_key, check_labels
from reconciler.emulator.vertex.messages import ADAPTER_SIZES, JOB_OUTPUT, TUNING_JOB, write_integers_as_text
from reconciler.emulator.vertex.models import find_version
from reconciler.emulator.vertex.records import ModelVersion

SPECS = ("supervisedTuningSpec", "preferenceOptimizationSpec")
# If the request leaves out the epochs, this many examples pass; see choose_hyperparameters.
_PASSES, _MOST_EPOCHS = 6_640, 40
_FEW_EXAMPLES = 1_000


def read_job(call: Call) -> tuple[dict[str, Any], ModelVersion | None]:
    """Return the requested job, and the version of the model that it tunes further, if any."""
    job = call.read_message(TUNING_JOB, "tuning_job")
    for name in JOB_OUTPUT.split():
        job.pop(to_camel(name), None)
    parent = _read_parent(call, job)
    base = find_base(job)
    _check_base(call, base, "pre_tuned_model" if parent else "base_model")
    if not any(name in job for name in SPECS):
        text = "Exactly one of supervised_tuning_spec, preference_optimization_spec must be set."
        raise ArgumentError(text, field="tuning_job")
    kind, spec = find_spec(job)
    _check_data_sets(spec, allows_multimodal=kind == SPECS[0])
    _check_evaluation(spec)
    _check_hyperparameters(base, spec.get("hyperParameters", {}))
    check_display_name(job.get("tunedModelDisplayName", ""), "tuned_model_display_name")
    check_labels(job.get("labels", {}))
    _check_key(call, job, base)
    if "serviceAccount" in job and not re.fullmatch(r"[^@\s]+@[^@\s]+", job["serviceAccount"]):
        raise ArgumentError("Invalid service account.", field="tuning_job.service_account")
    fields: dict[str, Any] = write_integers_as_text(job)
    if "evaluationConfig" in spec:  # Its integers have 32 bits, so they stay numbers.
        fields[kind]["evaluationConfig"] = spec["evaluationConfig"]
    return {key: value for key, value in fields.items() if value not in ("", {})}, parent


def find_spec(job: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of a job's spec, one of SPECS, and the spec."""
    kind = next(name for name in SPECS if name in job)
    return kind, job[kind]


def find_base(job: dict[str, Any]) -> str:
    """Return the base model that a job tunes, itself or through a model that it tunes further."""
    base: str = job.get("baseModel") or job["preTunedModel"]["baseModel"]
    return base.removeprefix("publishers/google/models/")


def choose_hyperparameters(job: dict[str, Any], examples: int) -> None:
    """Write into a job the hyperparameters that its request left out; they follow from its *examples*.

    One case is known: 166 examples became 40 epochs, adapter size 2 and multiplier 1.0. The rule around it is
    an assumption: as many epochs as let 6,640 examples pass, 1 to 40, and adapter size 4 from 1,000 examples.
    """
    _, spec = find_spec(job)
    sizes = _list_adapter_sizes(find_base(job))
    size = "ADAPTER_SIZE_TWO" if examples < _FEW_EXAMPLES else "ADAPTER_SIZE_FOUR"
    spec["hyperParameters"] = {
        "epochCount": str(min(_MOST_EPOCHS, max(1, _PASSES // max(1, examples)))),
        "learningRateMultiplier": 1.0,
        "adapterSize": size if size in sizes else sizes[0],
        **spec.get("hyperParameters", {}),
    }


def is_multimodal(uri: str) -> bool:
    """Return whether this is the resource name of a multimodal dataset."""
    return re.fullmatch(r"projects/[^/]+/locations/[^/]+/datasets/[^/]+", uri) is not None


def _read_parent(call: Call, job: dict[str, Any]) -> ModelVersion | None:
    """Return the version that is tuned further, and write its base model into the job."""
    if job.get("baseModel", ""):
        return None
    name = job.get("preTunedModel", {}).get("tunedModelName", "")
    if not name:
        text = "One of base_model, pre_tuned_model must be set."
        raise ArgumentError(text, field="tuning_job.base_model")
    at = "tuning_job.pre_tuned_model"
    match, region = re.fullmatch(lookup.MODEL_NAME, name), call.path["location"]
    there = lookup.read_location_of(name) if match else lookup.read_location(call)
    is_near = places.is_near(there.location, region) and there.project == lookup.read_location(call).project
    if match is None or not is_near:
        raise ArgumentError(f"Invalid tuned model name: {name[:200]}", field=f"{at}.tuned_model_name")
    version = find_version(call, match["model"], match["version"] or "", at=there)
    checkpoint = job["preTunedModel"].get("checkpointId", "")
    if checkpoint and checkpoint not in version.checkpoint_ids:
        raise ArgumentError(f"Checkpoint {checkpoint[:40]} does not exist.", field=f"{at}.checkpoint_id")
    job["preTunedModel"]["baseModel"] = version.system["base"]
    return version


def _check_base(call: Call, base: str, field: str) -> None:
    """Raise a 400 for a base model that cannot be tuned, or not any more; no document has another text."""
    settings = call.settings
    blocked = settings.tuning_blocked_days
    is_gone = is_retired(base, settings.vertex_retires, call.now, days_before=blocked)
    if is_gone or base not in settings.vertex_tunable:
        raise ArgumentError(f"Base model {base[:120]} is not supported.", field=f"tuning_job.{field}")
    location = call.path["location"]
    if places.is_gemini_3(base) and location not in places.REGIONS_OF_GEMINI_3:
        if location == "global":
            raise PreconditionError(f"Base model {base} cannot be tuned in global.")
        regions = " or ".join(places.REGIONS_OF_GEMINI_3)
        text = f"Base model {base} is not supported in {location}; tune it in {regions}."
        raise ArgumentError(text, field="tuning_job.base_model")


def _check_data_sets(spec: dict[str, Any], *, allows_multimodal: bool) -> None:
    if not spec.get("trainingDatasetUri"):
        raise ArgumentError("training_dataset_uri is required.", field="training_dataset_uri")
    for name in ("trainingDatasetUri", "validationDatasetUri"):
        uri = spec.get(name)
        if not uri or re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/.+", uri):
            continue
        if not (allows_multimodal and is_multimodal(uri)):
            raise ArgumentError(f"Invalid Cloud Storage URI: {uri[:200]}", field=name)


def _check_evaluation(spec: dict[str, Any]) -> None:
    evaluation = spec.get("evaluationConfig")
    if evaluation is None:
        return
    at = "tuning_job.supervised_tuning_spec.evaluation_config"
    if not evaluation.get("metrics"):
        raise ArgumentError("metrics are required.", field=f"{at}.metrics")
    prefix = evaluation.get("outputConfig", {}).get("gcsDestination", {}).get("outputUriPrefix", "")
    if not prefix.startswith("gs://"):
        raise ArgumentError("A Cloud Storage destination is required.", field=f"{at}.output_config")


def _list_adapter_sizes(base: str) -> list[str]:
    """Return the adapter sizes of a base model, as requests name them."""
    # ADAPTER_SIZES are powers of two in order, so a size's name is found by its number of bits.
    return [ADAPTER_SIZES[number.bit_length()] for number in VERTEX.get(base, Base()).adapter_sizes]


def _check_hyperparameters(base: str, asked: dict[str, Any]) -> None:
    if asked.get("adapterSize") == ADAPTER_SIZES[0]:
        del asked["adapterSize"]
    elif "adapterSize" in asked and asked["adapterSize"] not in _list_adapter_sizes(base):
        raise ApiError(400, "The adapter size is not supported for this base model.")
    if not 1 <= asked.get("epochCount", 1) <= 100:
        raise ArgumentError("epoch_count must be between 1 and 100.", field="epoch_count")
    for name in ("learningRateMultiplier", "beta"):
        if asked.get(name, 1) <= 0:
            raise ArgumentError(f"{name} must be positive.", field=name)


def _check_key(call: Call, job: dict[str, Any], base: str) -> None:
    if "encryptionSpec" not in job:
        return
    check_key(job["encryptionSpec"], call.path["location"], "encryption_spec.kms_key_name")
    if places.is_gemini_3(base):
        raise PreconditionError(f"CMEK is not supported for base model {base}.")
