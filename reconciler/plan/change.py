"""A plan and its parts, as values that can be compared, saved, read back and shown.

Rule: no functions, clients, clocks or open files in here. `Reason` and `notes` are for people. No
decision depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from reconciler.difference import DataChange, FieldChange, PermissionChange
from reconciler.model.data import DataSet
from reconciler.model.names import SOURCE, Address, Attributes
from reconciler.plan.inputs import Context, Inputs
from reconciler.plan.steps import (
    Create,
    DeleteEndpoint,
    DeleteReplaced,
    ReportFailure,
    Steps,
    find_intent,
    find_step,
    list_deleted,
    list_deleted_endpoints,
    select_unapproved,
)
from reconciler.state.values import Record


class Action(StrEnum):
    """The action of apply for one address, or for one of its deposed models."""

    NO_OP = "no-op"
    CREATE = "create"
    ADOPT = "adopt"
    RESTORE = "restore"
    ROLLBACK = "rollback"
    """A former model serves again, because the command rollback asks for it."""
    COMPLETE = "complete"
    UPDATE = "update"
    REPLACE = "replace"
    MOVE = "move"
    """The record gets a new address. Nothing changes at the service."""
    DELETE = "delete"
    FORGET = "forget"
    WAIT = "wait"
    RECORD = "record"
    """Only the record changes. There is nothing to approve."""
    FAILED = "failed"
    """The training failed. The plan reports it, and trains again only with --retry-failed."""


class Reason(StrEnum):
    """The reason for an action, in words for people."""

    NONE = ""
    NOT_LIVE = "it does not exist yet"
    POST_NEVER_ARRIVED = "an earlier run recorded it, but its create never arrived"
    NO_ROOM = "it was approved, and the service had no room for it"
    DELETED_OUTSIDE = "it was deleted outside of this tool"
    IMMUTABLE_CHANGED = "a field that cannot be updated has changed"
    DATA_CHANGED = "its training data has changed"
    SUPERSEDED = "the manifest changed while an earlier candidate was in training"
    REQUESTED = "--replace asks for it"
    RETRY = "its training failed, and --retry-failed asks for another"
    FAILED = "its training failed"
    NOT_UNDERSTOOD = "what the service shows of it cannot be understood"
    PARENT_FAILED = "the model it is tuned from failed"
    FOUND_LIVE = "a model with the id of this manifest is live already"
    IMPORTED = "its manifest imports it"
    IN_TRAINING = "an earlier run started it, and it is still training"
    TRAINED = "an earlier run started it, and its training has ended"
    CHECKS_FAILED = "its checks failed last time"
    CHECKS_UNKNOWN = "its checks could not be run last time"
    TRAINED_BEFORE = "it was trained before, and is still there"
    FIELDS_DIFFER = "fields that can be updated differ"
    NOT_DECLARED = "no manifest declares it any more"
    DESTROY = "destroy asks for it"
    GONE = "it is no longer live"
    REMOVED = "a manifest of kind Removed asks for it"
    REPLACED = "its successor serves"
    UNUSED = "it failed or was superseded, and never served"
    ROLLBACK = "rollback asks for it"
    HELD_BACK = "rollback holds it back"
    RENAMED = "its manifest was renamed: it declares the training that is recorded under the old name"
    TWIN = "another manifest declares the same training, and does not serve yet"
    RECORD_ONLY = "only the record changes"
    SOURCE_CHANGED = "its source serves another model"
    SOURCE_UNREADABLE = "the model it is copied from is not known"
    SOURCE_FAILED = "the model it is copied from failed"
    COPY_SUPERSEDED = "its source or its manifest changed before an earlier copy was promoted"
    COPY_RETRY = "its copy failed, and --retry-failed asks for another"
    COPY_FAILED = "its copy failed"
    COPY_RENAMED = "its manifest was renamed: it declares the copy that is recorded under the old name"
    IN_COPY = "an earlier run started it, and it is still being copied"
    COPIED = "an earlier run started it, and it has been copied"
    COPIED_BEFORE = "it was copied before, and is still there"
    COPY_UNUSED = "it was superseded, and never served"
    ENDPOINT_MISSING = "its stable endpoint does not exist"
    ENDPOINT_DIFFERS = "its stable endpoint does not send all requests to it"
    ENDPOINT_MOVED = "its manifest declares another stable endpoint"
    ENDPOINT_REMOVED = "its manifest declares no stable endpoint any more"
    ENDPOINT_RETIRED = "another stable endpoint serves in its place"
    CHECKPOINT_DIFFERS = "its manifest chooses another checkpoint than the one that serves"
    DEFAULT_DIFFERS = "another checkpoint than the chosen one is the model's default"


class Bill(Struct, frozen=True):
    """The size and the price of a training.

    Attributes:
        examples, characters: 0 if the data is not read here.
        epochs: 0 if the service chooses the number itself.
        steps: ceil(examples * epochs / batch); 0 if only the service knows them.
        estimated: a default of the service was assumed for epochs or batch.
        price: in `currency`; None if no price is configured.
        batch: 0 if the service has no such parameter.
        tokens: of one epoch, estimated; 0 if no price by token is configured, or the data is not known.
        at_most: the tokens are estimated from the size of a file in bytes, so there are fewer.
        calibrated: how many recorded trainings the estimate of the tokens rests on; 0 for the packaged rate.
        token_price: of a million tokens; None if none is configured for the base model.
        texts_only: the data has images, audio or video, whose tokens are not estimated, so there are more.
    """

    examples: int
    characters: int
    epochs: int
    batch: int
    steps: int
    estimated: bool = False
    price: float | None = None
    currency: str = ""
    tokens: int = 0
    at_most: bool = False
    calibrated: int = 0
    token_price: float | None = None
    texts_only: bool = False

    @property
    def trained_characters(self) -> int:
        """Characters of all epochs together; of one epoch if their number is not known."""
        return self.characters * max(self.epochs, 1)

    @property
    def trained_tokens(self) -> int:
        """Tokens of all epochs together, estimated; of one epoch if their number is not known."""
        return self.tokens * max(self.epochs, 1)

    @property
    def is_price_estimated(self) -> bool:
        """Whether the price is an estimate. Tokens are counted by the service, and only after a training."""
        return self.estimated or self.token_price is not None


class Deposed(Struct, frozen=True):
    """A change is about a deposed model, or one that is held back.

    Attributes:
        kept_until: RFC 3339; "" if it is not kept for a time.
        held: it is held back: no time deletes it.
    """

    kept_until: str = ""
    held: bool = False


class Change(Struct, frozen=True):
    """The planned change of one address, or of one of its deposed models.

    Attributes:
        id: id of the model to create, adopt, wait for, delete and so on.
        name: its resource name, if known.
        serving: id of the serving model; "" if there is none.
        deposed: set if this is about a deposed or held model, and not about the address itself.
        before: attributes now (live, else as recorded); None if there is no model.
        after: declared attributes; None for deletions.
        fields, data: the differences.
        datasets: as declared.
        bill: size and price of the training that this starts or waits for.
        place: FILE:LINE of the manifest; "" if there is none.
        steps: the steps in order; () if the model is left alone.
    """

    address: Address
    action: Action
    reason: Reason = Reason.NONE
    id: str = ""
    name: str = ""
    serving: str = ""
    deposed: Deposed | None = None
    before: Attributes | None = None
    after: Attributes | None = None
    fields: tuple[FieldChange, ...] = ()
    data: tuple[DataChange, ...] = ()
    datasets: tuple[DataSet, ...] = ()
    bill: Bill | None = None
    notes: tuple[str, ...] = ()
    place: str = ""
    steps: Steps = ()

    @property
    def key(self) -> tuple[Address, str]:
        """A key that is unique in one plan."""
        return (self.address, self.id if self.deposed else "")

    @property
    def intent(self) -> Record | None:
        """The record that is committed before the first call; None if it does not change before."""
        return find_intent(self.steps)

    @property
    def creates(self) -> bool:
        """Whether this creates a model, by a training or by a copy."""
        return find_step(self.steps, Create) is not None

    @property
    def trains(self) -> bool:
        """Whether this starts a training."""
        create = find_step(self.steps, Create)
        return create is not None and not create.copies

    @property
    def is_copy(self) -> bool:
        """Whether it is about a copy, and not about a model that is trained."""
        return SOURCE in (self.after or self.before or {})

    @property
    def is_blocked(self) -> bool:
        """Whether nothing can be done for the address until something that it depends on is there."""
        report = find_step(self.steps, ReportFailure)
        return report is not None and report.blocked

    @property
    def is_change(self) -> bool:
        """Whether there is anything to approve or to report."""
        return any(True for _ in select_unapproved(self.steps))

    @property
    def is_due(self) -> bool:
        """Whether this deletes a deposed model whose time has come. It needs no new approval."""
        deletion = find_step(self.steps, DeleteReplaced) or find_step(self.steps, DeleteEndpoint)
        return self.deposed is not None and deletion is not None and deletion.is_due

    @property
    def is_kept(self) -> bool:
        """Whether this is a deposed or held model that is left as it is. Its notes give the reason."""
        return self.deposed is not None and self.action is Action.NO_OP

    @property
    def deletes(self) -> int:
        """The number of models and endpoints that this removes, now or after promotion, once approved."""
        steps = tuple(select_unapproved(self.steps))
        return len(list_deleted(steps)) + len(list_deleted_endpoints(steps))


class DriftClass(StrEnum):
    """The kind of difference between live and recorded."""

    CHANGED = "changed"
    MISSING = "missing"
    FAILED = "failed"
    UNMANAGED = "unmanaged"
    BASE_RETIRED = "base_retired"
    UNPROMOTED = "unpromoted"
    HELD_BACK = "held_back"
    """A model that `rollback` holds back."""
    KEPT = "kept"
    """A replaced model that is still there. Never more than a note."""


class Drift(Struct, frozen=True):
    """One found. `fails`: it counts for the exit code. Otherwise it is a note.

    Attributes:
        address: None for a model that no manifest declares.
        retires: ISO date on which the base model retires, "" unless the finding is about this date.
        or_later: `retires` is a floor.
        days_left: until that date, negative afterwards.
        is_endpoint: it is about the stable endpoint of the address.
    """

    address: Address | None
    drift_class: DriftClass
    id: str
    name: str = ""
    fields: tuple[FieldChange, ...] = ()
    permissions: tuple[PermissionChange, ...] = ()
    before: Attributes | None = None
    after: Attributes | None = None
    fails: bool = True
    detail: str = ""
    retires: str = ""
    or_later: bool = False
    days_left: int | None = None
    is_endpoint: bool = False


class Binding(Struct, frozen=True):
    """Digests of what a plan was made from, for one address that it changes.

    Attributes:
        manifest: of the document and its data; "" if no manifest declares the address.
        records: of the record before the plan, and of each record that the plan itself may leave.
        live: of the model's id, immutable fields and declared mutable fields, before the plan and as the plan
            may leave it; "" if there is no model.
        endpoints: of what is deployed to the stable endpoint and of the split of its requests, before the
            plan and as the plan may leave it. Empty if the plan does not touch one.
    """

    manifest: str
    records: tuple[str, ...]
    live: tuple[str, ...]
    endpoints: tuple[str, ...] = ()


class Plan(Struct, frozen=True):
    """The decisions on all addresses.

    Attributes:
        changes: sorted by address, a record's own change before its deposed models'; no-ops included.
        drift: differences between live and recorded, found while planning.
        lineage, serial: of the state that the plan was made from.
        bindings: for each address that the plan changes.
        notes: on the whole plan, for people.
        created: RFC 3339.
    """

    changes: tuple[Change, ...]
    drift: tuple[Drift, ...] = ()
    context: Context = field(default_factory=Context)
    inputs: Inputs = field(default_factory=Inputs)
    lineage: str = ""
    serial: int = 0
    bindings: Mapping[Address, Binding] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    created: str = ""

    @property
    def trainings(self) -> tuple[Change, ...]:
        """The changes that start a training."""
        return tuple(change for change in self.changes if change.trains)

    @property
    def copies(self) -> int:
        """The number of changes that make a copy."""
        return sum(change.creates and not change.trains for change in self.changes)

    @property
    def due(self) -> int:
        """Deposed models that will be removed because their time has come, without a new approval."""
        return sum(change.is_due for change in self.changes)

    @property
    def deletes(self) -> int:
        """Models that will be removed from the service once the plan is approved."""
        return sum(change.deletes for change in self.changes)

    @property
    def has_changes(self) -> bool:
        """Whether `--detailed-exitcode` says 2."""
        return any(change.is_change for change in self.changes)

    @property
    def has_work(self) -> bool:
        """Whether apply has anything to do, including waiting."""
        return any(change.steps for change in self.changes)

    def count(self, *actions: Action) -> int:
        """Count the changes that have one of these actions."""
        return sum(1 for change in self.changes if change.action in actions)
