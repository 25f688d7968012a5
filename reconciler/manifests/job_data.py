"""Reads the data sets of a TuningJob: addresses as texts, or files with what is to be read of them.

Rule: a schema is imported only for a file that is written as a mapping.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.datasets.addresses import check_share, find_data_set
from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.documents import Document, Node
from reconciler.manifests.rules import is_there_already
from reconciler.model.data import DataSet

_FIELDS = tuple(
    f"{spec}.{key}"
    for spec in (SUPERVISED, PREFERENCE)
    for key in ("training_dataset_uri", "validation_dataset_uri")
)


def read_data_sets(
    document: Document, data_sets: DataSets, rest: int, fields: Sequence[str] = _FIELDS
) -> tuple[DataSet, ...]:
    """See `form.Form`. The bytes beside the data do not matter, because the data is uploaded separately.

    `fields` has those that may be there, without "spec".
    """
    del rest
    found: list[DataSet] = []
    for field in fields:
        node = document.at(f"spec.{field}")
        if not (node.text or node.at("file").text).strip():
            continue
        data = _read_data_set(node, field, data_sets, document)
        if data is None:
            return ()
        refusal = check_share(found[0], data) if found else None
        if refusal is not None:
            node.error(*refusal)
        found.append(data)
    if not found or found[0].field.endswith(".training_dataset_uri"):
        return tuple(found)
    if is_there_already(document):  # otherwise `check_data` reports it
        field = f"spec.{found[0].field}"
        document.at(field).error(
            f"{field.rpartition('.')[0]} has validation data and no training data",
            "Add training_dataset_uri, or leave both out.",
            of_key=True,
        )
    return ()


def _read_data_set(node: Node, field: str, data_sets: DataSets, document: Document) -> DataSet | None:
    file, layout = node, None
    if not node.text:
        from reconciler.manifests.data_files import ChatFile, DataFile, read_layout

        layout = read_layout(node, ChatFile if field.startswith(PREFERENCE) else DataFile)
        if layout is None:
            return None
        file = node.at("file")
    return find_data_set(file.text, field, file, data_sets, problems=document.problems, layout=layout)
