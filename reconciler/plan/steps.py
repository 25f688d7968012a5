"""The steps of a change, in order. The same list is shown, saved, checked and executed.

Rule: a step is a value, without clients or clocks. A question about steps is an attribute of every step
(`nature`, `after`) or a `match` over all of them, so a new step does not type-check until it answers.
`recording` says what each step leaves recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, ClassVar, TypeAlias, TypeVar, assert_never

from msgspec import Struct, field

from reconciler.difference import PermissionChange
from reconciler.model.checks import Checks, Score
from reconciler.model.names import Address, Attributes
from reconciler.model.permission import Permission
from reconciler.state.values import Record, Verdict


class Role(StrEnum):
    """The role of the model that a step is about."""

    CANDIDATE = "candidate"
    SERVING = "serving"


class Ending(StrEnum):
    """The kind of change that a promotion completes, under the name that events use."""

    CREATE = "create"
    COPY = "copy"
    REPLACE = "replace"
    ADOPT = "adopt"
    RESTORE = "restore"


class Serves(Struct, frozen=True):
    """Wait until an address serves `model` (an id or a resource name), which this one comes from."""

    address: Address
    model: str


class IsAccepted(Struct, frozen=True):
    """Wait until the service has accepted the new model of an address, and that is recorded."""

    address: Address


Wait: TypeAlias = Serves | IsAccepted


class Nature(StrEnum):
    """The access that a step needs."""

    RECORD = "record"
    """Only the record changes."""
    WATCH = "watch"
    """Looks at the service. The lock is released meanwhile."""
    ASK = "ask"
    """A call that changes nothing."""
    CHANGE = "change"
    """A call that changes something: only with a lock that was renewed lately."""


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

    `trains`: the model may be in training. The service may refuse, so `AwaitEnd` and a second try follow.
    """

    __slots__ = ()


class Move(Struct, Intent, AtOnce, frozen=True):
    """Store a record, otherwise unchanged, under a new address instead of its `previous` one."""

    previous: Address
    record: Record


class RecordIntent(Struct, Intent, frozen=True):
    """Record what this run is about to do, before its first call. Without a call: what was observed.

    `after` delays this, because the serving model would already look deleted.
    """

    record: Record
    after: Serves | None = None


class Adopt(Struct, Intent, AtOnce, frozen=True):
    """Record a live model as the candidate."""

    record: Record


class Restore(Struct, Intent, frozen=True):
    """Record a deposed model as the candidate again.

    `after` delays this until the parent serves, because its training may fail. Then what serves stays.
    """

    record: Record
    after: Serves | None = None


class GoBack(Struct, Intent, AtOnce, frozen=True):
    """Let a former model serve again at once.

    `replaces` is the id of the model that served. The record says what becomes of it: held back, or deposed
    where this ends a hold. A stable endpoint is to be switched after this step, to what is then recorded.
    """

    record: Record
    replaces: str


class Promote(Struct, RecordStep, AtOnce, frozen=True):
    """Make the candidate the serving model, and depose the one that served.

    Attributes:
        replaces: id of the model that it replaces; "" if there is none.
        kept: reason, for people, to keep the replaced model as a deposed one; "" if it is deleted.
        keep_seconds: how long it is kept, from the promotion on.
        sent: attributes to record as sent; None keeps the recorded ones.
        permissions: grants to record if no `SetPermissions` was needed; None keeps the recorded ones.
        verdict: result of the last run of the checks.
        scores: of that run.
        rivals: scores of the model that it replaces, as they are recorded.
    """

    ending: Ending
    replaces: str = ""
    kept: str = ""
    keep_seconds: float = 0.0
    sent: Attributes | None = None
    permissions: tuple[Permission, ...] | None = None
    verdict: Verdict = Verdict.NONE
    scores: tuple[Score, ...] = ()
    rivals: tuple[Score, ...] = ()


class HoldBack(Struct, RecordStep, AtOnce, frozen=True):
    """Do not promote a candidate: its manifest has changed since it was approved, or cannot be applied.

    Attributes:
        error: why the manifest cannot be applied. "" if it has changed.
        advice: what to do about the error.
    """

    error: str = ""
    advice: str = ""


class Forget(Struct, RecordStep, AtOnce, frozen=True):
    """Remove the address from the state: none of its models is live any more, or they are to stay."""


class ForgetDeposed(Struct, RecordStep, AtOnce, frozen=True):
    """Remove a deposed model from its record, because it is not live any more."""

    id: str


class ReportFailure(Struct, RecordStep, AtOnce, frozen=True):
    """Report a failure.

    Attributes:
        trained: a training failed, or a copy. Otherwise none could be started.
        blocked: it cannot be started before something that it depends on is there, which no run waits for.
    """

    error: str
    advice: str
    trained: bool = False
    blocked: bool = False


class DeleteFirst(Struct, Deletion, frozen=True):
    """Delete the old model under a pinned id, so that its successor can take the id."""

    id: str
    trains: bool = False
    after: Serves | None = None


