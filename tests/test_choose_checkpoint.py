"""Choosing a checkpoint of a trained model, against endpoints that stop, or that are not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest

from reconciler.apply.checkpoints import choose_checkpoint
from reconciler.apply.subject import Subject
from reconciler.errors import NotFoundError, ServiceError, StoppedError
from reconciler.model.checks import Check, Prompt
from reconciler.model.data import DataSet, Example
from reconciler.model.endpoint import BEST, LAST, Checkpoint
from reconciler.model.live import Live
from reconciler.plan.recording import Chosen
from reconciler.plan.steps import ChooseCheckpoint, Role
from reconciler.providers import Handle, Provider
from reconciler.state.values import Record, Verdict
from tests import worlds

ID = worlds.id_of()
CHECK = Check("one", "1")
THREE = tuple(Checkpoint(str(number), number, number, f"endpoints/{number}") for number in (1, 2, 3))


class Service:
    """A model with these checkpoints. Each answers right; asking one of them stops the run."""

    def __init__(
        self, checkpoints: tuple[Checkpoint, ...] = THREE, *, stops_at: str = "", gone: bool = False
    ) -> None:
        self.live = None if gone else worlds.live(ID, checkpoints=checkpoints)
        self.asked: list[str] = []
        self.stops_at = stops_at
        self.endpoints = self

    def get(self, _handle: Handle) -> Live | None:
        """Return the model."""
        return self.live

    def generate(self, where: str | Handle, _prompt: Prompt, *, temperature: float) -> str:
        """Answer at temperature 0, at an endpoint or as a model."""
        assert temperature == 0
        at = where.id if isinstance(where, Handle) else where
        if at == self.stops_at:
            raise StoppedError("stopped", "")
        self.asked.append(at)
        return "1"


def read(_data: DataSet) -> Iterable[Example]:
    """Fail, because there is no held-out file."""
    return ()


def choose(service: Service, choice: str, *checks: Check) -> Chosen:
    """Choose a checkpoint of the model that serves."""
    record = Record(worlds.address(), worlds.model(ID))
    subject = Subject(cast("Any", None), record, None, "", read)
    step = ChooseCheckpoint(Role.SERVING, choice, checks=checks)
    return choose_checkpoint(step, cast("Provider", service), subject)


def test_a_run_that_is_stopped_keeps_what_it_has_asked() -> None:
    """Nothing is chosen, and the next run asks only the others."""
    expected: list[tuple[str, list[str]]] = [("3", ["1", "2"]), ("1", [])]
    for at, asked in expected:
        found = choose(Service(stops_at=f"endpoints/{at}"), BEST, CHECK)
        assert (found.checkpoint, found.verdict) == ("", Verdict.UNKNOWN)
        assert [one.id for one in found.asked] == asked
        assert found.said == f"checkpoint {at}: stopped"


def test_without_checks_nothing_is_asked() -> None:
    """The last checkpoint is chosen by its place."""
    service = Service()
    assert choose(service, LAST) == Chosen("3")
    assert service.asked == []


def test_the_only_checkpoint_answers_at_the_endpoint_of_its_model() -> None:
    """This also holds for a model that shows no checkpoint."""
    for checkpoints, id in (((Checkpoint("3"),), "3"), ((), "")):
        service = Service(checkpoints)
        found = choose(service, LAST, CHECK)
        assert (found.checkpoint, found.verdict) == (id, Verdict.PASSED)
        assert service.asked == [ID]


def test_one_of_several_without_an_endpoint_cannot_be_checked() -> None:
    """The model's endpoint would answer for another one."""
    with pytest.raises(ServiceError, match=r"checkpoint 2 of .* has no endpoint of its own"):
        choose(Service((Checkpoint("1"), Checkpoint("2"))), LAST, CHECK)
    assert choose(Service((Checkpoint("1"), Checkpoint("2"))), LAST).checkpoint == "2"


def test_a_model_that_is_gone_has_nothing_to_choose_from() -> None:
    """Somebody deleted it meanwhile."""
    with pytest.raises(NotFoundError, match="not live any more"):
        choose(Service(gone=True), LAST)
