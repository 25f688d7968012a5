"""`kind: Removed`: an address to take out of the state, with its models or without them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, ValidationError

from reconciler.manifests import schema_types as schema
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import Envelope, LabelKey, LabelValue
from reconciler.manifests.references import Declaration
from reconciler.manifests.validation_messages import explain
from reconciler.model.desired import Removal
from reconciler.model.names import Address
from reconciler.problems import find_nearest

Removals: TypeAlias = Mapping[Address, tuple[Document, Removal]]
"""Each address with the document that removes it, and what that says."""

_ADDRESS = r"[A-Za-z]+/[^\s/]+"

RemovedAddress = Annotated[
    str,
    schema.validate_pattern(_ADDRESS, "is not an address", "Write KIND/NAME, as it is recorded."),
    schema.show_pattern(_ADDRESS),
]


class RemovedMetadata(schema.Declared):
    """The name of the document is free: it is not an address."""

    name: schema.Text
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)


class RemovedSpec(schema.Declared):
    """The record to take out of the state. `destroy`: delete its models at the service too."""

    HINTS: ClassVar = {"name": "Write address: KIND/NAME.", "from": "Write address: KIND/NAME."}
    MISSING: ClassVar = {
        "destroy": "Write destroy: true to delete its models too, or destroy: false to keep them unmanaged."
    }

    address: RemovedAddress
    destroy: schema.Flag


class RemovedManifest(schema.Declared):
    """A whole document of this kind. Its metadata are fewer than those of an `Envelope`."""

    HINTS: ClassVar = Envelope.HINTS

    apiVersion: Literal["reconciler/v1"]  # noqa: N815 -- Kubernetes has one spelling of it
    kind: Literal["Removed"]
    metadata: RemovedMetadata
    spec: RemovedSpec


def read_removals(documents: Iterable[Document], kinds: Collection[str]) -> Removals:
    """Read the documents of this kind. Notes what is wrong with one, and leaves it out."""
    found: dict[Address, tuple[Document, Removal]] = {}
    for document in documents:
        try:
            declared = RemovedManifest.model_validate(document.body)
        except ValidationError as error:
            explain(error, RemovedManifest, document, address=None)
            continue
        address = Address.parse(declared.spec.address)
        node = document.at("spec.address")
        if address.kind not in kinds:
            near = find_nearest(address.kind, sorted(kinds))
            meant = f"Did you mean {near}?" if near else f"Known here: {', '.join(sorted(kinds))}."
            node.error(f"{address}: there is no kind {address.kind}", meant)
        elif address in found:
            first = found[address][0].at("spec.address").place
            node.error(f"{address} is Removed twice, first at {first}", "Keep one of them.")
        else:
            removal = Removal(address, declared.spec.destroy, document.file, document.mark[0])
            found[address] = (document, removal)
    return found


def check_removals(removals: Removals, declarations: Iterable[Declaration]) -> None:
    """Note an address that is declared and Removed, and one that is Removed and the source of a move."""
    for model in declarations:
        if model.address in removals:
            document, _ = removals[model.address]
            place = model.document.at("metadata.name").place
            summary = f"{model.address} is Removed here, and declared at {place}"
            advice = "Remove one of the two documents."
            document.at("spec.address").error(summary, advice, address=str(model.address))
        former = model.moved_from
        if former is not None and former in removals:
            place = removals[former][0].at("spec.address").place
            model.error(
                "metadata.moved_from",
                f"metadata.moved_from: {former} is Removed, at {place}",
                f"A record is either taken over by {model.address} or removed: take one of the two out.",
            )
