"""The form of a kind in manifests, with its schema. Each kind's module has one, `FORM`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from reconciler.bases import Base
from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import ModelEnvelope
from reconciler.model.data import DataSet


def read_endpoint(document: Document) -> tuple[str, str]:
    """Return the id and the location of the stable endpoint that a document declares, "" for none."""
    return document.at("serving.endpoint").text, document.at("serving.location").text


Choice = tuple[str, tuple[str, str], bool]
"""Where, which keys exclude each other, whether one of them must be there."""


class Form(Struct, frozen=True):
    """The form of a kind in manifests.

    Attributes:
        manifest: the schema of the whole document.
        choices: the API's oneofs.
        data: the keys of the training data. A model that may have to be trained needs one of them.
        parent: the field that may name another manifest, "" if none.
        parents: the kinds that this manifest may be of beside its own.
        read_data_sets: takes the document, the DataSets that measure files, and how many bytes the request
            has beside the data. Returns the data sets, even if other parts of the document are wrong. Returns
            none after noting what is wrong with them.
        check_base: takes the document, the table of base models and the Stack's location. Notes what the base
            model does not accept. None if only the service knows.
        check_checkpoint: takes the document. Notes a chosen checkpoint that the training cannot have. None if
            only the service knows.
        find_endpoint: takes the document. Returns the id and the location of its stable endpoint, "" if it
            has none.
        questions: the form (`datasets.measure.FORMS`) of the held-out files of the kind's checks.
    """

    manifest: type[ModelEnvelope]
    choices: tuple[Choice, ...]
    data: tuple[str, ...]
    parent: str
    read_data_sets: Callable[[Document, DataSets, int], tuple[DataSet, ...]]
    check_base: Callable[[Document, Mapping[str, Base], str], None] | None = None
    check_checkpoint: Callable[[Document], None] | None = None
    questions: str = ""
    parents: tuple[str, ...] = ()
    find_endpoint: Callable[[Document], tuple[str, str]] = read_endpoint
