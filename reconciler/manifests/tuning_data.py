"""The data sets of a TuningJob: held before anything is sent.

Sources: the API's discovery document, and Google's pages on supervised tuning (api.md section 5).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.datasets.measure import DataSets
from reconciler.manifests.located import YamlMap, locate, value_at
from reconciler.manifests.rules import is_there_already
from reconciler.manifests.spelling import spelled_path
from reconciler.model import DataSet
from reconciler.problems import Place, Problems

FREE_VALIDATION = 1_000
"""Examples of a validation data set of any size of training; above it at most 30 % of the training's."""
VALIDATION_PERCENT = 30

_OBJECT = r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/[^\x00-\x1f]{1,1024}"
_NO_JSONL = (".csv", ".tsv", ".json", ".gz", ".zip", ".parquet", ".xlsx", ".txt")
_DATA_SET = r"projects/[A-Za-z0-9:._-]+/locations/[a-z0-9-]+/datasets/[A-Za-z0-9_-]+"


def data_sets(
    body: YamlMap, file: str, found: DataSets, problems: Problems, rest: int
) -> tuple[DataSet, ...]:
    """The data sets of a document, also of one whose other parts are wrong.

    Args:
        body: the document.
        file: where it stands.
        found: to read data files with.
        problems: where to note what is wrong.
        rest: bytes of the request beside the data; of no matter, because data is uploaded by itself.
    """
    del rest
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
    if not sets or sets[0].field.endswith(".training_dataset_uri"):
        return tuple(sets)
    if is_there_already(body):  # else it is told by `check_data`
        field = sets[0].field.rpartition(".")[0]
        place = Place(
            file, *(locate(body, spelled_path(body, f"spec.{sets[0].field}"), of_key=True) or body.mark)
        )
        problems.error(
            place,
            f"spec.{field} has validation data and no training data",
            "Add training_dataset_uri, or leave both out.",
        )
    return ()


def _data_set(written: str, field: str, place: Place, found: DataSets, problems: Problems) -> DataSet | None:
    if written.startswith("gs:"):
        if re.fullmatch(_OBJECT, written, re.ASCII) and not re.search(r"/$|[*]", written):
            if written.lower().endswith(_NO_JSONL):
                problems.warning(
                    place,
                    f"{written}: the service reads JSONL only, and this name does not end in .jsonl",
                    "Name a file beside the manifest instead: it is converted and uploaded.",
                )
            return DataSet("", 0, 0, shown=written, field=field, uri=written)
        problems.error(place, f"{written} is not the address of an object", _advise_object(written))
        return None
    spec, _, key = field.partition(".")
    address = re.fullmatch(r"https://storage\.(?:googleapis|cloud\.google)\.com/([^?#]+)", written, re.ASCII)
    if address is not None:
        problems.error(place, f"{written} is an address for browsers", f"Write gs://{address[1]}.")
        return None
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
    if spec == PREFERENCE and written.lower().endswith(".csv"):
        problems.error(
            place,
            f"{written}: preference tuning takes no CSV, which has no room for two answers",
            "Write chat JSONL: contents, and two completions with their scores.",
        )
        return None
    one = found.from_file(written, place, form=spec, validation=key.startswith("validation"))
    if one is None:
        return None
    return DataSet(
        one.digest, one.examples, one.characters, file=one.file, shown=one.shown, field=field, form=one.form
    )


def _advise_object(written: str) -> str:
    """What is wrong with the address of an object, and what to write."""
    bucket, _, name = written.removeprefix("gs:").lstrip("/").partition("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", bucket, re.ASCII):
        return "Write gs://BUCKET/NAME.jsonl. A bucket's name has 3 to 222 of a-z, 0-9, '-', '_' and '.'."
    if name.endswith("/"):
        return f"It is a folder, and the service reads one object: write gs://{bucket}/{name}NAME.jsonl."
    if "*" in name:
        return "The service takes no wildcards: join the files into one .jsonl, and name that."
    return f"Write gs://{bucket}/{name or 'NAME.jsonl'}."


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
