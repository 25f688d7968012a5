"""The result of reading manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from reconciler.errors import Diagnostic
from reconciler.model.desired import Desired, Removal
from reconciler.model.names import Address
from reconciler.model.stack import Stack

Names: TypeAlias = Mapping[Address, Mapping[str, str]]
"""Declared addresses with their labels."""


class Loaded(Struct, frozen=True):
    """The content of a set of manifests.

    Attributes:
        desired: sorted by address.
        stack: the settings; Stack() if none is declared.
        whole: whether every path was a folder. Then a model that is not here is not desired. Otherwise the
            paths only select.
        files: the manifest files that were read.
        warnings: notes about what is valid, but probably not what was meant: see `problems.fold`.
        folders: the given folders, relative to the git root, or else to the working directory. A model that
            was declared elsewhere must not be deleted. None if nobody asks.
        removals: what `kind: Removed` takes out of the state, sorted by address.
    """

    desired: tuple[Desired, ...]
    stack: Stack
    whole: bool
    files: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()
    folders: tuple[str, ...] | None = None
    removals: tuple[Removal, ...] = ()
