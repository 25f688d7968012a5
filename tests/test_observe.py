"""What a plan asks the services for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future

from reconciler.model.live import Live, Odd
from reconciler.observe import observe
from reconciler.plan.inputs import Context
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import TUNING_JOB
from reconciler.state.values import State
from tests.fakes import FakeClock, FakeProvider, FakeService
from tests.lifecycle.simulation import want
from tests.limits import NET

KINDS = (TUNED_MODEL, TUNING_JOB)


class Meeting(FakeProvider):
    """A service that answers a list once the other service is asked for its list too."""

    def __init__(self, service: FakeService, barrier: threading.Barrier) -> None:
        super().__init__(service)
        self.barrier = barrier

    def list(self, *, own: bool = False, progress: bool = False) -> Iterator[Live | Odd]:
        """See Provider.list."""
        self.barrier.wait(NET)
        yield from super().list(own=own, progress=progress)


def test_the_lists_of_two_kinds_are_asked_for_at_the_same_time() -> None:
    """Each answer comes only when both requests are on their way. Each kind gets its own models."""
    barrier, clock = threading.Barrier(len(KINDS)), FakeClock()
    services = {kind.name: FakeService(clock, kind=kind) for kind in KINDS}
    for name, service in services.items():
        service.add(f"{name.lower()}-aaaaaaaa")
    providers = {name: Meeting(service, barrier) for name, service in services.items()}
    desired = [want("bot", kind=kind) for kind in KINDS]
    seen = observe(providers, State(), desired, context=Context(), parallelism=len(KINDS))
    assert {kind: list(live) for kind, live in seen.live.items()} == {
        name: [f"{name.lower()}-aaaaaaaa"] for name in services
    }


def test_a_list_that_is_on_its_way_is_not_asked_for_again() -> None:
    """Of a kind that was asked for before, the answer is taken. The other kind is asked for now."""
    clock = FakeClock()
    services = {kind.name: FakeService(clock, kind=kind) for kind in KINDS}
    providers = {name: FakeProvider(service) for name, service in services.items()}
    services[TUNING_JOB.name].add("job-aaaaaaaa")
    listed = Future[list[Live | Odd]]()
    listed.set_result([Odd("odd-aaaaaaaa", "tunedModels/odd-aaaaaaaa", "it is odd")])
    desired = [want("bot", kind=kind) for kind in KINDS]
    seen = observe(
        providers, State(), desired, context=Context(), parallelism=1, listed={TUNED_MODEL.name: listed}
    )
    assert list(seen.live[TUNING_JOB.name]) == ["job-aaaaaaaa"]
    assert seen.odd == {(TUNED_MODEL.name, "odd-aaaaaaaa"): "it is odd"}
