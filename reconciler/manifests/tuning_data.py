"""The data sets of a TuningJob, and what Google documents of base models: held before anything is sent.

Sources: the API's discovery document, and Google's pages on supervised tuning (api.md section 5). What is
only documented for a base model is an error all the same: the service's refusal names no way out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from reconciler.manifests.chat_data import PREFERENCE, SUPERVISED
from reconciler.manifests.data_sets import DataSets
from reconciler.manifests.placed import YamlMap, locate, value_at
from reconciler.manifests.problems import Place, Problems
from reconciler.manifests.spelling import spelled_path
from reconciler.model import DataSet

FREE_VALIDATION = 1_000
"""Examples of a validation data set of any size of training; above it at most 30 % of the training's."""
VALIDATION_PERCENT = 30

_OBJECT = r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/[^\x00-\x1f]{1,1024}"
_DATA_SET = r"projects/[A-Za-z0-9:._-]+/locations/[a-z0-9-]+/datasets/[A-Za-z0-9_-]+"
_SIZES = ("ONE", "TWO", "FOUR", "EIGHT", "SIXTEEN", "THIRTY_TWO")
_LARGEST: Mapping[str, int] = {"gemini-2.5-pro": 4}
"""Base model to how many of the sizes it takes; SIXTEEN is the largest elsewhere, as documented."""
_DOCUMENTED = 5
_NEWEST = re.compile(r"gemini-3(?:[.-]|$)")
_NEWEST_REGIONS = ("us-central1", "europe-west4")
"""Where Gemini 3.x is tuned; it takes no customer's own key there."""


def data_sets(
    body: YamlMap, file: str, found: DataSets, problems: Problems, rest: int
) -> tuple[DataSet, ...]:
    """The data sets of a document, also of one whose other parts are wrong; and its documented limits.

    Args:
        body: the document.
        file: where it stands.
        found: to read data files with.
        problems: where to note what is wrong.
        rest: bytes of the request beside the data; of no matter, because data is uploaded by itself.
    """
    del rest
    _check_base(body, file, problems)
    sets: list[DataSet] = []
    for spec in (SUPERVISED, PREFERENCE):
        for key in ("training_dataset_uri", "validation_dataset_uri"):
            field = f"{spec}.{key}"
            path = spelled_path(body, f"spec.{field}")
            written = value_at(body, path)
            if not isinstance(written, str) or not written.strip():
                continue
            one = _data_set(written, field, Place(file, *(locate(body, path) or body.mark)), found, problems)
            if one is None:
                return ()
            sets.append(one)
            _check_share(sets, Place(file, *(locate(body, path) or body.mark)), problems)
    return tuple(sets) if sets and sets[0].field.endswith(".training_dataset_uri") else ()


def _data_set(written: str, field: str, place: Place, found: DataSets, problems: Problems) -> DataSet | None:
    if written.startswith("gs:"):
        if re.fullmatch(_OBJECT, written, re.ASCII):
            return DataSet("", 0, 0, shown=written, field=field, uri=written)
        problems.error(place, f"{written} is not the address of an object", "Write gs://BUCKET/NAME.jsonl.")
        return None
    spec, _, key = field.partition(".")
    if re.fullmatch(_DATA_SET, written, re.ASCII):
        if spec == PREFERENCE:
            problems.error(
                place,
                "preference tuning takes no data set of Vertex AI",
                "Write gs://BUCKET/NAME.jsonl or a file.",
            )
            return None
        # by its name: what is in it no call tells
        digest = hashlib.sha256(written.encode()).hexdigest()
        return DataSet(digest, 0, 0, shown=written, field=field, uri=written)
    one = found.from_file(written, place, form=spec, validation=key.startswith("validation"))
    if one is None:
        return None
    return DataSet(
        one.digest, one.examples, one.characters, file=one.file, shown=one.shown, field=field, form=one.form
    )


def _check_share(sets: Sequence[DataSet], place: Place, problems: Problems) -> None:
    """Of validation data that is counted, beside training data that is."""
    training, *others = sets
    for one in others:
        most = max(FREE_VALIDATION, training.examples * VALIDATION_PERCENT // 100)
        if training.examples and one.examples > most:
            problems.error(
                place,
                f"the validation data has {one.examples:,} examples, and the service takes {most:,} beside "
                f"{training.examples:,} of training",
                f"Above {FREE_VALIDATION:,} at most {VALIDATION_PERCENT} % of it: leave some out.",
            )


def _check_base(body: YamlMap, file: str, problems: Problems) -> None:
    """Adapter, region and key that the base model takes, and the key where the job runs."""

    def written(path: str) -> tuple[str, Place]:
        where = spelled_path(body, path)
        value = value_at(body, where)
        return value if isinstance(value, str) else "", Place(file, *(locate(body, where) or body.mark))

    base = written("spec.base_model")[0].rpartition("/")[2].partition("@")[0]
    location, at_location = written("metadata.location")
    key, at_key = written("spec.encryption_spec.kms_key_name")
    _, _, key_location = key.partition("/locations/")
    key_location = key_location.partition("/")[0]
    if location and key_location and key_location != location:
        problems.error(
            at_key,
            f"the key is in {key_location}, and the job in {location}",
            "Use a key of the same location.",
        )
    if not base:
        return
    for spec in (SUPERVISED, PREFERENCE):
        size, at_size = written(f"spec.{spec}.hyper_parameters.adapter_size")
        documented = _SIZES[: _LARGEST.get(base, _DOCUMENTED)]
        if size.removeprefix("ADAPTER_SIZE_") in set(_SIZES) - set(documented):
            problems.error(
                at_size,
                f"{base} takes no adapter of size {size.removeprefix('ADAPTER_SIZE_')}",
                f"Documented are {', '.join(f'ADAPTER_SIZE_{one}' for one in documented)}.",
            )
    if not _NEWEST.match(base):
        return
    if location and location not in _NEWEST_REGIONS:
        problems.error(
            at_location, f"{base} is not tuned in {location}", f"Write {' or '.join(_NEWEST_REGIONS)}."
        )
    if key:
        problems.error(at_key, f"{base} is not tuned under a customer's own key", "Remove encryption_spec.")
