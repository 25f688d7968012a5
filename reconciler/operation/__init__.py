"""One run of a command against one stack: reads everything, decides, and lets apply act.

Rule: this is the only place where manifests, services and state meet; commands parse and print.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from queue import SimpleQueue
from typing import TYPE_CHECKING

from reconciler import observe
from reconciler.datasets.examples import read_examples
from reconciler.errors import (
    Diagnostic,
    ManifestError,
    PlanError,
    StalePlanError,
    UsageError,
)
from reconciler.events import Event, Uploading
from reconciler.kind import Kind
from reconciler.manifests import Loaded, named_elsewhere
from reconciler.model import BASE_MODEL, LAG_SECONDS, Address, DataSet, Desired
from reconciler.plan.binding import verify
from reconciler.plan.change import Context, Drift, Inputs, Plan
from reconciler.plan.drift import selected_drift
from reconciler.plan.facts import Observed, World
from reconciler.plan.planner import make_world, plan_and_world
from reconciler.plan.resume import resumable
from reconciler.plan.selection import Known, without_labels
from reconciler.providers import Provider, Providers
from reconciler.records import NO_RECORD, resolve, select
from reconciler.state.values import Record, State, check_foreign

if TYPE_CHECKING:
    from reconciler.apply import Settings
    from reconciler.state.session import StateManager


_LOOKS = 5
"""How often state and service are read again while other runs are at work on both."""


@dataclass(slots=True)
class Operation:
    """What a command works with.

    Attributes:
        loaded: the manifests; an empty Loaded for commands that need none.
        inputs: the command line's selection and guards.
        named: False when no manifests were read, so that the stack's name is not held against the state.
        now: the time of day, aware.
        lag: seconds for which a model that was accepted may be invisible.
        stopping: set when the run shall end.
        begun: set before the first call that may begin or change something at a service.
        tell: shows one line that a person should know of, and that decides nothing.
        uploads: filled by the providers with how far their uploads are; `apply` yields it.
        asks: given the state, the kinds whose services the command asks; where there is none, neither
            endpoint nor project is held against the state.
        read: the state as it was read to find out whom to ask; the first look takes it, and reads no more.
        remark: what is worth saying of a selection by label, once it was made.
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
    named: bool = True
    lag: float = LAG_SECONDS
    stopping: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    tell: Callable[[str], None] = lambda _text: None
    uploads: SimpleQueue[Uploading] = field(default_factory=SimpleQueue)
    _told: set[str] = field(default_factory=set)
    asks: Callable[[State], Collection[str]] | None = None
    read: State | None = None
    remark: str = ""

    def state(self) -> State:
        """The recorded state, refused when it is another stack's, service's or project's."""
        read, self.read = self.read, None
        return self._ours(self.manager.read() if read is None else read)

    def _ours(self, state: State) -> State:
        stack = self.loaded.stack.name if self.named else None
        asked = self.context if self.asks is None or self.asks(state) else Context()
        check_foreign(state, stack=stack, service=asked.service, project=asked.project)
        return state

    def plan(self, state: State | None = None) -> tuple[Plan, World]:
        """Read everything and decide; base models are asked for only when something would be trained."""
        world = self.world() if state is None else self._observed(state)
        wants = () if self.inputs.destroy else world.desired.values()
        gone = [(want, one) for want in wants for one in want.data if not one.digest]
        if gone:
            raise ManifestError(_not_there(want, one) for want, one in gone)
        plan, decided = plan_and_world(world)
        if plan.trainings:
            kinds = {change.address.kind for change in plan.trainings if BASE_MODEL in (change.after or {})}
            if kinds:
                world = replace(
                    world, observed=observe.add_base_models(world.observed, self.providers, kinds)
                )
                plan, decided = plan_and_world(world)
        return plan, decided

    def world(self, state: State | None = None) -> World:
        """Everything that a decision depends on, read without the lock; `state` where it was just read.

        Between our reading of the state and of the service another run may have promoted a model and
        deleted its predecessor, which then looks lost: the state is read again before that is believed.
        """
        state = self.state() if state is None else state
        world = self._observed(state)
        for _ in range(_LOOKS):
            if not _is_anything_missing(world) or (now := self.state()) == state:
                break
            state, world = now, self._observed(now)
        return world

    def _observed(self, state: State) -> World:
        desired = self.measured(state)
        observed = observe.observe(
            self.providers,
            state,
            desired,
            context=self.context,
            parallelism=self.parallelism,
            tell=self._tell_once,
        )
        observed = observe.redact_failures(observed, state, desired, read_examples)
        return self.world_of(state, observed, desired)

    def measured(self, state: State) -> tuple[Desired, ...]:
        """What is declared, with the digests of data that lies elsewhere.

        Data that is gone from there counts as what was recorded of it: it is no reason to train again. Where
        nothing was recorded either, the digest stays "".
        """
        wants = observe.measure_data(self.providers, self.loaded.desired)
        if not any(one.uri and not one.digest for want in wants for one in want.data):
            return wants
        return tuple(observe.assume_recorded_data(want, state.resources.get(want.address)) for want in wants)

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.tell(text)

    def world_of(self, state: State, observed: Observed, desired: Iterable[Desired]) -> World:
        """What a decision would depend on, had the services shown this."""
        world = make_world(
            desired,
            observed,
            state,
            kinds=self.kinds,
            stack=self.loaded.stack,
            inputs=self.inputs,
            now=self.now(),
            whole=self.loaded.whole,
            lag=self.lag,
            folders=self.loaded.folders,
        )
        if self.loaded.whole:
            return world
        recorded = [(record.manifest, address) for address, record in state.resources.items()]
        named = named_elsewhere(recorded, self.loaded.files, self.inputs.paths)
        return replace(world, named_elsewhere=named)

    def recheck(self, approved: Plan) -> Callable[[State], tuple[Plan, World]]:
        """For apply: the approved plan as it is now, or StalePlanError."""

        def check(state: State) -> tuple[Plan, World]:
            fresh, world = self.plan(self._ours(state))
            return verify(approved, fresh, world), world

        return check

    def resume(self) -> Callable[[State], tuple[Plan, World]]:
        """For wait: what earlier applies approved and is not finished."""

        def check(state: State) -> tuple[Plan, World]:
            world = self._observed(self._ours(state))
            return resumable(world), world

        return check

    def apply(self, check: Callable[[State], tuple[Plan, World]], settings: Settings) -> Iterator[Event]:
        """Make the plan true."""
        from reconciler.apply import apply

        return apply(
            check,
            self.providers,
            self.manager,
            examples=read_examples,
            clock=self.clock,
            now=self.now,
            stopping=self.stopping,
            settings=settings,
            begun=self.begun,
            uploads=self.uploads,
        )

    def unfinished(self) -> Plan:
        """What `resume` would do, looked at without a lock; its notes name what wait cannot finish."""
        state = self.state()
        self.selected(state)
        return resumable(self.world(state))

    def refresh_plan(self) -> Plan:
        """Only how live differs from recorded, as a plan that does nothing."""
        state = self.state()
        self.selected(state)
        world = self.world(state)
        return Plan(
            changes=(),
            drift=selected_drift(world),
            context=self.context,
            inputs=self.inputs,
            lineage=world.state.lineage,
            serial=world.state.serial,
            created=world.timestamp,
        )

    def same_lineage(self, plan: Plan) -> None:
        """Refuse a saved plan that was made from another state."""
        state = self.state()
        if plan.lineage and state.lineage != plan.lineage:
            raise StalePlanError(
                f"the plan was made from the state of lineage {plan.lineage}, and {self.manager.place} has "
                f"{state.lineage or 'none'}",
                "Give the --state that the plan was made with, or make a new plan",
            )

    def drift(self) -> tuple[Drift, ...]:
        """Live against recorded; sends GETs only and writes nothing, not even state.

        Raises:
            PlanError: manifests declare models and nothing is recorded: that is not "no drift".
            UsageError: --target or --exclude names what is not there.
        """
        state = self.state()
        self.selected(state)
        if not state.resources:
            if self.loaded.desired:
                raise PlanError(
                    f"{self.manager.place} records no model, and the manifests declare "
                    f"{len(self.loaded.desired)}",
                    "Run reconciler apply first (it adopts what is live), or give the right --state",
                )
            return ()
        kinds = {address.kind for address in state.resources}
        world = self.world(state)
        world = replace(world, observed=observe.add_base_models(world.observed, self.providers, kinds))
        return selected_drift(world, own=observe.list_own_models(self.providers, kinds))

    def known(self, state: State) -> Known:
        """Every address that is declared or recorded, with its labels."""
        labels = {want.address: want.labels for want in self.loaded.desired}
        return {**dict.fromkeys(state.resources), **labels}

    def selected(self, state: State) -> list[Address]:
        """What --target, --exclude and single files as PATH leave. UsageError for what nothing is called."""
        known = self.known(state)
        found = select(known, self.inputs.targets, self.inputs.excludes)
        self.remark = without_labels(known, (*self.inputs.targets, *self.inputs.excludes))
        declared = {want.address for want in self.loaded.desired}
        return [one for one in found if self.loaded.whole or one in declared]

    def recorded(self, name: str, state: State | None = None) -> Record:
        """The record that KIND/NAME, or NAME where unique, means. UsageError when there is none."""
        known = (state or self.state()).resources
        return known[resolve(name, known, NO_RECORD)]

    def provider(self, address: Address) -> Provider:
        """The service behind an address."""
        if address.kind not in self.providers:
            raise UsageError(f"{address}: this version knows no kind {address.kind}")
        return self.providers[address.kind]

    def name_state(self) -> None:
        """Give a nameless state its stack's name, where an apply has nothing else to record."""
        stack = self.loaded.stack.name
        state = self.state()
        if stack and not state.stack and state.resources:
            context = self.context
            self.edit(
                lambda one: one.with_names(stack=stack, service=context.service, project=context.project)
            )

    def edit(self, change: Callable[[State], State]) -> None:
        """Change the record alone, under the lock (state mv, rm, push; import)."""
        with self.manager.locked() as session:
            state = change(self._ours(session.state))
            session.commit(state)


def _is_anything_missing(world: World) -> bool:
    """Whether a model that serves, or was accepted, is not live."""
    return any(
        model is not None
        and not model.is_pending
        and not world.is_hidden(record.address, model.id)
        and world.live_of(record, model) is None
        for record in world.state.resources.values()
        for model in (record.serving, record.candidate)
    )


def _not_there(want: Desired, data: DataSet) -> Diagnostic:
    line, column = want.places.get(data.field, (want.line, 1))
    return Diagnostic(
        f"{want.address}: {data.shown} does not exist",
        "Put the data there, or correct the address",
        want.file or None,
        line or None,
        column,
        address=str(want.address),
    )
