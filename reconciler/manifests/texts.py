"""The forms and limits of values in manifests, for the schemas and for `plain_values`."""

from __future__ import annotations

import re
from functools import lru_cache

from reconciler.datasets.addresses import BUCKET
from reconciler.model.names import NAME_LIMIT

INT32 = 2**31 - 1

DURATION = "[0-9]{1,8}[smhd]"
ISO_DATE = r"\d{4}-\d\d-\d\d"

NAME = rf"[a-z][a-z0-9-]{{0,{NAME_LIMIT - 1}}}"
ID = r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?"
"""A tunedModelId, as the API's CreateTunedModelRequest describes it."""

FORMER_NAME = rf"(?:[A-Za-z]+/)?[a-z0-9-]{{1,{NAME_LIMIT}}}"
"""The name that a model had before, with or without its kind."""

LIVE_TUNED_MODEL = rf"(?:tunedModels/)?{ID}"
LIVE_JOB = r"(?:projects/[A-Za-z0-9:._-]+/locations/[a-z0-9-]+/tuningJobs/)?[A-Za-z0-9_-]+"
LIVE_COPY = r"(?:projects/[A-Za-z0-9:._-]+/locations/[a-z0-9-]+/models/)?[a-z][a-z0-9_-]{0,62}"
"""What `metadata.import` may name: a live model of the kind, by its id or its resource name."""

ENDPOINT = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""The id of an endpoint. One that begins with a digit is the service's own."""

NO_ENDPOINT = "none"
"""`serving.endpoint` of a copy that only stands between two others."""
SOURCE_KINDS = ("TuningJob", "ModelCopy")
"""The kinds of model that can be copied."""
SOURCE_ADDRESS = f"(?:{'|'.join(SOURCE_KINDS)})/{NAME}"
UNVERSIONED_MODEL = r"projects/[A-Za-z0-9:._-]+/locations/[a-z0-9-]+/models/[A-Za-z0-9_-]+"
VERSIONED_MODEL = f"{UNVERSIONED_MODEL}@[0-9]+"

BUCKET_FOLDER = rf"gs://{BUCKET}(?:/[A-Za-z0-9._-]+)*/?"
"""A folder in Cloud Storage, as a regular expression."""

LABEL = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
"""The value of a label, if it is not empty."""
LABEL_KEY = rf"(?:{LABEL}/)?{LABEL}"
LABEL_LIMIT = 63

TUNED_MODEL_DISPLAY_NAME = 40
"""The service refuses a longer one with 400 "Request contains an invalid argument." and does not say why."""
JOB_DISPLAY_NAME = 128

ADAPTER_SIZES = ("ONE", "TWO", "FOUR", "EIGHT", "SIXTEEN", "THIRTY_TWO")


PROMPT_LIMIT = 40_000
"""Characters of a prompt to a tuned model (Google's fine-tuning guide)."""


@lru_cache(maxsize=100)
def parse_base_name(value: str) -> str | None:
    """Parse a base model's name, without its prefix. None if the text is not such a name."""
    found = re.fullmatch(_BASE, value, re.ASCII)
    return found["name"] if found else None


_BASE = (
    r"(?:(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/|models/)?"
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*(?:@[A-Za-z0-9_-]+)?)"
)
BASE_PATTERN = _BASE.replace("(?P<name>", "(?:")
"""The spellings of a base model's name, for the JSON Schema."""
