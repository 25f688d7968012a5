"""The data sets that a TuningJob names, also one whose other parts are wrong."""

from __future__ import annotations

from reconciler.datasets.addresses import check_share, find_data_set
from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.located import YamlMap, locate, value_at
from reconciler.manifests.rules import is_there_already
from reconciler.manifests.spelling import spelled_path
from reconciler.model import DataSet
from reconciler.problems import Place, Problems


def data_sets(
    body: YamlMap, file: str, found: DataSets, problems: Problems, rest: int
) -> tuple[DataSet, ...]:
    """See `kinds.Form`; the bytes beside the data are of no matter, because it is uploaded by itself."""
    del rest
    sets: list[DataSet] = []
    for spec in (SUPERVISED, PREFERENCE):
        for key in ("training_dataset_uri", "validation_dataset_uri"):
            field = f"{spec}.{key}"
            path = spelled_path(body, f"spec.{field}")
            written = value_at(body, path)
            if not isinstance(written, str) or not written.strip():
                continue
            place = Place(file, *(locate(body, path) or body.mark))
            one = find_data_set(written, field, place, found, problems)
            if one is None:
                return ()
            refusal = check_share(sets[0], one) if sets else None
            if refusal is not None:
                problems.error(place, *refusal)
            sets.append(one)
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
