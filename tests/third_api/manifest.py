"""`kind: Parrot` as a manifest declares it; the test copies this file to reconciler/manifests/parrot.py."""

from __future__ import annotations

from typing import Literal

from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import ModelEnvelope
from reconciler.manifests.form import Form
from reconciler.manifests.schema_types import Declared, Text, Whole
from reconciler.model.data import DataSet


class ParrotSpec(Declared):
    """The spec of a parrot: what it is taught."""

    base_model: Text
    display_name: str | None = None
    rounds: Whole | None = None
    training_data: Text | None = None


class ParrotManifest(ModelEnvelope):
    """A whole document of this kind."""

    kind: Literal["Parrot"]
    spec: ParrotSpec


def read_data_sets(document: Document, data_sets: DataSets, rest: int) -> tuple[DataSet, ...]:
    """See `form.Form`."""
    file = document.at("spec.training_data")
    found = data_sets.read_file(file.text, file, rest=rest) if file.text else None
    return () if found is None else (found,)


FORM = Form(ParrotManifest, (), ("training_data",), "", read_data_sets)
