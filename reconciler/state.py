"""The recorded side: what we believe we own, as a value and as JSON.

Rule: a state holds ids, digests and counts; never training data, never a credential. It can be thrown
away: every id in it could be computed again (`identity`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconciler.model import Address, Attributes, Permission, Status

VERSION = 1
"""Of the state document; newer ones are refused, older ones upgraded in memory."""

DEFAULT_WORKSPACE = "default"


class Verdict(StrEnum):
    """What a model's checks said."""

    NONE = ""
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RecordedData:
    """What is left of a data set once it was sent.

    Attributes:
        field: which data set of the model.
        digest: SHA-256 in hex; the only thing that can tell that data changed.
        assumed: the digest is the manifest's word for a model that we did not create ourselves.
    """

    field: str
    digest: str
    examples: int
    characters: int
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """One model that we started or adopted: serving, candidate or deposed.

    Attributes:
        id: ours, chosen before the call (design 2.4), or the pinned or imported one.
        name: the API's resource name; "" until the service told it, where it chooses.
        digest: of the identity, SHA-256 in hex; "" for an imported model.
        formula: version of the identity formula that made the digest.
        source: resource name of the model it was tuned from.
        sent: the declared attributes as sent or last updated (never data).
        status: None while pending: recorded before the POST, not yet known to be accepted.
        permissions: as last set; None when not managed.
        operation: where a failure's reason is to be found.
        error: that reason, once known.
        times: RFC 3339, "" where it has not happened. started: intent recorded;
            create_time: the service's own; completed: seen ACTIVE or FAILED.
    """

    id: str
    name: str = ""
    digest: str = ""
    formula: int = 1
    generation: int = 0
    source: str = ""
    sent: Attributes = field(default_factory=dict)
    data: tuple[RecordedData, ...] = ()
    status: Status | None = None
    permissions: tuple[Permission, ...] | None = None
    operation: str = ""
    total_steps: int | None = None
    verdict: Verdict = Verdict.NONE
    error: str = ""
    started: str = ""
    create_time: str = ""
    completed: str = ""
    promoted: str = ""
    deposed: str = ""

    @property
    def pending(self) -> bool:
        """Recorded, but not known to have reached the service."""
        return self.status is None


@dataclass(frozen=True, slots=True)
class Record:
    """All that is recorded of one address.

    Attributes:
        serving: the model that serves; None before the first promotion. Its id is the record's `id`.
        candidate: in training, or trained and unproven.
        deposed: to be deleted, or kept for a while, oldest first.
        prevent_destroy: the manifest's word, kept here so that it outlives the manifest.
    """

    address: Address
    serving: Model | None = None
    candidate: Model | None = None
    deposed: tuple[Model, ...] = ()
    prevent_destroy: bool = False

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model of the record, the serving one first."""
        return tuple(m for m in (self.serving, self.candidate, *self.deposed) if m is not None)

    @property
    def empty(self) -> bool:
        """Nothing left to remember."""
        return not self.models


@dataclass(frozen=True, slots=True)
class State:
    """The whole document.

    Attributes:
        lineage: a UUID fixed at the first write; "" for a state that was never written.
        serial: grows with every write.
        stack: "" until a named stack writes it.
        service: "google" or "emulator"; "" until known.
        project: where known, else "".
    """

    lineage: str = ""
    serial: int = 0
    stack: str = ""
    workspace: str = DEFAULT_WORKSPACE
    service: str = ""
    project: str = ""
    resources: Mapping[Address, Record] = field(default_factory=dict)

    def put(self, *records: Record) -> State:
        """With these records in place of what was recorded; an empty one is forgotten."""
        resources = dict(self.resources)
        for record in records:
            if record.empty:
                resources.pop(record.address, None)
            else:
                resources[record.address] = record
        return self if resources == self.resources else replace(self, resources=resources)
