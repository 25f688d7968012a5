"""What manifests declare: models, the rules for their changes, and what they take out of the state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.model.checks import Checks
from reconciler.model.data import DataSet
from reconciler.model.endpoint import Serving
from reconciler.model.names import Address, Attributes
from reconciler.model.permission import Permission


class IgnoredDrift(Struct, frozen=True):
    """A known difference: not reported until the date has passed. `until` is an ISO date or ""."""

    field: str
    reason: str = ""
    until: str = ""


class Replacement(StrEnum):
    """The ways to replace a model."""

    CANDIDATE = "candidate"
    """The new model is trained beside the old one, and the old one goes after the promotion."""
    DELETE_FIRST = "delete_first"
    """The old model is deleted before the new one is created: only under a pinned id."""


KEEP_DEPOSED = timedelta(hours=24)
"""By default a replaced model stays for this time, so that a reverted commit needs no training."""


class Lifecycle(Struct, frozen=True):
    """The rules for changes of a model.

    Attributes:
        keep_deposed: how long the replaced model stays after promotion. None where it is not declared: see
            `keeps_for`.
    """

    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    keep_deposed: timedelta | None = None
    ignore_drift: tuple[IgnoredDrift, ...] = ()
    replace: Replacement = Replacement.CANDIDATE

    @property
    def keeps_for(self) -> timedelta:
        """The time for which a replaced model stays: as declared, else the default."""
        return KEEP_DEPOSED if self.keep_deposed is None else self.keep_deposed


class StateSource(Struct, frozen=True, order=True):
    """A model that another state records.

    Attributes:
        state: the address of the store, as for --state.
        workspace: of the state.
        address: of the model there.
    """

    state: str
    workspace: str
    address: Address

    def __str__(self) -> str:
        return f"state {self.state}, workspace {self.workspace}: {self.address}"


class Desired(Struct, frozen=True):
    """One model that a manifest declares.

    Attributes:
        attributes: declared fields only, in the kind's paths. A source model that is another
            manifest is "TunedModel/other" here until the plan resolves it.
        data: its data sets; the first is the training data. Of a model that is there already it may be left
            out: then there is none, and nothing can be trained.
        permissions: None when not managed, () for none at all.
        id: the pinned id, or None.
        imports: id or resource name of the live model that it takes over, "" for none.
        file, line: where the document begins.
        moved_from: the address that it had before, None for none.
        manifest: path of its file relative to the git root (else to the working directory), as records
            keep it; "" where nobody asked.
        places: path to (line, column), to point errors that only the service can find.
        effective: where it lives as far as the manifest leaves that to Stack and environment, in the kind's
            paths; {} until its service was asked.
        serving: the stable endpoint, None for none.
        elsewhere: the source model, if another state records it; then the attribute of the source only names
            it in words.
    """

    address: Address
    attributes: Attributes
    data: tuple[DataSet, ...]
    permissions: tuple[Permission, ...] | None = None
    id: str | None = None
    imports: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    lifecycle: Lifecycle = Lifecycle()
    checks: Checks = ()
    moved_from: Address | None = None
    manifest: str = ""
    file: str = ""
    line: int = 0
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    effective: Attributes = field(default_factory=dict)
    serving: Serving | None = None
    elsewhere: StateSource | None = None

    def __eq__(self, other: object) -> bool:
        """Compare what is wanted. Where keys stand is no part of it."""
        return type(other) is Desired and Struct.__eq__(replace(self, places={}), replace(other, places={}))

    __hash__ = None  # type: ignore[assignment]  # it has mappings

    def __repr__(self) -> str:
        return Struct.__repr__(replace(self, places={}))

    @property
    def place(self) -> str:
        """file:line, for messages."""
        return f"{self.file}:{self.line}" if self.file else str(self.address)


class Removal(Struct, frozen=True):
    """An address that a manifest of `kind: Removed` takes out of the state.

    Attributes:
        destroy: delete its models at the service too.
        file, line: where the document begins.
    """

    address: Address
    destroy: bool
    file: str = ""
    line: int = 0
