"""`kind: ModelCopy`: a copy of a trained model in another project, location or stack.

Its `spec` says which model is copied, and has the other fields of Vertex AI's models.copy (CopyModelRequest
of aiplatform v1, revision 20261106). A copy trains nothing, so it has no data.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from reconciler.datasets.chat import SUPERVISED
from reconciler.datasets.data_sets import DataSets
from reconciler.manifests import schema_types as schema
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import DeclaredServing, EndpointId, ModelMetadata, ServedEnvelope
from reconciler.manifests.form import Form
from reconciler.manifests.stack import Location, Project, StateUrl
from reconciler.manifests.texts import (
    LIVE_COPY,
    NAME,
    NO_ENDPOINT,
    SOURCE_ADDRESS,
    SOURCE_KINDS,
    UNVERSIONED_MODEL,
    VERSIONED_MODEL,
)
from reconciler.manifests.tuning_job import EncryptionSpec, ServiceAccount
from reconciler.model.data import DataSet
from reconciler.model.desired import StateSource
from reconciler.model.endpoint import Serving
from reconciler.model.names import Address


def _check_address(value: str) -> str:
    if re.fullmatch(SOURCE_ADDRESS, value, re.ASCII):
        return value
    if value.startswith("projects/"):
        raise schema.make_refusal(
            "is a resource name, and not an address",
            "Write model: projects/P/locations/L/models/M@VERSION instead of address.",
        )
    if value.startswith("TunedModel/"):
        raise schema.make_refusal(
            "is a tuned model of the Gemini API, which has no copies", "Name a TuningJob or a ModelCopy."
        )
    raise schema.make_refusal(
        "is not the address of a model that can be copied", "Write TuningJob/NAME or ModelCopy/NAME."
    )


def _check_model(value: str) -> str:
    if re.fullmatch(VERSIONED_MODEL, value, re.ASCII):
        return value
    name, _, alias = value.partition("@")
    if re.fullmatch(UNVERSIONED_MODEL, name, re.ASCII):
        what = f"names its version by the alias {alias!r}" if alias else "names no version"
        raise schema.make_refusal(
            f"{what}, so what it means would change",
            f"Write {name}@VERSION with the number of the version, for example @1.",
        )
    if value.startswith(tuple(f"{kind}/" for kind in SOURCE_KINDS)):
        raise schema.make_refusal("is an address", f"Write address: {value} instead of model.")
    if "publishers/" in value or value.startswith("models/"):
        raise schema.make_refusal(
            "names a base model, which is offered everywhere already",
            "Name a tuned model: projects/P/locations/L/models/M@VERSION.",
        )
    raise schema.make_refusal(
        "is not the resource name of a model",
        "Write projects/P/locations/L/models/M@VERSION, as the job's tunedModel.model says.",
    )


SourceAddress = Annotated[str, AfterValidator(_check_address), schema.show_pattern(SOURCE_ADDRESS)]
SourceModel = Annotated[str, AfterValidator(_check_model), schema.show_pattern(VERSIONED_MODEL)]
Workspace = Annotated[
    str,
    schema.validate_pattern(
        NAME, "is not the name of a workspace", "a-z, 0-9 and '-', beginning with a letter."
    ),
    schema.show_pattern(NAME),
]
CopyName = Annotated[
    str,
    schema.validate_pattern(
        LIVE_COPY, "is not the name of a model", "Write its id, or projects/P/locations/L/models/ID."
    ),
    schema.show_pattern(LIVE_COPY),
]


class CopyMetadata(ModelMetadata):
    """Identifies a copy, and names the project and the location that the model is copied to."""

    HINTS: ClassVar = {**ModelMetadata.HINTS, "region": "Write location."}

    import_: CopyName | None = Field(default=None, alias="import")
    location: Location | None = None
    project: Project | None = None


class CopySource(schema.Named):
    """The model to copy: an address of this stack or of another state, or a resource name."""

    HINTS: ClassVar = {
        "stack": "Write state: the address of its store.",
        "name": "Write address: KIND/NAME, or model: projects/P/locations/L/models/M@VERSION.",
        "version": "Write it after the model's name: models/M@VERSION.",
        "checkpoint": "The copy has the checkpoint that the source's address serves.",
    }

    state: StateUrl | None = None
    workspace: Workspace | None = None
    address: SourceAddress | None = None
    model: SourceModel | None = None

    @property
    def text(self) -> str:
        """How the core names it."""
        elsewhere = self.to_model()
        return str(elsewhere) if elsewhere else self.address or self.model or ""

    def to_model(self) -> StateSource | None:
        """Convert to the core's type. None for a source that no other state records."""
        if self.state is None or self.address is None:
            return None
        return StateSource(self.state, self.workspace or "default", Address.parse(self.address))


