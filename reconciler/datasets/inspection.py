"""Holds the results of the command `data`, for the data of a model or for one file."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from reconciler.datasets.rows import Measured
from reconciler.datasets.survey import Found
from reconciler.errors import Diagnostic


class Use(StrEnum):
    """The use of a data set."""

    FILE = "data"
    TRAINING = "training data"
    VALIDATION = "validation data"
    CHECK = "held-out examples of a check"


class Inspected(Struct, frozen=True):
    """One data set.

    Attributes:
        name: as the manifest or the command line names it.
        measured: None if it cannot be read.
        why: the reason why it cannot be read.
        errors: what is wrong in it. Its other examples are measured all the same.
        shared: which of its examples are in the training data too. None if it is the training data, or if
            that is not known.
    """

    use: Use
    name: str
    measured: Measured | None
    why: str = ""
    errors: tuple[Diagnostic, ...] = ()
    shared: Found | None = None


class Inspection(Struct, frozen=True):
    """The data sets of a model, the training data first.

    Attributes:
        address: "" for a file alone.
    """

    address: str
    sets: tuple[Inspected, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The errors of all data sets."""
        return tuple(error for inspected in self.sets for error in inspected.errors)

    def find_training(self, held: Inspected) -> Measured | None:
        """Find the training data that other data is compared with; None if it is not measured."""
        first = self.sets[0]
        return None if held is first or held.measured is None else first.measured

    def find_percent(self, held: Inspected) -> int | None:
        """Find how many percent of the training data's bytes validation data has; None if unknown."""
        training = self.find_training(held) if held.use is Use.VALIDATION else None
        if training is None or held.measured is None or not training.size:
            return None
        return 100 * held.measured.size // training.size
