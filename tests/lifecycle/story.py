"""Whole lives of a stack: edits, runs, kills, faults and losses, and what must hold after each of them.

A Story is data: its repr is Python, so a failing one is a ready test (`@example(story=…)`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from reconciler.apply import Settings
from reconciler.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    RateLimitedError,
    ReconcilerError,
    ReplyLostError,
    StateStoreError,
    UnavailableError,
)
from reconciler.model import Address, Desired, Status
from reconciler.providers.gemini.fields import HYPERPARAMETERS
from reconciler.state import Model
from tests.fakes import BASE, Crash, FakeModel, Fuse
from tests.lifecycle.stage import CHECK, KIND, READER, Stage, address, data_set, want

STRANGERS = ("stranger-abcdefgh", "a-abcdefgh", "elsewhere")
"""Live models of other people, one of which looks like a generation of ours."""
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Spec:
    """What a manifest says, as far as it matters here. A pinned one may be deleted first."""

    name: str
    data: str = "one"
    epochs: int = 5
    temperature: float | None = None
    parent: str | None = None
    pinned: bool = False
    permissions: bool = False
    check: bool = False
    keep: bool = False
    protect: bool = False

    def desired(self) -> Desired:
        """The manifest."""
        return want(
            self.name,
            self.data,
            parent=self.parent,
            epochs=self.epochs,
            temperature=self.temperature,
            id=f"{self.name}-pinned" if self.pinned else None,
            permissions=(READER,) if self.permissions else None,
            checks=(CHECK,) if self.check else (),
            keep_deposed=DAY if self.keep else timedelta(0),
            prevent_destroy=self.protect and not self.pinned,
            replace="delete_first" if self.pinned else "candidate",
        )


@dataclass(frozen=True)
class Edit:
    """The manifests from now on."""

    specs: tuple[Spec, ...]


@dataclass(frozen=True)
class Fault:
    """What calls of a method meet; "store" is a write of the state."""

    method: str
    what: str
    times: int = 1


@dataclass(frozen=True)
class Run:
    """A process: apply, wait, or an apply that does not wait; killed at the kill-th place."""

    command: str = "apply"
    kill: int | None = None
    faults: tuple[Fault, ...] = ()
    retry: bool = False
    replace: str | None = None
    timeout: float | None = None
    stop: int | None = None
    """Stopped (SIGTERM) when so many events were told."""


@dataclass(frozen=True)
class Lose:
    """The state is deleted."""


@dataclass(frozen=True)
class Vanish:
    """Somebody deletes every live model of this name."""

    name: str


@dataclass(frozen=True)
class Fail:
    """Trainings of this name fail from now on, or no more."""

    name: str
    on: bool = True


@dataclass(frozen=True)
class Pass:
    """Time goes by."""

    seconds: int


Event: TypeAlias = Edit | Run | Lose | Vanish | Fail | Pass


@dataclass(frozen=True)
class Story:
    """A life; `final` is what the manifests say in the end."""

    events: tuple[Event, ...]
    final: tuple[Spec, ...]
    list_lag: float = 0.0
    keeps_creating: bool = False


Content: TypeAlias = tuple[str, str, str, int]
"""What is trained: name (or pinned id), source, data and epochs; another generation is the same content."""


@dataclass
class Teller:
    """Plays a story and holds the promises after each of its events."""

    story: Story
    stage: Stage = field(default_factory=Stage)
    specs: dict[str, Spec] = field(default_factory=dict)
    seen: dict[str, tuple[Content, float]] = field(default_factory=dict)
    trained: Counter[Content] = field(default_factory=Counter)
    excused: Counter[Content] = field(default_factory=Counter)
    forced: str | None = None
    asked: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    serial: int = 0

    def play(self) -> None:
        """Tell it to its end; AssertionError at the first broken promise."""
        stage, service = self.stage, self.stage.service
        service.list_lag, service.keeps_creating = self.story.list_lag, self.story.keeps_creating
        service.answer = lambda _model, _prompt: CHECK.expect
        stage.deleting = self.deleting
        for id in STRANGERS:
            service.add(id, {f"{HYPERPARAMETERS}.epoch_count": 9})
        for event in self.story.events:
            self.happen(event)
            self.look()
        self.end()

    def happen(self, event: Event) -> None:
        """One thing after another."""
        service = self.stage.service
        match event:
            case Edit(specs):
                self.specs = {spec.name: spec for spec in specs}
                self.stage.manifests = tuple(spec.desired() for spec in specs)
            case Run():
                self.run(event)
            case Lose():
                self.stage.store.stored = None
                self.lost |= set(service.models)
                self.serial = 0
            case Vanish(name):
                for model in self.ours(name):
                    self.excused[self.content(model)] += 1
                    del service.models[model.id]
            case Fail(name, on):
                service.failing = {name: "out of luck"} if on else {}
            case Pass(seconds):
                self.stage.clock.sleep(seconds)

    def run(self, run: Run) -> None:
        """A process, perhaps with a bad end."""
        stage = self.stage
        self.forced = run.replace
        process = stage.process(
            fuse=Fuse(run.kill),
            retry_failed=run.retry,
            replace=(f"{KIND}/{run.replace}",) if run.replace else (),
        )
        for fault in run.faults:
            if fault.method == "store":
                process.backend.failures += [(fault.what, StateStoreError("the store is down"))] * fault.times
            else:
                when, error = _FAULTS[fault.what]
                stage.service.fail(fault.method, error, when=when, times=fault.times)
        settings = Settings(parallelism=1, wait=run.command != "no-wait", timeout=run.timeout)
        try:
            if run.command == "wait":
                check = process.operation.resume()
            else:
                check = process.operation.recheck(process.operation.plan()[0])
            for told, _ in enumerate(process.operation.apply(check, settings), 1):
                if run.stop is not None and told >= run.stop:
                    process.operation.stopping.set()
        except (Crash, ReconcilerError):
            pass
        finally:
            stage.service.failures.clear()
        assert stage.store.holder is None, "the lock was not given back"

    # -- promises ----------------------------------------------------------------------------------

    def ours(self, name: str) -> list[FakeModel]:
        """The live models of a name, strangers left out."""
        return [
            model
            for model in self.stage.service.models.values()
            if (model.id == name or model.id.startswith(f"{name}-")) and model.id not in STRANGERS
        ]

    def content(self, model: FakeModel) -> Content:
        """What was trained."""
        epochs = model.attributes[f"{HYPERPARAMETERS}.epoch_count"]
        assert isinstance(epochs, int)
        stem = model.id if model.id.endswith("-pinned") else model.id.rpartition("-")[0]
        return (stem, model.source, model.data, epochs)

    def wanted(self, spec: Spec) -> Content | None:
        """What the manifest wants trained; None while its parent does not serve."""
        source = BASE
        if spec.parent is not None:
            parent = self.stage.state.resources.get(address(spec.parent))
            if parent is None or parent.serving is None:
                return None
            source = parent.serving.name
        stem = f"{spec.name}-pinned" if spec.pinned else spec.name
        return (stem, source, data_set(spec.data).digest, spec.epochs)

    def deleting(self, id: str) -> None:
        """Before a live model is deleted: nothing else may go."""
        model = self.stage.service.models[id]
        assert id not in STRANGERS, f"{id} is not ours"
        content = self.content(model)
        self.excused[content] += 1
        found = self.recorded(id)
        assert found is not None, f"{id} is deleted, and was not recorded"
        where, past = found
        record = self.stage.state.resources[where]
        spec = self.specs.get(where.name)
        if spec is None or self.story_destroys(where):
            assert not record.prevent_destroy, f"{id} is protected"
            return
        assert record.serving is None or record.serving.id != id, f"{id} serves"
        failed = self.stage.service.status(model) is Status.FAILED
        if past.promoted and not failed and not spec.pinned:
            assert not spec.protect, f"{id} served and is protected"
            kept = datetime.fromisoformat(past.deposed) + DAY if past.deposed else None
            assert not (spec.keep and kept and self.stage.now() < kept), f"{id} is to be kept"
        if spec.pinned or failed or self.forced == where.name:
            return
        plain = (where.name, *content[1:])  # without a pin, a model that had one is as good
        alike = {content, plain, (f"{where.name}-pinned", *content[1:])}
        others = [one for one in self.ours(where.name) if one.id != id and self.content(one) in alike]
        assert content != self.wanted(spec) or others, f"{id} is deleted and wanted"

    def story_destroys(self, where: Address) -> bool:
        """Whether nothing declares it."""
        return where.name not in self.specs

    def recorded(self, id: str) -> tuple[Address, Model] | None:
        """The record of a live model, as written."""
        for where, record in self.stage.state.resources.items():
            for model in reversed(record.models):  # the deposed before the candidate of the same id
                if model.id == id:
                    return where, model
        return None

    def look(self) -> None:
        """What holds at any time."""
        service, state = self.stage.service, self.stage.state
        assert state.serial >= self.serial, "the serial went back"
        self.serial = state.serial
        for id in STRANGERS:
            stranger = service.models.get(id)
            assert stranger is not None, f"{id} is gone"
            assert stranger.attributes[f"{HYPERPARAMETERS}.epoch_count"] == 9
            assert not stranger.permissions
        recorded = {model.id for record in state.resources.values() for model in record.models}
        orphans = service.models.keys() - recorded - self.lost - set(STRANGERS)
        assert not orphans, f"nothing records {orphans}"
        record = state.resources.get(address(self.forced or ""))
        if record is not None and record.candidate is not None:
            self.asked.add(record.candidate.id)  # --replace asked for it, whenever it is created
        self.count()

    def count(self) -> None:
        """Nothing is trained twice, unless it failed, was deleted, or --replace asked."""
        service = self.stage.service
        for model in service.models.values():
            if model.id in STRANGERS:
                continue
            key, content = f"{model.id}@{model.serial}", self.content(model)
            if key not in self.seen:
                self.seen[key] = (content, self.stage.clock())
                self.trained[content] += 1
                asked = content[0].removesuffix("-pinned") == self.forced or self.fulfils(model)
                if model.error or asked:
                    self.excused[content] += 1
        for content, times in self.trained.items():
            assert times <= 1 + self.excused[content], f"{content} was trained {times} times"

    def fulfils(self, model: FakeModel) -> bool:
        """Whether --replace asked for it: for its id, or for one that was taken when its turn came."""
        if model.id in self.asked:
            return True
        created = {key.partition("@")[0] for key in self.seen} - {model.id}
        name = self.content(model)[0]
        instead = {id for id in self.asked if id.rpartition("-")[0] == name and id not in created}
        self.asked -= instead
        return bool(instead)

    def end(self) -> None:
        """Everything heals, and a clean run does what the manifests want; then nothing is left to do."""
        stage = self.stage
        stage.service.failing = {}
        stage.clock.sleep(1000)
        for spec in self.story.final:  # what is live under a pinned id, unrecorded, is for people to remove
            pinned = stage.service.models.get(f"{spec.name}-pinned")
            if spec.pinned and pinned is not None and self.recorded(pinned.id) is None:
                self.happen(Vanish(f"{spec.name}-pinned"))
        protected = {
            where.name: record
            for where, record in stage.state.resources.items()
            if record.prevent_destroy and where.name not in {spec.name for spec in self.story.final}
        }
        lifted = tuple(replace(self.specs[name], protect=False) for name in protected if name in self.specs)
        declared = {spec.name for spec in (*self.story.final, *lifted)}
        homeless = tuple(
            Spec(name) for name in protected if name not in self.specs
        )  # dropped and refused: declared again without protection
        need = {one.parent for one in lifted if one.parent} - declared - {one.name for one in homeless}
        if protected:
            parents = tuple(Spec(name) for name in sorted(need))
            self.settle((*self.story.final, *lifted, *homeless, *parents))
        self.settle(self.story.final)
        for spec in self.story.final:
            self.serves(spec)
        assert stage.state.resources.keys() <= {address(spec.name) for spec in self.story.final}

    def settle(self, specs: tuple[Spec, ...]) -> None:
        """Apply until nothing is left to do."""
        self.happen(Edit(specs))
        for _ in range(4):
            self.happen(Run(retry=True))
            self.look()
            if not self.stage.plan().has_work:
                break
            self.stage.clock.sleep(2 * DAY.total_seconds())
        plan = self.stage.plan()
        assert not plan.has_work, plan
        assert self.stage.settled()

    def serves(self, spec: Spec) -> None:
        """What serves is what the manifest wants."""
        serving = self.stage.record(spec.name).serving
        assert serving is not None, f"{spec.name} does not serve"
        model = self.stage.service.models[serving.id]
        assert self.stage.service.status(model) is Status.ACTIVE
        content, wanted = self.content(model), self.wanted(spec)
        if not spec.pinned:  # a pin that is taken back leaves the model as it is
            content = (content[0].removesuffix("-pinned"), *content[1:])
        if any(one.assumed for one in serving.data):  # nothing can tell what data a pinned id was trained on
            content, wanted = (*content[:2], "", content[3]), wanted and (*wanted[:2], "", wanted[3])
        assert content == wanted
        if spec.temperature is not None:
            assert abs(float(str(model.attributes["temperature"])) - spec.temperature) < 1e-6
        if spec.permissions:
            assert set(model.permissions.values()) == {READER}


_FAULTS: dict[str, tuple[str, BaseException]] = {
    "unavailable": ("before", UnavailableError("503", status=503)),
    "lost": ("after", ReplyLostError("no reply")),
    "refused": ("before", InvalidArgumentError("400", status=400)),
    "limited": ("before", RateLimitedError("429", status=429)),
    "invisible": ("before", AlreadyExistsError("409", visible=False)),
    "taken": ("before", AlreadyExistsError("409", visible=True)),
}
