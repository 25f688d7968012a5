"""The recorded side: what we believe we own, as values.

Rule: a state holds ids, digests and counts, and never training data or a credential. It may be lost: every id
in it can be computed again (`identity`).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from reconciler.bounds import FLOAT32
from reconciler.errors import StateForeignError
from reconciler.model.checks import Score
from reconciler.model.live import Status
from reconciler.model.names import Address, Count, Name, Unknown
from reconciler.model.permission import Permission

VERSION = 5
"""The newest document version that this program reads. It refuses newer ones, and reads older ones as is."""

DEFAULT_WORKSPACE = "default"

_Single: TypeAlias = Annotated[float, Meta(ge=-FLOAT32, le=FLOAT32)]
_SentScalar: TypeAlias = str | int | _Single | bool
Sent: TypeAlias = Mapping[str, _SentScalar | tuple[_SentScalar, ...]]
"""The `Attributes` that were sent. Their numbers are of single precision."""


class Verdict(StrEnum):
    """The result of a model's checks."""

    NONE = ""
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class RecordedData(Struct, frozen=True, forbid_unknown_fields=True):
    """The record of a data set that was sent.

    Attributes:
        field: which data set of the model it is.
        digest: SHA-256 in hex. Nothing else can tell whether the data has changed.
        assumed: the service does not return training data, so the digest of a model that we did not create is
            the manifest's.
        unknown: see `Record`.
    """

    field: Name
    digest: str
    examples: Count
    characters: Count
    assumed: bool = False
    unknown: Unknown = msgspec.field(default_factory=dict)


class RecordedEstimate(Struct, frozen=True, forbid_unknown_fields=True):
    """The expected cost of a training, as it was estimated when the training was requested.

    Attributes:
        tokens: of all epochs; 0 if they were not estimated.
        at_most: the tokens were estimated from the size of a file, so there are fewer.
        amount: in `currency`. None if it was unknown.
        token_price: of a million tokens, as the Stack declared it then. None if it declared none.
        texts_only: the data had more than texts, whose tokens were not estimated, so there are more.
        unknown: see `Record`.
    """

    tokens: Count = 0
    at_most: bool = False
    amount: float | None = None
    currency: str = ""
    token_price: float | None = None
    texts_only: bool = False
    unknown: Unknown = field(default_factory=dict)


class RecordedCheckpoint(Struct, frozen=True, forbid_unknown_fields=True):
    """The results of the checks of one checkpoint.

    Attributes:
        id: of the checkpoint.
        scores: as `RecordedModel.scores`.
        unknown: see `Record`.
    """

    id: Name
    scores: tuple[Score, ...] = ()
    unknown: Unknown = field(default_factory=dict)


QUOTA = "quota"
"""The reason why an approved create waits: the service had no room for another training."""


