"""What a change does, as a list of steps in order: the one list that is shown, saved, bound and executed.

Rule: a step is a value, without clients or clocks. A question about steps is an attribute of every step
(`nature`, `after`) or a `match` over all of them, so a new step does not type-check until it answers.
`recording` says what each step leaves recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, TypeAlias, TypeVar, assert_never

from reconciler.difference import PermissionChange
from reconciler.model import Address, Attributes, Check, Permission
from reconciler.state.values import Record, Verdict


class Role(StrEnum):
    """Which model of a record a step is about."""

    CANDIDATE = "candidate"
    SERVING = "serving"


class Ending(StrEnum):
    """What a promotion completes, as events call it."""

    CREATE = "create"
    REPLACE = "replace"
    ADOPT = "adopt"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Serves:
    """Wait until an address serves the model that this one is tuned from (its id or resource name)."""

    address: Address
    model: str


@dataclass(frozen=True, slots=True)
class IsAccepted:
    """Wait until the create of an address was accepted and recorded."""

    address: Address


Wait: TypeAlias = Serves | IsAccepted


class Nature(StrEnum):
    """What a step needs."""

    RECORD = "record"
    """Nothing: only the record changes."""
    WATCH = "watch"
    """To look at the service, with the lock given back."""
    ASK = "ask"
    """A call that changes nothing."""
    CHANGE = "change"
    """A call that may not start unless the lock is surely ours."""


class AtOnce:
    """A step that waits only for the step before it. Any other has a field `after`."""

    __slots__ = ()
    after: ClassVar[None] = None


class RecordStep:
    """A step that changes the record and makes no call."""

    __slots__ = ()
    nature: ClassVar = Nature.RECORD


class Intent(RecordStep):
    """A step that replaces the whole record by its own `record`."""

    __slots__ = ()


class WatchStep(AtOnce):
    """A step that waits for a model at the service."""

    __slots__ = ()
    nature: ClassVar = Nature.WATCH


class CallStep:
    """A step that makes a changing call."""

    __slots__ = ()
    nature: ClassVar = Nature.CHANGE


class Deletion(CallStep):
    """A step that deletes the model `id` at the service.

    If it `trains`, the service may refuse: `AwaitEnd` and a second try follow.
    """

    __slots__ = ()


# -- what only the record sees ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move(Intent, AtOnce):
    """Give a record its new address.

    Attributes:
        previous: the address that it had.
        record: as it was, under its new address.
    """

    previous: Address
    record: Record


@dataclass(frozen=True, slots=True)
class RecordIntent(Intent):
    """Record what is about to be done, before the first call; or what was seen, where no call follows.

    `after` is set where the record must not change before its turn: what serves would look deleted.
    """

    record: Record
    after: Serves | None = None


@dataclass(frozen=True, slots=True)
class Adopt(Intent, AtOnce):
    """Record a live model as the candidate."""

    record: Record


@dataclass(frozen=True, slots=True)
class Restore(Intent, AtOnce):
    """Record a deposed model as the candidate again."""

    record: Record


@dataclass(frozen=True, slots=True)
class Promote(RecordStep, AtOnce):
    """Let the candidate serve, and depose what served.

    Attributes:
        ending: what this completes.
        replaces: id of the model that serves until then, "" for none.
        kept: why that model stays as a deposed one, in words for people; "" where it goes.
        sent: what counts as sent from now on; None for what was sent.
        permissions: the grants, where they are as declared without a `SetPermissions`; None for no word.
        verdict: what the candidate's checks said when they were run last.
    """

    ending: Ending
    replaces: str = ""
    kept: str = ""
    sent: Attributes | None = None
    permissions: tuple[Permission, ...] | None = None
    verdict: Verdict = Verdict.NONE


@dataclass(frozen=True, slots=True)
class HoldBack(RecordStep, AtOnce):
    """Leave a trained candidate unpromoted: its manifest has changed since it was approved."""


@dataclass(frozen=True, slots=True)
class Forget(RecordStep, AtOnce):
    """Forget the address: nothing of it is live."""


@dataclass(frozen=True, slots=True)
class ForgetDeposed(RecordStep, AtOnce):
    """Forget a deposed model that is not live any more."""

    id: str


@dataclass(frozen=True, slots=True)
class ReportFailure(RecordStep, AtOnce):
    """Do nothing, and tell why.

    Attributes:
        error: the service's reason, or ours.
        advice: what to do about it.
        trained: a training ended badly; else there is nothing that could be trained.
    """

    error: str
    advice: str
    trained: bool = False


# -- what the service sees -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeleteFirst(Deletion):
    """Delete the old model under a pinned id, so that its successor can take the id.

    Attributes:
        trains: it may still be in training.
        after: the parent that the successor is tuned from.
    """

    id: str
    trains: bool = False
    after: Serves | None = None


@dataclass(frozen=True, slots=True)
class Create(CallStep):
    """Start the training of the candidate.

    Attributes:
        id: of the candidate; apply may have to take a later generation.
        source: resource name of what it is tuned from.
        replaces: id of the model in whose place it is trained, "" for none.
        attempted: an earlier run recorded it, and may have sent it.
        after: the parent that it is tuned from, where that does not serve yet.
    """

    id: str
    generation: int = 0
    source: str = ""
    replaces: str = ""
    attempted: bool = False
    after: Serves | None = None


@dataclass(frozen=True, slots=True)
class AwaitTraining(WatchStep):
    """Wait until the candidate's training has ended."""


