"""Writes the first manifests of `init --kind TuningJob`, and suggests what to do before the first plan."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from reconciler.model.desired import Desired
from reconciler.model.stack import Stack
from reconciler.providers.api import Starter
from reconciler.providers.google.tutorial import PAIRS
from reconciler.providers.vertex.fields import TUNING_JOB

_PLACE = """\
  # project: my-project           # or set GOOGLE_CLOUD_PROJECT
  location: {location}
  # Training data files are uploaded to this bucket. Create the bucket, or change the name:
  bucket: gs://{name}
"""
_BASE = "gemini-3.1-flash-lite"
_JOB = """\
# This model answers with the next number. Vertex AI trains it on data/number-generator.jsonl.
# Training costs money.
apiVersion: reconciler/v1
kind: TuningJob
metadata:
  name: number-generator
spec:
  base_model: {base}
  tuned_model_display_name: number generator model
  supervised_tuning_spec:
    training_dataset_uri: data/number-generator.jsonl
    hyper_parameters: {{epoch_count: 5, adapter_size: ADAPTER_SIZE_FOUR}}
"""


def _write(name: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    del name, environ
    rows = "".join(
        json.dumps({"text_input": text, "output": output}, allow_nan=False) + "\n" for text, output in PAIRS
    )
    return {"number-generator.yaml": _JOB.format(base=_BASE), "data/number-generator.jsonl": rows}


def _set_place(name: str, environ: Mapping[str, str]) -> str:
    locations = TUNING_JOB.bases[_BASE].locations
    wanted = environ.get("GOOGLE_CLOUD_LOCATION", "").strip()
    return _PLACE.format(location=wanted if wanted in locations else locations[0], name=name)


def _suggest(path: str, stack: Stack, desired: Sequence[Desired]) -> str:
    """Suggest setting or creating the bucket if a file must be uploaded."""
    if not any(model.data[0].file for model in desired):
        return ""
    if not stack.bucket:
        return f"set spec.bucket to one of your buckets in {stack.file or path}"
    bucket = "gs://" + stack.bucket.removeprefix("gs://").partition("/")[0]
    create = ["gcloud", "storage", "buckets", "create", bucket]
    create += [f"--location={stack.location}"] if stack.location else []
    return f"edit {path}, create its bucket if it does not exist ({shlex.join(create)})"


STARTER = Starter("tuned by Vertex AI", _write, _set_place, _suggest)
