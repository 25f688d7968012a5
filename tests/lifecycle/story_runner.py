"""Runs a story, and checks the promises after each of its events."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from msgspec import structs

from reconciler.errors import PlanError, ReconcilerError, StateStoreError
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.operation import Check
from reconciler.operation.rolling_back import prepare_rollback
from reconciler.records import move
from reconciler.state.values import RecordedModel
from tests.fakes import BASES, Crash, Fuse
from tests.lifecycle.service_admin import FOREIGN_EPOCHS, STRANGERS, ServiceAdmin, Trained
from tests.lifecycle.simulation import READER, Simulation
from tests.lifecycle.story import (
    DAY,
    Disconnect,
    Edit,
    Event,
    Fail,
    Lose,
    Pass,
    RollBack,
    Run,
    Spec,
    Story,
    Vanish,
    kind_of,
    where,
)

_MOVED_FROM = re.compile(r"metadata\.moved_from: (\S+)")
_STATE_MOVE = re.compile(r"reconciler state mv (\S+) (\S+)\.")
Content: TypeAlias = tuple[str, str, str, int]
"""What is trained: name (or pinned id), source, data and epochs. Another generation has the same content."""


@dataclass
class StoryRunner:
    """Runs a story and checks the promises after each of its events.

    Attributes:
        specs: what is declared now.
        seen: every training so far, by its key.
        excused: keys of those that failed or were deleted. Each may be trained again.
        granted: how many more trainings --replace asked for.
        forced: the name in the last run's --replace.
        asked: the ids that were chosen for it.
        lost: ids that the state need not record, because it was lost.
    """

    story: Story
    admin: ServiceAdmin
    specs: dict[str, Spec] = field(default_factory=dict)
    seen: dict[str, Content] = field(default_factory=dict)
    excused: set[str] = field(default_factory=set)
    granted: Counter[Content] = field(default_factory=Counter)
    forced: str | None = None
    asked: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    serial: int = 0

    @property
    def sim(self) -> Simulation:
        """The simulation in which the story runs."""
        return self.admin.sim

    def run_story(self) -> None:
        """Run the story to its end. Raises AssertionError at the first broken promise."""
        self.admin.begin(self.story)
        self.sim.deleting = self.deleting
        for event in self.story.events:
            self.happen(event)
            self.look()
        self.end()

    def happen(self, event: Event) -> None:  # noqa: C901  # a row for each event
        """Apply one event of the story."""
        match event:
            case Edit(specs):
                self.specs = {spec.name: spec for spec in specs}
                self.sim.manifests = tuple(spec.desired() for spec in specs)
            case Run():
                self.run(event)
            case RollBack():
                self.roll_back(event)
            case Lose():
                self.admin.forget()
                self.lost |= {training.id for training in self.alive()}
                self.serial = 0
            case Vanish(name):
                for training in self.ours(name):
                    if self.admin.vanish(training):
                        self.excused.add(training.key)
            case Disconnect(name):
                for training in self.ours(name):
                    if training.status is Status.ACTIVE:
                        self.admin.disconnect(training)
            case Fail(name, on):
                self.admin.fail(name if on else "")
            case Pass(seconds):
                self.sim.clock.sleep(seconds)

    def run(self, run: Run) -> None:
        """Run a process, which may be killed or stopped."""
        sim = self.sim
        self.forced = run.replace
        process = sim.process(
            fuse=Fuse(run.kill),
            retry_failed=run.retry,
            replace=(str(where(run.replace)),) if run.replace else (),
        )
        for fault in run.faults:
            if fault.method == "store":
                process.backend.failures += [(fault.what, StateStoreError("the store is down"))] * fault.times
            else:
                self.admin.fault(fault.method, fault.what, fault.times)
        waits = run.command != "no-wait"
        try:
            check: Check = process.operation.resume
            if run.command != "wait":
                check = process.operation.recheck(process.operation.make_plan()[0])
            for told, _ in enumerate(process.operation.apply(check, waits=waits, timeout=run.timeout), 1):
                if run.stop is not None and told >= run.stop:
                    process.operation.stopping.set()
        except (Crash, ReconcilerError):
            pass
        finally:
            self.admin.heal()
        assert sim.store.holder is None, "the lock was not given back"

    def roll_back(self, event: RollBack) -> None:
        """Roll back, if that is possible."""
        process = self.sim.process(fuse=Fuse(event.kill))
        name = str(where(event.name))
        with suppress(Crash, ReconcilerError):
            plan, check = prepare_rollback(process.operation, name, to="", undo=event.undo)
            if plan.has_work:
                list(process.operation.apply(check))
        assert self.sim.store.holder is None, "the lock was not given back"

    # -- promises ----------------------------------------------------------------------------------

    def alive(self) -> list[Trained]:
        """The trainings of which something is left."""
        return [training for training in self.admin.trainings() if training.alive]

    def ours(self, name: str) -> list[Trained]:
        """The live models of a name."""
        return [
            training for training in self.alive() if training.id == name or training.id.startswith(f"{name}-")
        ]

    @staticmethod
    def content(training: Trained) -> Content:
        """What a training was trained on."""
        stem = training.id if training.id.endswith("-pinned") else training.id.rpartition("-")[0]
        return (stem, training.source, training.data, training.epochs)

    def wanted(self, spec: Spec) -> Content | None:
        """What the manifest wants trained; None while its parent does not serve."""
        source = BASES[kind_of(spec.name).name]
        if spec.parent is not None:
            parent = self.sim.state.resources.get(where(spec.parent))
            if parent is None or parent.serving is None:
                return None
            source = parent.serving.id
        stem = f"{spec.name}-pinned" if spec.pinned else spec.name
        return (stem, source, spec.data, spec.epochs)

    def deleting(self, id: str) -> None:
        """Check that a live model may be deleted, before that happens."""
        assert not any(id in ids for ids in STRANGERS.values()), f"{id} is not ours"
        (training,) = (training for training in self.alive() if training.id == id)
        content = self.content(training)
        self.excused.add(training.key)
        found = self.recorded(id)
        assert found is not None, f"{id} is deleted, and was not recorded"
        place, past = found
        record = self.sim.state.resources[place]
        spec = self.specs.get(place.name)
        if spec is None:
            assert not record.prevent_destroy, f"{id} is protected"
            return
        assert record.serving is None or record.serving.id != id, f"{id} serves"
        assert all(held.id != id for held in record.held), f"{id} is held back"
        failed = training.status is Status.FAILED
        if past.promoted and not failed and not spec.pinned:
            assert not spec.protect, f"{id} served and is protected"
            kept = datetime.fromisoformat(past.deposed) + DAY if past.deposed else None
            assert not (spec.keep and kept and self.sim.now() < kept), f"{id} is to be kept"
        if spec.pinned or failed or self.forced == place.name:
            return
        # If the id is not pinned any more, the model of the pinned id is as good.
        plain = (place.name, *content[1:])
        alike = {content, plain, (f"{place.name}-pinned", *content[1:])}
        others = [other for other in self.ours(place.name) if other.id != id and self.content(other) in alike]
        assert content != self.wanted(spec) or others, f"{id} is deleted and wanted"

    def recorded(self, id: str) -> tuple[Address, RecordedModel] | None:
        """Find the written record of a live model."""
        for place, record in self.sim.state.resources.items():
            for model in reversed(record.models):  # a deposed model comes before the candidate of the same id
                if model.id == id:
                    return place, model
        return None

    def look(self) -> None:
        """Check the promises that hold at any time."""
        state, trainings = self.sim.state, self.admin.trainings()
        assert state.serial >= self.serial, "the serial went back"
        self.serial = state.serial
        foreign = {id: FOREIGN_EPOCHS for ids in STRANGERS.values() for id in ids}
        assert self.admin.strangers() == foreign, "a stranger's model was touched"
        recorded = {model.id for record in state.resources.values() for model in record.models}
        orphans = {training.id for training in trainings if training.alive} - recorded - self.lost
        assert not orphans, f"nothing records {orphans}"
        record = state.resources.get(where(self.forced or ""))
        if record is not None and record.candidate is not None:
            # --replace asked for it, and it counts whenever it is created
            self.asked.add(record.candidate.id)
        self.count(trainings)

    def count(self, trainings: list[Trained]) -> None:
        """Check that nothing trained twice, unless it failed, was deleted, or --replace asked for it."""
        for training in trainings:
            content = self.content(training)
            if training.key not in self.seen:
                if content[0].removesuffix("-pinned") == self.forced or self.fulfils(training):
                    self.granted[content] += 1
                self.seen[training.key] = content
            if training.status is Status.FAILED:
                self.excused.add(training.key)
        counted = Counter(content for key, content in self.seen.items() if key not in self.excused)
        for content, times in counted.items():
            assert times <= 1 + self.granted[content], f"{content} was trained {times} times"

    def fulfils(self, new: Trained) -> bool:
        """Whether --replace asked for this training, under its id or in place of a taken id."""
        if new.id in self.asked:
            return True
        created = {training.id for training in self.admin.trainings() if training.key in self.seen} - {new.id}
        name = self.content(new)[0]
        instead = {id for id in self.asked if id.rpartition("-")[0] == name and id not in created}
        self.asked -= instead
        return bool(instead)

    def end(self) -> None:
        """Remove all faults and run cleanly until the manifests are fulfilled.

        Then the plan must be empty.
        """
        sim = self.sim
        self.admin.fail("")
        sim.clock.sleep(1000)
        for spec in self.story.final:
            # People must remove a live model of a pinned id that is not recorded.
            pinned = f"{spec.name}-pinned"
            if spec.pinned and self.ours(pinned) and self.recorded(pinned) is None:
                self.happen(Vanish(pinned))
        protected = {
            place.name: record
            for place, record in sim.state.resources.items()
            if record.prevent_destroy and place.name not in {spec.name for spec in self.story.final}
        }
        lifted = tuple(replace(self.specs[name], protect=False) for name in protected if name in self.specs)
        declared = {spec.name for spec in (*self.story.final, *lifted)}
        # Their manifests are gone, and the deletion was refused. They are declared again, without protection.
        homeless = tuple(Spec(name) for name in protected if name not in self.specs)
        need = {spec.parent for spec in lifted if spec.parent} - declared - {spec.name for spec in homeless}
        if protected:
            parents = tuple(Spec(name) for name in sorted(need))
            self.settle((*self.story.final, *lifted, *homeless, *parents))
        self.end_holds()
        self.settle(self.story.final)
        for spec in self.story.final:
            self.serves(spec)
        assert sim.state.resources.keys() <= {where(spec.name) for spec in self.story.final}

    def end_holds(self) -> None:
        """Undo each rollback, or train again what was held back and is gone."""
        for place, record in self.sim.state.resources.items():
            if record.held and place.name in self.specs:
                self.happen(RollBack(place.name, undo=True))
                if self.sim.state.resources[place].held:
                    self.happen(Run(replace=place.name))
                self.look()

    def follow_advice(self) -> None:
        """Follow the advice of a plan that cannot tell which of several names a model has now."""
        for _ in self.sim.manifests:
            try:
                self.sim.plan(retry_failed=True)
            except PlanError as refused:
                problem = refused.diagnostics[0]
            else:
                return
            if found := _MOVED_FROM.search(problem.detail):
                self.sim.manifests = tuple(
                    structs.replace(manifest, moved_from=Address(manifest.address.kind, found[1]))
                    if str(manifest.address) == problem.address
                    else manifest
                    for manifest in self.sim.manifests
                )
            elif found := _STATE_MOVE.search(problem.detail):
                with self.sim.process().operation.manager.locked() as session:
                    session.commit(move(session.state, Address.parse(found[1]), Address.parse(found[2])))
            else:
                return

    def settle(self, specs: tuple[Spec, ...]) -> None:
        """Apply until the plan is empty."""
        self.happen(Edit(specs))
        self.follow_advice()
        for _ in range(4):
            self.happen(Run(retry=True))
            self.look()
            if not self.sim.plan().has_work:
                break
            self.sim.clock.sleep(2 * DAY.total_seconds())
        plan = self.sim.plan()
        assert not plan.has_work, plan
        assert self.sim.settled()

    def serves(self, spec: Spec) -> None:
        """Check that the serving model is what the manifest wants."""
        serving = self.sim.state.resources[where(spec.name)].serving
        assert serving is not None, f"{spec.name} does not serve"
        (training,) = (training for training in self.alive() if training.id == serving.id)
        assert training.status is Status.ACTIVE
        content, wanted = self.content(training), self.wanted(spec)
        if not spec.pinned:
            # The model stays as it is when its pin is taken back or its manifest gets a new name.
            content = (wanted[0] if wanted else "", *content[1:])
        if any(training.assumed for training in serving.data):
            # Nobody knows what data the model of a pinned id was trained on.
            content, wanted = (*content[:2], "", content[3]), wanted and (*wanted[:2], "", wanted[3])
        assert content == wanted
        if spec.description is not None:
            assert training.description == spec.description
        if spec.permissions:
            assert self.admin.permissions(training.id) == {READER}
