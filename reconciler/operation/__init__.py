"""One run of a command against one stack: reads everything, lets `plan` decide and `apply` act.

Rule: only this package reads manifests, services and state together; the command line opens them and prints.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler import observe
from reconciler.datasets.open_cache import OpenCache
from reconciler.errors import Diagnostic, ManifestError, PlanError, StalePlanError, UsageError
from reconciler.events import Event, Uploading
from reconciler.kind import Kind
from reconciler.manifests import Loaded, find_named_elsewhere
from reconciler.model.data import DataSet, Example
from reconciler.model.desired import Desired, StateSource
from reconciler.model.live import LAG_SECONDS, Live
from reconciler.model.names import Address
from reconciler.plan.base_models import BaseEnd, BaseFinder, list_ends
from reconciler.plan.binding import bind, verify
from reconciler.plan.change import Drift, Plan
from reconciler.plan.copies import CopySource, SourceFault
from reconciler.plan.drift import find_selected_drift, list_unrecorded
from reconciler.plan.facts import Facts, Observed, index_desired
from reconciler.plan.inputs import Context, Inputs
from reconciler.plan.planner import Planner
from reconciler.plan.resume import plan_resumption
from reconciler.plan.selection import Known, warn_of_unlabelled
from reconciler.providers import Provider, Providers
from reconciler.records import select
from reconciler.state.values import Record, State, check_foreign

if TYPE_CHECKING:
    from reconciler.state.session import StateManager


Check: TypeAlias = Callable[[State], tuple[Plan, Facts]]
"""Makes a plan from the state as it is under the lock."""

SourceReader: TypeAlias = Callable[
    [Iterable[StateSource], str], Mapping[StateSource, CopySource | SourceFault]
]

_MOMENT = timedelta(seconds=5)
"""The time for which a decision holds while its facts are the same. It depends on the time of day, too."""

_LOOKS = 5
"""State and service are read at most this often while other runs change both."""


class _Decision(Struct, frozen=True):
    """A plan, the facts that it was asked for with, and those that it was made from in the end."""

    asked: Facts
    plan: Plan
    facts: Facts

    def still_holds(self, facts: Facts) -> bool:
        """Return whether the same would be decided now."""
        return abs(facts.now - self.asked.now) <= _MOMENT and replace(facts, now=self.asked.now) == self.asked


class Operation(Struct):
    """The manifests, the state and the services that a command works with.

    Attributes:
        loaded: the manifests; empty for commands that need none.
        inputs: the command line's selection and guards.
        clock: monotonic seconds.
        now: the time of day, with its zone.
        today: the day that base models are judged by.
        has_manifests: if False, do not check the state's stack name.
        lag: seconds for which a model that was accepted may be invisible.
        stopping: set when the run is to end.
        begun: set before the first call that may begin or change something at a service.
        tell: prints a warning.
        uploads: filled by the providers with how far their uploads are; `apply` yields it.
        asks: returns the kinds whose services the command asks, given the state. If there are none, the
            state's endpoint and project are not checked.
        first_state: the state as it was read to find out which services to ask. The first `read_state`
            returns it.
        first_lists: what services were asked for meanwhile, by kind. The first look at them uses it.
        remark: a warning about a selection by label, once it was made. "" for none.
        read_sources: takes addresses of other states, and this run's service. Returns what they serve.
        data_cache: what is remembered of data at the services.
        variables: the environment variables that name "endpoint" and "project", for advice.
    """

    loaded: Loaded
    inputs: Inputs
    kinds: Mapping[str, Kind]
    providers: Providers
    manager: StateManager
    context: Context
    parallelism: int
    clock: Callable[[], float]
    now: Callable[[], datetime]
    today: date
    has_manifests: bool = True
    lag: float = LAG_SECONDS
    stopping: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[str], None] = lambda _text: None
    uploads: SimpleQueue[Uploading] = field(default_factory=SimpleQueue)
    _told: set[str] = field(default_factory=set)
    asks: Callable[[State], Collection[str]] | None = None
    first_state: State | None = None
    first_lists: observe.Listed = field(default_factory=dict)
    remark: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    read_sources: SourceReader = lambda _sources, _service: {}
    data_cache: OpenCache = field(default_factory=OpenCache)
    _decision: _Decision | None = None

    def read_state(self) -> State:
        """Read the state. StateForeignError if it is another stack's, service's or project's."""
        first, self.first_state = self.first_state, None
        return self._ensure_ours(self.manager.read() if first is None else first)

    def _ensure_ours(self, state: State) -> State:
        stack = self.loaded.stack.name if self.has_manifests else None
        asked = self.context if self.asks is None or self.asks(state) else Context()
        check_foreign(
            state, stack=stack, service=asked.service, project=asked.project, variables=self.variables
        )
        return state

    def make_plan(self, state: State | None = None) -> tuple[Plan, Facts]:
        """Read everything and decide. Asks for base models only if something would be trained.

        What a new model is recorded with includes the git commit, so git is asked if there is one. Soon after
        another plan, nothing is decided again from the same facts.

        Raises:
            ManifestError: data that a manifest names does not exist.
        """
        facts = self._add_sources(self.read_facts() if state is None else self._observe(state))
        desired = () if self.inputs.destroy else facts.desired.values()
        missing = [(model, data) for model in desired for data in model.data if not data.digest]
        if missing:
            raise ManifestError(_describe_missing(model, data) for model, data in missing)
        if self._decision is not None and self._decision.still_holds(facts):
            return self._decision.plan, self._decision.facts
        planner = Planner(facts)
        is_made, trained = planner.look_ahead()
        if is_made:
            planner = Planner(self._add_for_new_models(facts, trained))
        plan = planner.make_plan()
        plan = replace(plan, bindings=bind(planner.facts, plan.changes))
        self._decision = _Decision(facts, plan, planner.facts)
        return plan, planner.facts

    def _add_for_new_models(self, facts: Facts, kinds: Collection[str]) -> Facts:
        """Add what only new models need: the git commit, and the base models of the kinds to train."""
        from reconciler.git import find_commit

        facts = observe.add_base_models(facts, self.providers, kinds) if kinds else facts
        return replace(facts, commit=find_commit(self.inputs.paths[0] if self.inputs.paths else "."))

    def compare_data(self, plan: Plan, facts: Facts) -> Plan:
        """Return the plan with what changed in its data sets, where the former data can still be read."""
        if not any(change.data for change in plan.changes):
            return plan
        from reconciler.operation.former_data import compare_data

        return compare_data(plan, facts, self.providers, self.data_cache.get())

    def read_facts(self, state: State | None = None, *, briefly: bool = False) -> Facts:
        """Read everything that a decision depends on, without the lock; `state` if it was read just now.

        With `briefly`, only which models there are: see `observe`.
        Another run may promote a model and delete its predecessor after we read the state, and before we read
        the service. The predecessor then looks lost, so the state is read again before that is believed.
        """
        state = self.read_state() if state is None else state
        facts = self._observe(state, briefly=briefly)
        for _ in range(_LOOKS):
            if not _is_anything_missing(facts) or (now := self.read_state()) == state:
                break
            state, facts = now, self._observe(now, briefly=briefly)
        return facts

    def _observe(self, state: State, *, briefly: bool = False) -> Facts:
        desired = self.loaded.desired if briefly else self.measure_desired(state)
        listed, self.first_lists = self.first_lists, {}
        observed = observe.observe(
            self.providers,
            state,
            desired,
            context=self.context,
            parallelism=self.parallelism,
            tell=self._tell_once,
            briefly=briefly,
            listed=listed,
        )
        if not briefly:  # otherwise nobody shows why a training failed
            observed = observe.redact_failures(observed, state, desired, read_examples)
        return self.build_world(state, observed, desired)

    def _add_sources(self, facts: Facts) -> Facts:
        """Add what other states record of the models that copies come from."""
        sources = {model.elsewhere: None for model in facts.desired.values() if model.elsewhere is not None}
        if not sources or self.inputs.destroy:
            return facts
        found = self.read_sources(sources, self.context.service)
        return replace(facts, observed=replace(facts.observed, sources=found))

    def measure_desired(self, state: State) -> tuple[Desired, ...]:
        """Return the declared models, with the digests of data that is stored elsewhere (gs://).

        If such data is gone, the recorded digest is used: that alone does not train again. The digest stays
        "" if none is recorded.
        """
        desired = observe.measure_data(self.providers, self.loaded.desired)
        if not any(data.uri and not data.digest for model in desired for data in model.data):
            return desired
        recorded = state.resources
        return tuple(observe.assume_recorded_data(model, recorded.get(model.address)) for model in desired)

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.tell(text)

    def build_world(self, state: State, observed: Observed, desired: Iterable[Desired]) -> Facts:
        """Make the facts that a decision depends on."""
        named: frozenset[Address] = frozenset()
        if not self.loaded.whole:
            recorded = [(record.manifest, address) for address, record in state.resources.items()]
            named = find_named_elsewhere(recorded, self.loaded.files, self.inputs.paths)
        return Facts(
            desired=index_desired(desired),
            observed=observed,
            state=state,
            kinds=self.kinds,
            stack=self.loaded.stack,
            inputs=self.inputs,
            now=self.now(),
            today=self.today,
            whole=self.loaded.whole,
            lag=self.lag,
            folders=self.loaded.folders,
            named_elsewhere=named,
            removals={removal.address: removal for removal in self.loaded.removals},
        )

    def recheck(self, approved: Plan, make: Check | None = None) -> Check:
        """Return a function that makes the plan again, for apply. StalePlanError if the plan has changed.

        `make` makes the plan, by default `make_plan`.
        """

        def check(state: State) -> tuple[Plan, Facts]:
            fresh, facts = (make or self.make_plan)(self._ensure_ours(state))
            return verify(approved, fresh, facts), facts

        return check

    def resume(self, state: State) -> tuple[Plan, Facts]:
        """Plan what earlier applies approved and did not finish: for wait, under the lock."""
        facts = self._add_sources(self._observe(self._ensure_ours(state)))
        return plan_resumption(facts), facts

    def apply(self, check: Check, *, waits: bool = True, timeout: float | None = None) -> Iterator[Event]:
        """Carry out the plan that `check` makes from the state as it is under the lock.

        Without `waits`, the run ends once the service has accepted everything; at the latest after `timeout`
        seconds.
        """
        from concurrent.futures import ThreadPoolExecutor

        from reconciler import apply

        means = (
            self.providers,
            read_examples,
            self.clock,
            self.now,
            self.stopping,
            self.begun,
            self.uploads,
        )
        context = apply.Context(
            *means,
            self.parallelism,
            self.lag,
            waits=waits,
            deadline=None if timeout is None else self.clock() + timeout,
            pool=ThreadPoolExecutor(self.parallelism, thread_name_prefix="call"),
        )
        return apply.apply(check, self.manager, context)

    def plan_unfinished(self) -> Plan:
        """Plan what `resume` would do, without a lock. Its notes name what wait cannot finish."""
        state = self._read_selected_state()
        return plan_resumption(self._add_sources(self.read_facts(state)))

    def plan_refresh(self) -> Plan:
        """Make a plan without changes that shows the drift."""
        state = self._read_selected_state()
        facts = self.read_facts(state)
        return Plan(
            changes=(),
            drift=find_selected_drift(facts),
            context=self.context,
            inputs=self.inputs,
            lineage=facts.state.lineage,
            serial=facts.state.serial,
            created=facts.timestamp,
        )

    def ensure_same_lineage(self, plan: Plan) -> None:
        """Raise StalePlanError if a saved plan was made from another state."""
        state = self.read_state()
        if plan.lineage and state.lineage != plan.lineage:
            raise StalePlanError(
                f"the plan was made from the state of lineage {plan.lineage}, and {self.manager.place} has "
                f"{state.lineage or 'none'}",
                "Give the --state that the plan was made with, or make a new plan",
            )

    def find_drift(self) -> tuple[Drift, ...]:
        """Compare the live models with the recorded ones. Sends only GET requests, and writes nothing.

        Raises:
            PlanError: manifests declare models, but none is recorded.
            UsageError: --target or --exclude matches nothing.
        """
        state = self._read_selected_state()
        if not state.resources:
            if self.loaded.desired:
                raise PlanError(
                    f"{self.manager.place} records no model, and the manifests declare "
                    f"{len(self.loaded.desired)}",
                    "Run reconciler apply first (it adopts what is live), or give the right --state",
                )
            return ()
        kinds = {address.kind for address in state.resources}
        facts = self.read_facts(state)
        facts = observe.add_base_models(facts, self.providers, kinds)
        unrecorded = {kind for kind, _ in list_unrecorded(facts)}  # of the others, no model can be unmanaged
        own = observe.list_own_models(self.providers, kinds & unrecorded)
        return find_selected_drift(facts, own=own)

    def _read_selected_state(self) -> State:
        """Read the state, and check that --target and --exclude match something."""
        state = self.read_state()
        self.select(state)
        return state

    def select(self, state: State) -> list[Address]:
        """Find the addresses that --target, --exclude and single files as PATH select.

        Raises:
            UsageError: --target or --exclude matches nothing.
        """
        labels = {model.address: model.labels for model in self.loaded.desired}
        known: Known = {**dict.fromkeys(state.resources), **labels}
        found = select(known, self.inputs.targets, self.inputs.excludes)
        self.remark = warn_of_unlabelled(known, (*self.inputs.targets, *self.inputs.excludes))
        return [address for address in found if self.loaded.whole or address in labels]

    def list_base_ends(
        self, state: State, records: Iterable[Record], live: Iterable[Live]
    ) -> dict[str, BaseEnd]:
        """List the base model that each model of these records stands on, by the id of the model.

        `live` are those models that the service was asked for.
        """
        declared = {desired.address: desired for desired in self.loaded.desired}
        return list_ends(BaseFinder(declared, state.resources, self.kinds), records, self.today, live)

    def find_provider(self, address: Address) -> Provider:
        """Return the provider of an address. UsageError for a kind of a newer version."""
        if address.kind not in self.providers:
            raise UsageError(f"{address}: this version knows no kind {address.kind}")
        return self.providers[address.kind]

    def record_stack_name(self) -> None:
        """Record the stack's name in a nameless state, when an apply has nothing else to record."""
        state = self.read_state()
        if self.loaded.stack.name and not state.stack and state.resources:
            self.edit(self.add_names)

    def add_names(self, state: State) -> State:
        """Return the state with the names of this stack, its service and its project."""
        context, stack = self.context, self.loaded.stack.name
        return state.with_names(stack=stack, service=context.service, project=context.project)

    def edit(self, change: Callable[[State], State]) -> None:
        """Change the records alone, under the lock."""
        with self.manager.locked() as session:
            state = change(self._ensure_ours(session.state))
            session.commit(state)


def _is_anything_missing(facts: Facts) -> bool:
    """Return whether a model that serves, or was accepted, is not live."""
    return any(
        model is not None
        and not model.is_pending
        and not facts.is_hidden(record.address, model.id)
        and facts.find_live_of(record, model) is None
        for record in facts.state.resources.values()
        for model in (record.serving, record.candidate)
    )


def _describe_missing(desired: Desired, data: DataSet) -> Diagnostic:
    line, column = desired.places.get(data.field, (desired.line, 1))
    return Diagnostic(
        f"{desired.address}: {data.shown} does not exist",
        "Put the data there, or correct the address",
        desired.file or None,
        line or None,
        column,
        address=str(desired.address),
    )


def read_examples(data: DataSet) -> Iterable[Example]:
    """Read examples again, see `datasets.examples`. It is imported only if there are examples to read."""
    from reconciler.datasets import examples

    return examples.read_examples(data)
