"""The recorded side: what we believe we own, as a value and as JSON.

Rule: a state holds ids, digests and counts; never training data, never a credential. It can be thrown
away: every id in it could be computed again (`identity`).
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconciler.errors import StateForeignError
from reconciler.model import Address, Attributes, Permission, Status

VERSION = 2
"""Of the newest state document that is known; newer ones are refused, older ones read as they are."""

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
        unknown: see `Record`.
    """

    field: str
    digest: str
    examples: int
    characters: int
    assumed: bool = False
    unknown: Mapping[str, str] = dataclasses.field(default_factory=dict)


QUOTA = "quota"
"""Why a create that was approved waits: the service had no room for another training."""


@dataclass(frozen=True, slots=True)
class RecordedModel:
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
        approved: digest of everything the manifest asked when this was started (checks and permissions
            too): `wait` promotes only what was approved.
        operation: where a failure's reason is to be found.
        error: that reason, once known.
        waiting: QUOTA where an approved create was refused for want of room: `wait` sends it too. "" where a
            pending one waits for an apply. waiting_since: when it was refused first; waiting_said: in the
            service's words.
        times: RFC 3339, "" where it has not happened. started: intent recorded;
            create_time: the service's own; completed: seen ACTIVE or FAILED.
        unknown: see `Record`.
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
    approved: str = ""
    operation: str = ""
    total_steps: int | None = None
    verdict: Verdict = Verdict.NONE
    error: str = ""
    started: str = ""
    create_time: str = ""
    completed: str = ""
    promoted: str = ""
    deposed: str = ""
    waiting: str = ""
    waiting_since: str = ""
    waiting_said: str = ""
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def pending(self) -> bool:
        """Recorded, but not known to have reached the service."""
        return self.status is None

    @property
    def has_no_room(self) -> bool:
        """Whether it is a create that waits until the service has room for it."""
        return self.pending and self.waiting == QUOTA


@dataclass(frozen=True, slots=True)
class Record:
    """All that is recorded of one address.

    Attributes:
        serving: the model that serves; None before the first promotion. Its id is the record's `id`.
        candidate: in training, or trained and unproven.
        deposed: to be deleted, or kept for a while, oldest first.
        prevent_destroy: the manifest's word, kept here so that it outlives the manifest.
        manifest: path of the file that declared it when it was last applied, relative to the git root (else
            to the working directory), "/" between its parts; "" where a version recorded it that kept none.
        unknown: keys that this version does not know, with their values as JSON: written back as they are.
    """

    address: Address
    serving: RecordedModel | None = None
    candidate: RecordedModel | None = None
    deposed: tuple[RecordedModel, ...] = ()
    prevent_destroy: bool = False
    manifest: str = ""
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> tuple[RecordedModel, ...]:
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

    @property
    def version(self) -> int:
        """Of the document that can hold it: 1, unless it holds a fact that came with version 2."""
        records = self.resources.values()
        return 2 if any(_is_of_version_2(one) for one in records) else 1

    def only(self, addresses: Iterable[Address]) -> State:
        """The part that these addresses are, to be shown; those without a record are left out."""
        return replace(
            self, resources={one: self.resources[one] for one in addresses if one in self.resources}
        )

    def named(self, *, stack: str = "", service: str = "", project: str = "") -> State:
        """With these names where it had none: a nameless state takes the first name it meets."""
        return replace(
            self,
            stack=self.stack or stack,
            service=self.service or service,
            project=self.project or project,
        )


def _is_of_version_2(record: Record) -> bool:
    """Whether a program that reads version 1 only would refuse it, or take it for something else."""
    return bool(record.manifest) or any(model.formula > 1 or model.waiting for model in record.models)


def check_foreign(
    state: State, *, stack: str | None, service: str | None = None, project: str | None = None
) -> None:
    """Refuse a state that was written for something else; to be called before any call or write.

    Args:
        state: as read.
        stack: the Stack's name, "" when the manifests name none; None when there are no manifests.
        service: "google" or "emulator"; "" or None where unknown.
        project: "" or None where unknown.

    Raises:
        StateForeignError: stack, service or project are others than those it records.
    """
    if state.stack and stack is not None and stack != state.stack:
        wanted = f'the Stack is named "{stack}"' if stack else "no manifest names a Stack"
        raise StateForeignError(
            f'the state belongs to the stack "{state.stack}", but here {wanted}',
            f'Use another state for these manifests (--state), or name their Stack "{state.stack}" if they '
            "are the same models: the name is part of every id.",
        )
    if state.service and service and service != state.service:
        emulator = service == "emulator"
        raise StateForeignError(
            f"the state records models of {_SERVICES.get(state.service, state.service)}, but this command "
            f"talks to {_SERVICES.get(service, service)}",
            "Use --emulator, which keeps a state of its own, or another --state."
            if emulator
            else "Give the endpoint that the models are on (GOOGLE_GEMINI_BASE_URL), or another --state.",
        )
    if state.project and project and project != state.project:
        raise StateForeignError(
            f"the state records models of the project {state.project}, but this command uses {project}",
            f"Set GOOGLE_CLOUD_PROJECT={shlex.quote(state.project)} or the Stack's spec.project, or use "
            "another --state.",
        )


_SERVICES = {"google": "Google's service", "emulator": "an emulator"}
