"""Checks a TuningJob against the table of base models: adapter, location and key, before anything is sent.

A limit that is only documented is an error too, because the service's refusal does not say what to do. A base
model that is not in the table is checked only against the limits that hold for all base models.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reconciler.bases import Base, find_base, strip_publisher
from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.manifests.documents import Document

_PREFIX = "ADAPTER_SIZE_"
_SIZES: Mapping[str, int] = {"ONE": 1, "TWO": 2, "FOUR": 4, "EIGHT": 8, "SIXTEEN": 16, "THIRTY_TWO": 32}


def check_base(document: Document, bases: Mapping[str, Base], location: str) -> None:
    """Note each setting of a document that its base model does not accept.

    Args:
        document: the document of a TuningJob.
        bases: the table of base models.
        location: the Stack's location, for a document that names none; "" for none.
    """
    named, key = document.at("metadata.location"), document.at("spec.encryption_spec.kms_key_name")
    key_location = key.text.partition("/locations/")[2].partition("/")[0]
    if named.text and key_location and key_location != named.text:
        key.error(
            f"the key is in {key_location}, and the job in {named.text}", "Use a key of the same location."
        )
    at_base = document.at("spec.base_model")
    name = strip_publisher(at_base.text)
    if not name:
        return
    base = find_base(bases, name)
    _check_adapters(document, name, (base.adapters if base else ()) or _list_adapters(bases))
    if base is None:
        return
    where = named.text or location
    if base.locations and where and where not in base.locations:
        whose = "" if named.text else " (the Stack's location)"
        (named if named.text else at_base).error(
            f"{name} is not tuned in {where}{whose}",
            f"Write {' or '.join(base.locations)}"
            f"{'' if named.text else ', into metadata.location or the Stack'}.",
        )
    if key.text and not base.own_keys:
        key.error(f"{name} is not tuned under a customer's own key", "Remove encryption_spec.")


def _list_adapters(bases: Mapping[str, Base]) -> frozenset[int]:
    """List the adapter sizes that any base model is documented to accept. The API has one more."""
    return frozenset(size for base in bases.values() for size in base.adapters)


def _check_adapters(document: Document, name: str, taken: Collection[int]) -> None:
    for spec in (SUPERVISED, PREFERENCE):
        declared = document.at(f"spec.{spec}.hyper_parameters.adapter_size")
        word = declared.text.removeprefix(_PREFIX)
        if word in _SIZES and _SIZES[word] not in taken:
            documented = ", ".join(f"{_PREFIX}{size}" for size, count in _SIZES.items() if count in taken)
            declared.error(f"{name} takes no adapter of size {word}", f"It takes {documented}.")