class RecordedModel(Struct, frozen=True, forbid_unknown_fields=True):
    """One model that we started or adopted: serving, candidate, held back or deposed.

    Attributes:
        id: ours, chosen before the call (design 2.4); or the pinned or imported one.
        name: the API's resource name. If the service chooses it, "" until it is known.
        digest: of the identity, SHA-256 in hex. "" for an imported model.
        formula: the version of the identity formula that made the digest.
        source: the resource name of the model that it was tuned from.
        sent: the declared attributes as they were sent or last updated; never training data.
        status: None while the model is pending: recorded before the POST, and not yet known to be accepted.
        permissions: as they were last set. None if they are not managed.
        approved: the digest of everything that the manifest asked for when this was started, checks and
            permissions included. `wait` promotes only what was approved.
        operation: the operation that tells why a training failed.
        scores: of the last run of its checks; none where no check has run, or a result is unknown.
        error: that reason, once it is known.
        waiting: QUOTA if an approved create was refused for want of room: `wait` sends it too. "" if a
            pending create waits for the next apply.
        waiting_since: when the create was first refused.
        waiting_said: what the service said then.
        started, create_time, completed, promoted, deposed: RFC 3339; "" if it has not happened. `started`
            is when the intent was recorded, `create_time` is the service's own, and `completed` is when the
            model was seen to be ACTIVE or FAILED.
        kept_until: RFC 3339; the time until which a deposed model is kept that served, as it was approved
            with its replacement. "" if an older version deposed it.
        held: RFC 3339; when `rollback` held it back. "" unless it is held back.
        held_by: user@host who ran that rollback.
        estimate: what the training was expected to cost. None if the Stack declared no price.
        billed_tokens: what the service billed for its training. 0 if it does not say.
        model: resource name of the trained model, with its version, under which it is copied and deployed.
            "" while it trains, and for services without such a name.
        checkpoint: id of the checkpoint that was chosen to serve. "" if none was, or nobody manages that.
        choice: what the manifest asked for when `checkpoint` was chosen: `Serving.checkpoint`.
        checkpoints: results of the checks of single checkpoints, as far as they were run.
        commit: the git commit that was checked out when it was declared and started or adopted. "" if there
            was none.
        unknown: see `Record`.
    """

    id: Name
    name: str = ""
    digest: str = ""
    formula: Count = 1
    generation: Count = 0
    source: str = ""
    sent: Sent = field(default_factory=dict)
    data: tuple[RecordedData, ...] = ()
    status: Status | None = None
    permissions: tuple[Permission, ...] | None = None
    approved: str = ""
    operation: str = ""
    total_steps: Count | None = None
    verdict: Verdict = Verdict.NONE
    scores: tuple[Score, ...] = ()
    error: str = ""
    started: str = ""
    create_time: str = ""
    completed: str = ""
    promoted: str = ""
    deposed: str = ""
    kept_until: str = ""
    held: str = ""
    held_by: str = ""
    waiting: str = ""
    waiting_since: str = ""
    waiting_said: str = ""
    estimate: RecordedEstimate | None = None
    billed_tokens: Count = 0
    model: str = ""
    checkpoint: str = ""
    commit: str = ""
    choice: str = ""
    checkpoints: tuple[RecordedCheckpoint, ...] = ()
    unknown: Unknown = field(default_factory=dict)

    @property
    def amount(self) -> float | None:
        """The cost of its training, by the tokens that were billed. None if that is not known."""
        estimate = self.estimate
        if estimate is None or estimate.token_price is None or not self.billed_tokens:
            return None
        return round(self.billed_tokens * estimate.token_price / 1_000_000, 6)

    @property
    def is_pending(self) -> bool:
        """Whether it is recorded, and not known to have reached the service."""
        return self.status is None

    @property
    def has_no_room(self) -> bool:
        """Whether its create waits until the service has room for it."""
        return self.is_pending and self.waiting == QUOTA