class Create(Struct, CallStep, frozen=True):
    """Start the training of the candidate, or its copy.

    Attributes:
        id: the candidate's id. Apply may have to take a later generation.
        source: resource name of the model that it is tuned or copied from.
        replaces: id of the model that it is to replace; "" if there is none.
        attempted: an earlier run recorded this step and may have sent its request.
        after: set if the parent does not serve yet.
        copies: it copies a model, and trains nothing.
    """

    id: str
    generation: int = 0
    source: str = ""
    replaces: str = ""
    attempted: bool = False
    after: Serves | None = None
    copies: bool = False


class AwaitTraining(Struct, WatchStep, frozen=True):
    """Wait until the candidate's training has ended. `copies`: it is a copy, which trains nothing."""

    copies: bool = False


class AwaitEnd(Struct, WatchStep, frozen=True):
    """Wait for the end of a training, because the service cannot delete the model before.

    `is_namesake`: the candidate has the same id.
    """

    id: str
    is_namesake: bool = False


class Update(Struct, CallStep, AtOnce, frozen=True):
    """Set `fields` of a model, and record `sent` as the attributes that were sent."""

    of: Role
    fields: Attributes
    sent: Attributes = field(default_factory=dict)


class SetPermissions(Struct, CallStep, AtOnce, frozen=True):
    """Set exactly these permissions. `changes` lists the grants that this adds, revokes or changes."""

    of: Role
    permissions: tuple[Permission, ...] = ()
    changes: tuple[PermissionChange, ...] = ()


class RunChecks(Struct, AtOnce, frozen=True):
    """Run the checks of the candidate, up to the first whose result is unknown."""

    nature: ClassVar = Nature.ASK
    checks: Checks


class ChooseCheckpoint(Struct, AtOnce, frozen=True):
    """Choose the checkpoint of a model that is to serve, after running the checks on it.

    For the best one, the checks are run on every checkpoint that was not asked the same before.

    Attributes:
        of: the role of the model.
        choice: as the manifest declares it.
        checkpoint: its id, if it is known. "" if it is to be found out.
        checks: none where the manifest has none.
        asks: how many checkpoints are to be checked. None if the end of the training tells it.
    """

    nature: ClassVar = Nature.ASK
    of: Role
    choice: str
    checkpoint: str = ""
    checks: Checks = ()
    asks: int | None = None


class SetDefaultCheckpoint(Struct, CallStep, AtOnce, frozen=True):
    """Make the chosen checkpoint the model's default, so that a copy of the model has it too.

    `checkpoint`: its id, if the plan knows it.
    """

    of: Role
    checkpoint: str = ""


class DeleteReplaced(Struct, Deletion, AtOnce, frozen=True):
    """Delete a replaced model, if the service shows its successor as ACTIVE.

    `is_due`: the time has come that was approved with its replacement, so nobody need approve it again.
    """

    id: str
    trains: bool = False
    is_due: bool = False


class Delete(Struct, Deletion, frozen=True):
    """Delete a model. `deposed`: the address keeps its other models."""

    id: str
    deposed: bool = False
    trains: bool = False
    after: IsAccepted | None = None


class CreateEndpoint(Struct, CallStep, AtOnce, frozen=True):
    """Create the stable endpoint that the record names, and wait until it is there.

    Attributes:
        id: of the endpoint.
        owner: the digest to label it with.
        adopts: an endpoint of this id is there, is not ours, and is taken over.
        again: it was deleted outside.
        trial: it is the candidate's own, for its checks: see `Record.trial`.
    """

    id: str
    owner: str = ""
    adopts: bool = False
    again: bool = False
    trial: bool = False


class Deploy(Struct, CallStep, AtOnce, frozen=True):
    """Begin to deploy a model to the stable endpoint, with all requests.

    Attributes:
        of: the role of the model.
        endpoint: id of the endpoint.
        replaces: ids of the deployments that have the requests now.
        is_fallback: deploy the model that serves again, because the other one could not be deployed. Does
            nothing if it is deployed.
        checkpoint: the checkpoint to deploy. "" for the one that is recorded as chosen by then, if any is.
        trial: see `CreateEndpoint`.
    """

    of: Role
    endpoint: str
    replaces: tuple[str, ...] = ()
    is_fallback: bool = False
    checkpoint: str = ""
    trial: bool = False


class AwaitDeployment(Struct, WatchStep, frozen=True):
    """Wait until a model is deployed to the stable endpoint and has all requests.

    Attributes:
        of: the role of the model.
        endpoint: id of the endpoint.
        keep_seconds: how long an endpoint is kept that this one replaces.
        interrupts: the endpoint has no other model meanwhile.
        rivals: other models are deployed to it.
        checkpoint: as `Deploy.checkpoint`.
        trial: see `CreateEndpoint`.
    """

    of: Role
    endpoint: str
    keep_seconds: float = 0.0
    interrupts: bool = False
    rivals: bool = False
    checkpoint: str = ""
    trial: bool = False


