"""The result of reading manifests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.errors import Diagnostic
from reconciler.model import Address, Desired, Removal, Stack

Names: TypeAlias = Mapping[Address, Mapping[str, str]]
"""Declared addresses with their labels."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a set of manifests declares.

    Attributes:
        desired: sorted by address.
        stack: the settings; Stack() when none is declared.
        whole: every path was a folder, so what is not here is not desired; else the paths only select.
        files: the manifest files that were read.
        warnings: valid, but probably not what was meant.
        folders: those that were given, relative to the git root (else to the working directory): what was
            declared elsewhere is not ours to delete. None if nobody asks.
        removals: what `kind: Removed` takes out of the state, sorted by address.
    """

    desired: tuple[Desired, ...]
    stack: Stack
    whole: bool
    files: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()
    folders: tuple[str, ...] | None = None
    removals: tuple[Removal, ...] = ()