class RecordedEndpoint(Struct, frozen=True, forbid_unknown_fields=True):
    """A stable endpoint of ours. It is recorded before the request that creates it.

    Attributes:
        id: the endpoint's id, as the manifest declares it.
        location: where it is. "" until that is known, which is when its first model is.
        name: its resource name. "" until it was created or seen.
        deployed: id of the deployment that answers its requests. "" until one does.
        operation: the operation that deploys a model to it, or did so last.
        since: RFC 3339; when `deployed` took the requests.
        interrupted: its model was undeployed so that another one can be deployed. Until then nothing serves.
        retired: RFC 3339; when another endpoint took its place. "" for the endpoint of the address.
        kept_until: RFC 3339; the time until which a retired one is kept.
        unknown: see `Record`.
    """

    id: Name
    location: str = ""
    name: str = ""
    deployed: str = ""
    operation: str = ""
    since: str = ""
    interrupted: bool = False
    retired: str = ""
    kept_until: str = ""
    unknown: Unknown = field(default_factory=dict)


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is recorded of one address.

    Attributes:
        serving: the model that serves. None before the first promotion.
        candidate: the model in training, or trained and not promoted yet.
        held: models that `rollback` holds back, in the order in which they were replaced. The first is of the
            training that the manifest declares. No time deletes them.
        deposed: replaced models that are to be deleted, or are kept for a while; oldest first.
        prevent_destroy: what the manifest says, recorded so that it outlives the manifest.
        manifest: path of the file that declared it at the last apply, with "/" between its parts. It is
            relative to the git root, or to the working directory where there is none. "" if an older version
            recorded it.
        endpoint: the stable endpoint. None if the address has none.
        former_endpoints: endpoints that another one replaced, and that are still to be deleted; oldest first.
        trial: the endpoint on which a copy is checked, because it has none of its own. It has the copy's id,
            and is deleted after the promotion, or with the copy. None if there is none.
        unknown: keys that only a newer version knows, with their values as JSON. They are written back
            unchanged.
    """

    address: Address
    serving: RecordedModel | None = None
    candidate: RecordedModel | None = None
    deposed: tuple[RecordedModel, ...] = ()
    held: tuple[RecordedModel, ...] = ()
    prevent_destroy: bool = False
    manifest: str = ""
    endpoint: RecordedEndpoint | None = None
    former_endpoints: tuple[RecordedEndpoint, ...] = ()
    trial: RecordedEndpoint | None = None
    unknown: Unknown = field(default_factory=dict)

    @property
    def endpoints(self) -> tuple[RecordedEndpoint, ...]:
        """Every endpoint of the record."""
        return (*([] if self.endpoint is None else [self.endpoint]), *self.former_endpoints)

    @property
    def called_endpoint(self) -> RecordedEndpoint | None:
        """The stable endpoint that programs call. None if none has had a model yet.

        While a new one is being set up, that is the one that it replaces.
        """
        for found in (self.endpoint, *reversed(self.former_endpoints)):
            if found is not None and found.since:
                return found
        return None

    @property
    def models(self) -> tuple[RecordedModel, ...]:
        """Every model of the record: the serving one, the candidate, those held back, the deposed ones."""
        if self.serving is not None and not (self.candidate or self.held or self.deposed):
            return (self.serving,)  # nearly always
        return tuple(m for m in (self.serving, self.candidate, *self.held, *self.deposed) if m is not None)

    @property
    def declared(self) -> RecordedModel | None:
        """The model of the declared training, as far as the record knows: what is held back comes first."""
        return self.held[0] if self.held else self.serving or self.candidate

    @property
    def is_empty(self) -> bool:
        """Whether it records no model and no endpoint."""
        return not self.models and not self.endpoints


COSTS = 1000
"""The number of costs that a state keeps one by one. Older costs are summed by month."""


class Cost(Struct, frozen=True):
    """The cost of a training. It stays when its model and its address are gone.

    Attributes:
        date: ISO date on which its end was recorded, in UTC.
        address: as it was then.
        id: of the model.
        tokens: as billed; if `is_estimate`, as estimated. 0 if unknown.
        amount: None if no price was declared.
        is_estimate: the service told no tokens, so tokens and amount are those of the plan.
        expected: the tokens that the plan estimated; 0 if it did not.
    """

    date: str
    address: Address
    id: Name
    tokens: Count = 0
    amount: float | None = None
    currency: str = ""
    is_estimate: bool = False
    expected: Count = 0


class MonthlyCost(Struct, frozen=True):
    """The sum of the older costs of a month, apart for each currency and for estimates.

    Attributes:
        month: 2026-11.
        trainings: how many costs are summed.
        currency: "" for trainings without a price; then `amount` is 0.
    """

    month: Name
    trainings: Count
    tokens: Count = 0
    amount: float = 0.0
    currency: str = ""
    is_estimate: bool = False


class State(Struct, frozen=True):
    """The whole state.

    Attributes:
        lineage: a UUID that is made at the first write and never changes. "" for a state never written.
        serial: how often it was written.
        stack: the name of its stack. "" until a named stack writes it.
        service: "google" or "emulator". "" until it is known.
        project: "" until it is known.
        costs: of the last trainings, in the order in which they ended.
        older_costs: what was spent before, sorted.
    """

    lineage: str = ""
    serial: Count = 0
    stack: str = ""
    workspace: Name = DEFAULT_WORKSPACE
    service: str = ""
    project: str = ""
    resources: Mapping[Address, Record] = field(default_factory=dict)
    costs: tuple[Cost, ...] = ()
    older_costs: tuple[MonthlyCost, ...] = ()

    def add_costs(self, costs: Iterable[Cost]) -> State:
        """Add costs, and sum those that are too old to be kept one by one."""
        every = (*self.costs, *costs)
        if len(every) == len(self.costs):
            return self
        split = max(len(every) - COSTS, 0)
        older = _sum_by_month(self.older_costs, every[:split]) if split else self.older_costs
        return replace(self, costs=every[split:], older_costs=older)

    def put(self, *records: Record) -> State:
        """Replace records. An empty record is removed."""
        resources = dict(self.resources)
        for record in records:
            if record.is_empty:
                resources.pop(record.address, None)
            else:
                resources[record.address] = record
        return self if resources == self.resources else replace(self, resources=resources)

    @property
    def version(self) -> int:
        """The oldest document version that can hold this state.

        A program that knows only version 1 would refuse or misunderstand what makes it 2. One that knows only
        2 would not keep the costs, so it must not write a state that has them. One that knows only 3 would
        train again what is held back. One that knows only 4 would delete a model that is deployed to a stable
        endpoint. One that does not know `model`, `checkpoint`, `choice` and `checkpoints` keeps them as
        they are. It refuses a manifest that chooses a checkpoint. What it deploys is the default checkpoint,
        which the chosen one has become. So they need no version of their own.
        """
        if any(record.endpoints or record.trial for record in self.resources.values()):
            return 5
        if any(record.held for record in self.resources.values()):
            return 4
        if self.costs or self.older_costs:
            return 3
        is_newer = any(
            record.manifest
            or any(model.formula > 1 or model.waiting or model.kept_until for model in record.models)
            for record in self.resources.values()
        )
        return 2 if is_newer else 1

    def select(self, addresses: Iterable[Address]) -> State:
        """Keep the records of these addresses, to show them. Addresses without a record are left out."""
        kept = {address: self.resources[address] for address in addresses if address in self.resources}
        return replace(self, resources=kept)

    def with_names(self, *, stack: str = "", service: str = "", project: str = "") -> State:
        """Give it these names where it has none: the first name that it meets stays."""
        return replace(
            self,
            stack=self.stack or stack,
            service=self.service or service,
            project=self.project or project,
        )


def _sum_by_month(months: Iterable[MonthlyCost], costs: Iterable[Cost]) -> tuple[MonthlyCost, ...]:
    sums = {(found.month, found.currency, found.is_estimate): found for found in months}
    for cost in costs:
        key = (cost.date[:7], cost.currency, cost.is_estimate)
        found = sums.get(key, MonthlyCost(cost.date[:7], 0, 0, 0.0, cost.currency, cost.is_estimate))
        sums[key] = replace(
            found,
            trainings=found.trainings + 1,
            tokens=found.tokens + cost.tokens,
            amount=round(found.amount + (cost.amount or 0.0), 6),
        )
    return tuple(sums[key] for key in sorted(sums))


def check_foreign(
    state: State,
    *,
    stack: str | None,
    service: str | None = None,
    project: str | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Refuse a state that belongs to another stack, service or project. Call it before any call or write.

    Args:
        state: as it was read.
        stack: the Stack's name. "" if the manifests name none, None if there are no manifests.
        service: whom the command asks, as `State.service`. "" or None if it is not known.
        project: "" or None if it is not known.
        variables: the environment variables that name "endpoint" and "project", for the advice.

    Raises:
        StateForeignError: the state records another stack, service or project.
    """
    if state.stack and stack is not None and stack != state.stack:
        wanted = f'the Stack is named "{stack}"' if stack else "no manifest names a Stack"
        raise StateForeignError(
            f'the state belongs to the stack "{state.stack}", but here {wanted}',
            f'Use another state for these manifests (--state), or name their Stack "{state.stack}" if they '
            "are the same models: the name is part of every id.",
        )
    if state.service and service and service != state.service:
        named = f" ({variables['endpoint']})" if variables.get("endpoint") else ""
        raise StateForeignError(
            f"the state records models at {_name_service(state.service)}, but this command talks to "
            f"{_name_service(service)}",
            "Use --emulator, which keeps a state of its own, or another --state."
            if service == _EMULATOR
            else f"Give the endpoint that the models are on{named}, or another --state.",
        )
    if state.project and project and project != state.project:
        variable = variables.get("project")
        setting = f"{variable}={shlex.quote(state.project)} or " if variable else ""
        raise StateForeignError(
            f"the state records models of the project {state.project}, but this command uses {project}",
            f"Set {setting}the Stack's spec.project to {state.project}, or use another --state.",
        )


_EMULATOR = "emulator"


def _name_service(service: str) -> str:
    return "an emulator" if service == _EMULATOR else service.capitalize()