class CopyServing(DeclaredServing):
    """The stable endpoint of a copy. Without `endpoint` it has the name of the manifest."""

    endpoint: EndpointId | None = None  # type: ignore[assignment]  # a default makes the key optional


class ModelCopySpec(schema.Declared):
    """The model to copy, and the fields of models.copy."""

    OUTPUT_ONLY: ClassVar = frozenset({"name", "model", "model_version_id", "create_time", "update_time"})
    MISSING: ClassVar = {"source": "Add source: {address: KIND/NAME}, the model to copy."}
    HINTS: ClassVar = {
        "source_model": "Write source: {model: projects/P/locations/L/models/M@VERSION}.",
        "model_id": "The id is chosen for you, so that a model is copied only once.",
        "parent_model": "A copy is a model of its own, and no version of another.",
        "service_account": "Write custom_service_account.",
        **dict.fromkeys(
            (
                "base_model",
                "pre_tuned_model",
                "supervised_tuning_spec",
                "preference_optimization_spec",
                "tuned_model_display_name",
                "tuned_model_source",
                "tuning_task",
            ),
            "A copy trains nothing: it is a key of the model that is trained.",
        ),
        **dict.fromkeys(("location", "project", "import", "labels"), "It belongs in metadata."),
        **dict.fromkeys(("lifecycle", "checks", "serving"), "It belongs beside spec, not into it."),
        **dict.fromkeys(("state", "workspace", "address"), "It belongs in source."),
    }

    source: CopySource
    custom_service_account: ServiceAccount | None = None
    encryption_spec: EncryptionSpec | None = None


class ModelCopyManifest(ServedEnvelope):
    """A whole document of this kind."""

    kind: Literal["ModelCopy"]
    metadata: CopyMetadata
    spec: ModelCopySpec
    serving: CopyServing | None = None

    def build_serving(self) -> Serving | None:
        """See `ModelEnvelope`."""
        declared = self.serving or CopyServing()
        if declared.endpoint == NO_ENDPOINT:
            return None
        if declared.endpoint is not None:
            return declared.to_model()
        named = declared.model_copy(update={"endpoint": self.metadata.name})
        return named.to_model(is_default=True)

    def build_elsewhere(self) -> StateSource | None:
        """See `ModelEnvelope`."""
        return self.spec.source.to_model()


def check_checkpoint(document: Document) -> None:
    """Refuse a choice of a checkpoint: a copy has those of its source, but no endpoint to check each at."""
    checkpoint = document.at("serving.checkpoint")
    if checkpoint.is_there:
        checkpoint.error(
            "serving.checkpoint: a copy serves the checkpoint that was chosen for its source",
            "Remove the key, and declare it where the model is trained.",
            of_key=True,
        )


def read_data_sets(document: Document, data_sets: DataSets, rest: int) -> tuple[DataSet, ...]:
    """Return none: a copy has no data. Also checks that the keys of the source go together."""
    del data_sets, rest
    source = document.at("spec.source")
    if source.at("workspace").is_there and not source.at("state").is_there:
        source.at("workspace").error(
            "spec.source.workspace is of another state, and spec.source names none",
            "Add state: the address of the store, or remove workspace.",
            of_key=True,
        )
    return ()


def find_endpoint(document: Document) -> tuple[str, str]:
    """See `form.Form`. By default, a copy has an endpoint of its name, where the model is copied to."""
    named = document.at("serving.endpoint")
    id = named.text if named.is_there else document.at("metadata.name").text
    place = document.at("serving.location").text or document.at("metadata.location").text
    return ("", "") if id == NO_ENDPOINT else (id, place)


FORM = Form(
    manifest=ModelCopyManifest,
    choices=(
        ("spec.source", ("address", "model"), True),
        ("spec.source", ("state", "model"), False),
    ),
    data=(),
    parent="source.address",
    read_data_sets=read_data_sets,
    questions=SUPERVISED,
    parents=("TuningJob",),
    find_endpoint=find_endpoint,
    check_checkpoint=check_checkpoint,
)
