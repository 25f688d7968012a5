"""Whole lives of a stack, as data: edits, runs, kills, faults and losses.

The repr of a Story is Python, so a story that fails can be pasted as a test: `@example(story=…)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from reconciler.kind import Kind
from reconciler.model.checks import Check
from reconciler.model.desired import Desired
from reconciler.model.names import Address
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import TUNING_JOB
from tests.lifecycle.simulation import READER, address, want

JOBS = frozenset({"job", "subjob"})
"""The names that stand for a TuningJob."""
DAY = timedelta(hours=24)


def kind_of(name: str) -> Kind:
    """The kind that a name stands for."""
    return TUNING_JOB if name in JOBS else TUNED_MODEL


def where(name: str) -> Address:
    """The address of a name."""
    return address(name, kind_of(name))


@dataclass(frozen=True)
class Spec:
    """The parts of a manifest that stories use. A pinned model may have delete_first.

    A TuningJob is never pinned and has no permissions.
    """

    name: str
    data: str = "one"
    epochs: int = 5
    description: str | None = None
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
            kind=kind_of(self.name),
            parent=self.parent,
            epochs=self.epochs,
            description=self.description,
            id=f"{self.name}-pinned" if self.pinned else None,
            permissions=(READER,) if self.permissions else None,
            checks=(Check(f"{self.data} 1", "1"),) if self.check else (),
            keep_deposed=DAY if self.keep else timedelta(0),
            prevent_destroy=self.protect and not self.pinned,
            replace="delete_first" if self.pinned else "candidate",
        )


@dataclass(frozen=True)
class Edit:
    """The manifests change to these."""

    specs: tuple[Spec, ...]


@dataclass(frozen=True)
class Fault:
    """Calls of a method fail in this way. The method "store" is a write of the state."""

    method: str
    what: str
    times: int = 1


@dataclass(frozen=True)
class Run:
    """A process: apply, wait, or an apply that does not wait.

    Attributes:
        kill: the number of the place where it is killed, or the beginning of the name of that place.
        stop: it is stopped (SIGTERM) after so many events.
    """

    command: str = "apply"
    kill: int | str | None = None
    faults: tuple[Fault, ...] = ()
    retry: bool = False
    replace: str | None = None
    timeout: float | None = None
    stop: int | None = None


@dataclass(frozen=True)
class RollBack:
    """Somebody lets the former model of a name serve again, or undoes that. This may be killed like a run."""

    name: str
    undo: bool = False
    kill: int | str | None = None


@dataclass(frozen=True)
class Lose:
    """The state is deleted."""


@dataclass(frozen=True)
class Vanish:
    """Somebody deletes every live model of this name."""

    name: str


@dataclass(frozen=True)
class Disconnect:
    """Somebody deletes the endpoint of every serving TuningJob of this name."""

    name: str


@dataclass(frozen=True)
class Fail:
    """Trainings of this name fail from now on, or succeed again."""

    name: str
    on: bool = True


@dataclass(frozen=True)
class Pass:
    """Time passes."""

    seconds: int


Event: TypeAlias = Edit | Run | RollBack | Lose | Vanish | Disconnect | Fail | Pass


@dataclass(frozen=True)
class Story:
    """A life.

    Attributes:
        final: the manifests at the end.
        list_lag: seconds before a list shows what was created.
        keeps_creating: whether a model in training cannot be deleted.
        crowded: whether only one TuningJob trains at once, and another one is refused meanwhile.
    """

    events: tuple[Event, ...]
    final: tuple[Spec, ...]
    list_lag: float = 0.0
    keeps_creating: bool = False
    crowded: bool = False
