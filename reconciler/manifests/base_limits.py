"""What the table of base models says about a TuningJob: adapter, location and key, before anything is sent.

What is only documented for a base model is an error all the same: the service's refusal names no way out. A
base model that the table does not know is held to what holds for all.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.datasets.chat import PREFERENCE, SUPERVISED
from reconciler.kind import Base
from reconciler.manifests.located import YamlMap, locate, value_at
from reconciler.manifests.spelling import spelled_path
from reconciler.problems import Place, Problems

_PREFIX = "ADAPTER_SIZE_"
_SIZES: Mapping[str, int] = {"ONE": 1, "TWO": 2, "FOUR": 4, "EIGHT": 8, "SIXTEEN": 16, "THIRTY_TWO": 32}
_DOCUMENTED = (1, 2, 4, 8, 16)
"""Sizes that some base model is documented to take; the API has one more."""


def check_base(
    body: YamlMap, file: str, bases: Mapping[str, Base], location: str, problems: Problems
) -> None:
    """Note where a document asks for what its base model does not take.

    Args:
        body: the document.
        file: where it stands.
        bases: the table.
        location: the Stack's, for a document that names none; "" for none.
        problems: where to note what is wrong.
    """
    name, at_base = _written(body, file, "spec.base_model")
    named, at_location = _written(body, file, "metadata.location")
    key, at_key = _written(body, file, "spec.encryption_spec.kms_key_name")
    key_location = key.partition("/locations/")[2].partition("/")[0]
    if named and key_location and key_location != named:
        problems.error(
            at_key,
            f"the key is in {key_location}, and the job in {named}",
            "Use a key of the same location.",
        )
    name = name.rpartition("/")[2].partition("@")[0]
    if not name:
        return
    base = bases.get(name)
    _check_adapters(body, file, name, (base.adapters if base else ()) or _DOCUMENTED, problems)
    if base is None:
        return
    where = named or location
    if base.locations and where and where not in base.locations:
        whose = "" if named else " (the Stack's location)"
        problems.error(
            at_location if named else at_base,
            f"{name} is not tuned in {where}{whose}",
            f"Write {'' if named else 'it into metadata.location or the Stack: '}"
            f"{' or '.join(base.locations)}.",
        )
    if key and not base.own_keys:
        problems.error(at_key, f"{name} is not tuned under a customer's own key", "Remove encryption_spec.")


def _check_adapters(body: YamlMap, file: str, name: str, taken: tuple[int, ...], problems: Problems) -> None:
    for spec in (SUPERVISED, PREFERENCE):
        size, at_size = _written(body, file, f"spec.{spec}.hyper_parameters.adapter_size")
        word = size.removeprefix(_PREFIX)
        if word in _SIZES and _SIZES[word] not in taken:
            documented = ", ".join(f"{_PREFIX}{one}" for one, count in _SIZES.items() if count in taken)
            problems.error(at_size, f"{name} takes no adapter of size {word}", f"It takes {documented}.")


def _written(body: YamlMap, file: str, path: str) -> tuple[str, Place]:
    """A text of the document and where it stands; "" where there is none."""
    where = spelled_path(body, path)
    value = value_at(body, where)
    return value if isinstance(value, str) else "", Place(file, *(locate(body, where) or body.mark))
