"""Looks into the services and changes them behind the tool's back. A StoryRunner uses it.

Here the services are fakes. In emulated_service_admin.py they are an emulator.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconciler.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    RateLimitedError,
    ReplyLostError,
    UnavailableError,
)
from reconciler.model.live import Status
from reconciler.model.permission import Permission
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import TUNING_JOB
from tests.fakes import FakeModel, FakeService, epochs_field
from tests.lifecycle.simulation import Simulation, data_set
from tests.lifecycle.story import Story

STRANGERS: Mapping[str, Collection[str]] = {
    TUNED_MODEL.name: ("stranger-abcdefgh", "a-abcdefgh", "elsewhere"),
    TUNING_JOB.name: ("job-abcdefgh", "nowhere"),
}
"""Live models of other people, some of which look like a generation of ours."""
FOREIGN_EPOCHS = 9
WORDS = ("one", "two")
"""The words that name data sets."""


@dataclass(frozen=True)
class Trained:
    """One training that a service accepted, as the service itself tells it.

    Attributes:
        key: unique to this training, even among trainings of the same id.
        source: our id of the parent, or the base model.
        data: the word of its data set.
        alive: whether anything of it is left that trains, can be called, or is listed.
    """

    key: str
    id: str
    source: str
    data: str
    epochs: int
    alive: bool
    status: Status
    description: str


class ServiceAdmin(Protocol):
    """The services of a simulation, seen and changed by somebody other than the tool."""

    @property
    def sim(self) -> Simulation:
        """The simulation whose services these are."""

    def begin(self, story: Story) -> None:
        """Prepare the services as the story needs them, with other people's models serving."""

    def trainings(self) -> list[Trained]:
        """Every training so far, except other people's. Deleted ones may be left out."""

    def strangers(self) -> dict[str, int]:
        """The epochs of each model of other people that nobody touched, by id."""

    def permissions(self, id: str) -> frozenset[Permission]:
        """The people that a model was shared with."""

    def vanish(self, trained: Trained) -> bool:
        """Delete a model without the tool. Return whether the service allowed it."""

    def disconnect(self, trained: Trained) -> None:
        """Delete the endpoint of a serving TuningJob, but not its model."""

    def forget(self) -> None:
        """Lose the state."""

    def fail(self, name: str) -> None:
        """Let trainings of this name fail from now on. "" lets all succeed."""

    def fault(self, method: str, what: str, times: int) -> None:
        """Let the next calls of a provider's method fail in this way."""

    def heal(self) -> None:
        """Remove all faults."""


class FakeServiceAdmin:
    """A ServiceAdmin of services in memory."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self._services = tuple(sim.services.values())
        self._words = {data_set(word).digest: word for word in WORDS}

    def begin(self, story: Story) -> None:
        """See ServiceAdmin.begin."""
        self.sim.services[TUNING_JOB.name].room = 1 if story.crowded else None
        for service in self._services:
            service.list_lag, service.keeps_creating = story.list_lag, story.keeps_creating
            service.answer = lambda _model, prompt: prompt.rpartition(" ")[2]
            for id in STRANGERS[service.kind.name]:
                service.add(id, {epochs_field(service.kind): FOREIGN_EPOCHS})

    def trainings(self) -> list[Trained]:
        """See ServiceAdmin.trainings."""
        return [self._told(service, model) for service in self._services for model in service.history]

    def _told(self, service: FakeService, model: FakeModel) -> Trained:
        parent = next(
            (candidate.id for candidate in service.history if candidate.name == model.source), model.source
        )
        return Trained(
            key=f"{model.kind.name} {model.serial}",
            id=model.id,
            source=parent,
            data=self._words[model.data],
            epochs=model.epochs,
            alive=service.models.get(model.id) is model,
            status=service.status(model),
            description=str(model.attributes.get("description", "")),
        )

    def strangers(self) -> dict[str, int]:
        """See ServiceAdmin.strangers."""
        models = [model for service in self._services for model in service.models.values()]
        ids = {id for every in STRANGERS.values() for id in every}
        return {model.id: model.epochs for model in models if model.id in ids and not model.permissions}

    def permissions(self, id: str) -> frozenset[Permission]:
        """See ServiceAdmin.permissions."""
        (model,) = (service.models[id] for service in self._services if id in service.models)
        return frozenset(model.permissions.values())

    def vanish(self, trained: Trained) -> bool:
        """See ServiceAdmin.vanish."""
        for service in self._services:
            service.models.pop(trained.id, None)
        return True

    def disconnect(self, trained: Trained) -> None:
        """See ServiceAdmin.disconnect."""
        self.sim.services[TUNING_JOB.name].models[trained.id].error = "its endpoint is gone"

    def forget(self) -> None:
        """See ServiceAdmin.forget."""
        self.sim.store.stored = None

    def fail(self, name: str) -> None:
        """See ServiceAdmin.fail."""
        for service in self._services:
            service.failing = {name: "out of luck"} if name else {}

    def fault(self, method: str, what: str, times: int) -> None:
        """See ServiceAdmin.fault."""
        when, error = _FAULTS[what]
        for service in self._services:
            service.fail(method, error, when=when, times=times)

    def heal(self) -> None:
        """See ServiceAdmin.heal."""
        for service in self._services:
            service.failures.clear()


_FAULTS: dict[str, tuple[str, BaseException]] = {
    "unavailable": ("before", UnavailableError("503", status=503)),
    "lost": ("after", ReplyLostError("no reply")),
    "refused": ("before", InvalidArgumentError("400", status=400)),
    "limited": ("before", RateLimitedError("429", status=429)),
    "invisible": ("before", AlreadyExistsError("409", visible=False)),
    "taken": ("before", AlreadyExistsError("409", visible=True)),
}
