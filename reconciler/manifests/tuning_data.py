"""Reads the data sets that a TuningJob names."""

from __future__ import annotations

from reconciler.datasets.addresses import check_share, find_data_set
from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.documents import Document
from reconciler.manifests.rules import is_there_already
from reconciler.model import DataSet


def read_data_sets(document: Document, data_sets: DataSets, rest: int) -> tuple[DataSet, ...]:
    """See `kinds.Form`; the bytes beside the data do not matter, because it is uploaded by itself."""
    del rest
    found: list[DataSet] = []
    for spec in (SUPERVISED, PREFERENCE):
        for key in ("training_dataset_uri", "validation_dataset_uri"):
            node = document.at(f"spec.{spec}.{key}")
            if not node.text.strip():
                continue
            one = find_data_set(node.text, f"{spec}.{key}", node.place, data_sets, document.problems)
            if one is None:
                return ()
            refusal = check_share(found[0], one) if found else None
            if refusal is not None:
                node.error(*refusal)
            found.append(one)
    if not found or found[0].field.endswith(".training_dataset_uri"):
        return tuple(found)
    if is_there_already(document):  # else it is told by `check_data`
        field = f"spec.{found[0].field}"
        document.at(field).error(
            f"{field.rpartition('.')[0]} has validation data and no training data",
            "Add training_dataset_uri, or leave both out.",
            of_key=True,
        )
    return ()
