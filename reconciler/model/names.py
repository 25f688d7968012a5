"""How models and their fields are named, and the types of what a field may hold."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | tuple[Scalar, ...]
Attributes: TypeAlias = Mapping[str, Value]
"""Flat: snake_case path ("tuning_task.hyperparameters.epoch_count") to value. No training data."""

Name: TypeAlias = Annotated[str, Meta(min_length=1)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Unknown: TypeAlias = Annotated[Mapping[str, str], Meta(min_length=2**31)]
"""Keys that only a newer version knows, with their values as JSON. They are written back unchanged.

It is no key itself: msgspec would take it only from a document with 2,147,483,648 such keys."""

BASE_MODEL = "base_model"
"""The path, in every kind, of the field that names a base model."""

SOURCE = "source"
"""The path, in every kind of copies, of the field that names the model to copy."""

NAME_LIMIT = 31
"""Characters of metadata.name, so that NAME-DIGEST8 has no more than 40."""


class Address(Struct, frozen=True, order=True, cache_hash=True):
    """The name that a manifest gives to its model: "TunedModel/support-bot"."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def word(self) -> str:
        """Quoted for a command to copy, because a name in a state may hold any text."""
        return shlex.quote(str(self))

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the inverse of str(); raises ValueError for anything else."""
        kind, slash, name = text.partition("/")
        if not (kind and slash and name) or "/" in name:
            raise ValueError(f"not an address: {text!r}")
        return cls(kind, name)

    @property
    def variable(self) -> str:
        """Its name as an environment variable: TUNEDMODEL_SUPPORT_BOT."""
        return re.sub(r"[^A-Za-z0-9]", "_", f"{self.kind}_{self.name}").upper()
