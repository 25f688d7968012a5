"""Finds a TuningJob's data set: an object in Cloud Storage, a data set of Vertex AI, or a file.

Sources: the API's discovery document, and Google's pages on supervised tuning.
"""

from __future__ import annotations

import hashlib
import re

from msgspec.structs import replace

from reconciler.datasets.data_sets import DataSets
from reconciler.model.data import PLAIN, DataSet, Layout
from reconciler.problems import HasPlace, Problems, Refusal

BUCKET = "[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
"""A bucket's name, as a regular expression."""
BUCKET_RULE = "A bucket's name has 3 to 222 characters: a-z, 0-9, '-', '_' and '.'."
OBJECT = rf"gs://(?P<bucket>{BUCKET})/(?P<object>[^\x00-\x1f]{{1,1024}})"
"""The address of an object, as a regular expression."""

FREE_VALIDATION = 1_000
"""Validation data may always have this many examples. Above, the limit is 30 % of the training data."""
VALIDATION_PERCENT = 30

_NO_JSONL = (".csv", ".tsv", ".json", ".gz", ".zip", ".parquet", ".xlsx", ".txt")
_DATA_SET = r"projects/[A-Za-z0-9:._-]+/locations/[a-z0-9-]+/datasets/[A-Za-z0-9_-]+"
_IN_BROWSERS = r"https://storage\.(?:googleapis|cloud\.google)\.com/([^?#]+)"


def find_data_set(
    written: str,
    field: str,
    node: HasPlace,
    found: DataSets,
    *,
    problems: Problems,
    layout: Layout | None = None,
) -> DataSet | None:
    """Find the data set that a manifest names; None after noting what is wrong.

    Args:
        written: its address, its name at the service, or the path of a file.
        field: which data set of the model it is: FORM.training_dataset_uri or FORM.validation_dataset_uri.
        node: the value in the manifest.
        found: measures files.
        problems: where to note what is wrong.
        layout: which columns of the file are read; None if a text was written, which may be an address.
    """
    form, _, key = field.partition(".")
    refusal = _refuse_address(written, form)
    if layout is not None and (written.startswith("gs:") or re.fullmatch(_DATA_SET, written, re.ASCII)):
        advice = f"Write {key}: {written}. Only a file on this machine is read and converted."
        refusal = Refusal(f"file must be a path, and {written} is not a path", advice)
    if refusal is not None:
        problems.error(node.place, *refusal)
        return None
    if written.startswith("gs:"):
        if written.lower().endswith(_NO_JSONL):
            problems.warning(
                node.place,
                f"{written}: the service reads JSONL only, and this name does not end in .jsonl",
                "Name a file beside the manifest instead: it is converted and uploaded.",
            )
        found.cache.name(written)
        return DataSet("", 0, 0, shown=written, field=field, uri=written)
    if re.fullmatch(_DATA_SET, written, re.ASCII):
        # its digest is that of the name, because no call returns its content
        digest = hashlib.sha256(written.encode()).hexdigest()
        return DataSet(digest, 0, 0, shown=written, field=field, uri=written)
    is_validation = key.startswith("validation")
    data = found.read_file(written, node, form=form, layout=layout or PLAIN, is_validation=is_validation)
    return None if data is None else replace(data, field=field)


def _refuse_address(written: str, form: str) -> Refusal | None:
    """Refuse an address at which there can be no data set; None if there can be one."""
    if written.startswith("gs:"):
        if re.fullmatch(OBJECT, written, re.ASCII) and not re.search(r"/$|[*]", written):
            return None
        return Refusal(f"{written} is not the address of an object", _advise_object(written))
    address = re.fullmatch(_IN_BROWSERS, written, re.ASCII)
    if address is not None:
        return Refusal(f"{written} is an address for browsers", f"Write gs://{address[1]}.")
    from reconciler.datasets.chat import PREFERENCE  # late, because models with inline data need no chats

    if form != PREFERENCE:
        return None
    if re.fullmatch(_DATA_SET, written, re.ASCII):
        return Refusal(
            "preference tuning takes no data set of Vertex AI", "Write gs://BUCKET/NAME.jsonl or a file."
        )
    if written.lower().endswith(".csv"):
        return Refusal(
            f"{written}: preference tuning takes no CSV, because a row has no room for two answers",
            "Write chat JSONL: contents, and two completions with their scores.",
        )
    return None


def _advise_object(written: str) -> str:
    """Say what to write instead of a gs:// text that is not the address of an object."""
    bucket, _, name = written.removeprefix("gs:").lstrip("/").partition("/")
    if not re.fullmatch(BUCKET, bucket, re.ASCII):
        return f"Write gs://BUCKET/NAME.jsonl. {BUCKET_RULE}"
    if name.endswith("/"):
        return f"It is a folder, and the service reads one object: write gs://{bucket}/{name}NAME.jsonl."
    if "*" in name:
        return "The service takes no wildcards: join the files into one .jsonl, and name that."
    return f"Write gs://{bucket}/{name or 'NAME.jsonl'}."


def check_share(training: DataSet, validation: DataSet) -> Refusal | None:
    """Refuse validation data that is too large for the training data, if both are counted."""
    most = max(FREE_VALIDATION, training.examples * VALIDATION_PERCENT // 100)
    if not training.examples or validation.examples <= most:
        return None
    return Refusal(
        f"the validation data has {validation.examples:,} examples, but the service takes at most "
        f"{most:,} with {training.examples:,} examples of training data",
        f"Leave some out: above {FREE_VALIDATION:,}, the limit is {VALIDATION_PERCENT} % of the "
        "training data.",
    )