class AwaitDrain(Struct, WatchStep, frozen=True):
    """Wait until so many seconds have passed since the stable endpoint got its model."""

    seconds: float


class Undeploy(Struct, CallStep, AtOnce, frozen=True):
    """Undeploy deployments from the stable endpoint.

    Attributes:
        endpoint: id of the endpoint.
        ids: of the deployments.
        interrupts: they have requests, and nothing answers until another model is deployed.
        is_due: another model took their requests in an earlier run, so nobody need approve it again.
        spares: leave the one that has the requests by then: the checkpoint that is chosen meanwhile may be
            deployed already.
    """

    endpoint: str
    ids: tuple[str, ...]
    interrupts: bool = False
    is_due: bool = False
    spares: bool = False


class DeleteEndpoint(Struct, CallStep, AtOnce, frozen=True):
    """Delete a stable endpoint, after undeploying what is deployed to it.

    Attributes:
        id: of the endpoint.
        name: its resource name.
        ids: of the deployments.
        is_due: the time has come that was approved with the endpoint that replaced it.
        trial: see `CreateEndpoint`. It was approved with the checks.
    """

    id: str
    name: str = ""
    ids: tuple[str, ...] = ()
    is_due: bool = False
    trial: bool = False


Step: TypeAlias = (
    Move
    | RecordIntent
    | Adopt
    | Restore
    | GoBack
    | DeleteFirst
    | Create
    | AwaitTraining
    | AwaitEnd
    | Update
    | SetPermissions
    | RunChecks
    | ChooseCheckpoint
    | SetDefaultCheckpoint
    | Promote
    | HoldBack
    | DeleteReplaced
    | Delete
    | Forget
    | ForgetDeposed
    | ReportFailure
    | CreateEndpoint
    | Deploy
    | AwaitDeployment
    | AwaitDrain
    | Undeploy
    | DeleteEndpoint
)

Steps: TypeAlias = tuple[Annotated[Step, "step"], ...]
"""In JSON, the key `step` holds the name of the class."""


_S = TypeVar("_S", bound=Step)


def find_step(steps: Iterable[Step], kind: type[_S]) -> _S | None:
    """Find the first step of a kind."""
    for step in steps:  # most changes have none, and this is asked of every change
        if isinstance(step, kind):
            return step
    return None


def find_checks(steps: Iterable[Step]) -> Checks:
    """Find the checks that the steps run."""
    return next((step.checks for step in steps if isinstance(step, (RunChecks, ChooseCheckpoint))), ())


def find_intent(steps: Iterable[Step]) -> Record | None:
    """Find the record that is committed before the first call; None if the record does not change before."""
    record = None
    for step in steps:
        if not isinstance(step, Intent):
            break
        record = step.record
    return record


def drop_intent(steps: Iterable[Step]) -> Steps:
    """Return the steps without the record that is committed before the first call."""
    return tuple(step for step in steps if not isinstance(step, (RecordIntent, Adopt, Restore)))


def has_effect(steps: Iterable[Step]) -> bool:
    """Return whether the steps do more than record an observation or report a failure."""
    return any(not isinstance(step, (RecordIntent, ReportFailure)) for step in steps)


def list_deleted(steps: Iterable[Step]) -> tuple[str, ...]:
    """List the ids of the models that the steps delete at the service, each once."""
    ids = [step.id for step in steps if isinstance(step, Deletion)]
    return tuple(dict.fromkeys(ids))


def list_deleted_endpoints(steps: Iterable[Step]) -> tuple[str, ...]:
    """List the names of the stable endpoints that the steps delete."""
    return tuple(
        step.name or step.id for step in steps if isinstance(step, DeleteEndpoint) and not step.trial
    )


def select_unapproved(  # noqa: C901, PLR0912  # a row for each step
    steps: Iterable[Step],
) -> Iterator[Step]:
    """Select the steps that a person must approve or know of.

    Steps that follow a training of an earlier run were approved with it, except updates. A replaced model
    whose time has come was approved with its replacement.
    """
    begun, approved = False, False
    for step in steps:
        match step:
            case RecordIntent() | AwaitEnd() | ForgetDeposed() | DeleteReplaced(is_due=True):
                pass
            case AwaitDeployment() | AwaitDrain() | Undeploy(is_due=True) | DeleteEndpoint(is_due=True):
                pass
            case CreateEndpoint(trial=True) | Deploy(trial=True) | DeleteEndpoint(trial=True):
                pass  # approved with the checks
            case DeleteEndpoint():
                yield step
            case Create() | Adopt() | Restore():
                begun = True
                yield step
            case AwaitTraining():
                approved = not begun
            case Move() | GoBack() | DeleteFirst() | Update() | Delete() | Forget() | ReportFailure():
                yield step
            case SetPermissions() | RunChecks() | Promote() | HoldBack() | DeleteReplaced():
                if not approved:
                    yield step
            case CreateEndpoint() | Deploy() | Undeploy() | ChooseCheckpoint() | SetDefaultCheckpoint():
                if not approved:
                    yield step
            case _:
                assert_never(step)