@dataclass(frozen=True, slots=True)
class AwaitEnd(WatchStep):
    """Wait until a model that the service does not delete while it trains has ended.

    Attributes:
        is_namesake: the candidate has the same id.
    """

    id: str
    is_namesake: bool = False


@dataclass(frozen=True, slots=True)
class Update(CallStep, AtOnce):
    """Set fields of a model.

    Attributes:
        fields: those to set.
        sent: what counts as sent from then on.
    """

    of: Role
    fields: Attributes
    sent: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetPermissions(CallStep, AtOnce):
    """Make exactly these grants true; `changes` tells what that adds, revokes or changes."""

    of: Role
    permissions: tuple[Permission, ...] = ()
    changes: tuple[PermissionChange, ...] = ()


@dataclass(frozen=True, slots=True)
class RunChecks(AtOnce):
    """Ask the candidate each prompt; the first answer that is not the expected one decides."""

    nature: ClassVar = Nature.ASK
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class DeleteReplaced(Deletion, AtOnce):
    """Delete a model that served, once the one that serves now was seen ACTIVE."""

    id: str
    trains: bool = False


@dataclass(frozen=True, slots=True)
class Delete(Deletion):
    """Delete a model.

    Attributes:
        deposed: the address keeps its other models.
        trains: it may still be in training.
        after: its successor's create.
    """

    id: str
    deposed: bool = False
    trains: bool = False
    after: IsAccepted | None = None


Step: TypeAlias = (
    Move
    | RecordIntent
    | Adopt
    | Restore
    | DeleteFirst
    | Create
    | AwaitTraining
    | AwaitEnd
    | Update
    | SetPermissions
    | RunChecks
    | Promote
    | HoldBack
    | DeleteReplaced
    | Delete
    | Forget
    | ForgetDeposed
    | ReportFailure
)

Steps: TypeAlias = tuple[Annotated[Step, "step"], ...]
"""In JSON each says under the key `step` which it is."""


_S = TypeVar("_S", bound=Step)


def find_step(steps: Iterable[Step], kind: type[_S]) -> _S | None:
    """The first step of a kind; None where there is none."""
    return next((one for one in steps if isinstance(one, kind)), None)


def find_intent(steps: Iterable[Step]) -> Record | None:
    """The record that is committed before the first call; None where nothing changes first."""
    record = None
    for step in steps:
        if not isinstance(step, Intent):
            break
        record = step.record
    return record


def drop_intent(steps: Iterable[Step]) -> Steps:
    """The steps without the record that is committed before the first call."""
    return tuple(one for one in steps if not isinstance(one, (RecordIntent, Adopt, Restore)))


def touches_service(steps: Iterable[Step]) -> bool:
    """Whether there is more to do than to record what was seen, or to tell of a failure."""
    return any(not isinstance(one, (RecordIntent, ReportFailure)) for one in steps)


def list_deleted(steps: Iterable[Step]) -> tuple[str, ...]:
    """The ids of the models that steps remove from the service, each once."""
    ids = [one.id for one in steps if isinstance(one, Deletion)]
    return tuple(dict.fromkeys(ids))


def select_unapproved(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps that there is something to approve about, or to be alarmed by.

    What follows a training that an earlier run started was approved with it, further updates excepted.
    """
    begun, approved = False, False
    for step in steps:
        match step:
            case RecordIntent() | AwaitEnd() | ForgetDeposed():
                pass
            case Create() | Adopt() | Restore():
                begun = True
                yield step
            case AwaitTraining():
                approved = not begun
            case Move() | DeleteFirst() | Update() | Delete() | Forget() | ReportFailure():
                yield step
            case SetPermissions() | RunChecks() | Promote() | HoldBack() | DeleteReplaced():
                if not approved:
                    yield step
            case _:
                assert_never(step)
