"""The fakes do what other tests rely on. tests/contract checks that they agree with real providers."""

from __future__ import annotations

import pytest

from reconciler.errors import ForbiddenError, ReplyLostError, UnavailableError
from reconciler.model.data import DataSet, Example
from reconciler.model.desired import Desired
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.providers import Handle, Provider
from tests.fakes import BASE, Crash, FakeClock, FakeProvider, FakeService, Fuse, unfenced

WANT = Desired(Address("TunedModel", "x"), {}, (DataSet("0" * 64, 1, 2),))
EXAMPLES = {"training_data": (Example("1", "2"),)}


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves only when somebody sleeps."""
    return FakeClock()


@pytest.fixture
def service(clock: FakeClock) -> FakeService:
    """Trainings of 100 seconds."""
    return FakeService(clock)


def create(provider: Provider, id: str = "x-abcdefgh") -> None:
    """Start a training."""
    provider.create(WANT, id, BASE, EXAMPLES, fence=unfenced)


@pytest.mark.parametrize(("at", "trainings"), [(1, 0), (2, 1)])
def test_a_process_dies_before_or_after_the_effect(service: FakeService, at: int, trainings: int) -> None:
    """At the first place nothing was done, at the second everything was.

    A new process continues from there.
    """
    fuse = Fuse(at)
    with pytest.raises(Crash):
        create(FakeProvider(service, fuse=fuse))
    assert service.creates["x-abcdefgh"] == trainings
    assert fuse.blown
    create(FakeProvider(service))
    assert service.creates["x-abcdefgh"] == 1


def test_a_dead_process_stays_dead(service: FakeService) -> None:
    """After the crash every further call of that process dies without effect, in any thread."""
    provider = FakeProvider(service, fuse=Fuse(1))
    for id in ("a-abcdefgh", "b-abcdefgh"):
        with pytest.raises(Crash):
            create(provider, id)
    assert not service.models


def test_a_crash_is_no_ordinary_exception() -> None:
    """`except Exception` does not catch a crash."""
    assert not issubclass(Crash, Exception)


def test_places_are_counted(service: FakeService) -> None:
    """A run without a crash counts and names the places where it could die."""
    provider = FakeProvider(service, fuse=Fuse())
    create(provider)
    list(provider.list())
    assert provider.fuse.places == [
        "before create x-abcdefgh",
        "after create x-abcdefgh",
        "before list",
        "after list",
    ]


@pytest.mark.parametrize(("when", "trainings"), [("before", 0), ("after", 1)])
def test_a_failure_comes_before_or_after_the_effect(service: FakeService, when: str, trainings: int) -> None:
    """An injected error is raised for the given id, as often as requested."""
    service.fail("create", ReplyLostError("lost"), when=when, id="x-abcdefgh")
    provider = FakeProvider(service)
    create(provider, "y-abcdefgh")
    with pytest.raises(ReplyLostError):
        create(provider)
    assert service.creates["x-abcdefgh"] == trainings
    create(provider)
    assert service.creates["x-abcdefgh"] == 1


def test_failures_of_other_methods_do_not_meet(service: FakeService) -> None:
    """A failing poll does not make a get fail."""
    service.fail("poll", UnavailableError("down"), times=2)
    service.add("x")
    provider = FakeProvider(service)
    assert provider.get(Handle("x")) is not None
    for _ in range(2):
        with pytest.raises(UnavailableError):
            provider.poll(Handle("x"))
    assert provider.poll(Handle("x")).status is Status.ACTIVE


def test_a_training_takes_its_time(service: FakeService, clock: FakeClock) -> None:
    """A model is CREATING for 100 seconds, then ACTIVE. The percentage follows the clock."""
    provider = FakeProvider(service)
    create(provider)
    clock.sleep(50)
    half = provider.poll(Handle("x-abcdefgh"))
    assert (half.status, half.percent, len(half.snapshots)) == (Status.CREATING, 50.0, 2)
    clock.sleep(50)
    assert provider.poll(Handle("x-abcdefgh")).status is Status.ACTIVE


def test_a_failing_name_fails_under_any_digest(service: FakeService, clock: FakeClock) -> None:
    """A failure can be set for a name before its digest is known, and only poll gives the reason."""
    service.failing["x"] = "bad data"
    provider = FakeProvider(service)
    create(provider)
    clock.sleep(100)
    assert provider.poll(Handle("x-abcdefgh")).error == "bad data"
    found = provider.get(Handle("x-abcdefgh"))
    assert found is not None
    assert (found.status, found.error) == (Status.FAILED, "")


def test_lists_and_gets_lag(service: FakeService, clock: FakeClock) -> None:
    """A new model is missing from list and get, each for its own lag."""
    service.list_lag, service.get_lag = 20.0, 10.0
    provider = FakeProvider(service)
    create(provider)
    seen = []
    for _ in range(3):
        seen.append((len(list(provider.list())), provider.get(Handle("x-abcdefgh")) is not None))
        clock.sleep(10)
    assert seen == [(0, False), (0, True), (1, True)]


def test_what_is_forbidden_is_not_seen(service: FakeService) -> None:
    """Another person's model is not listed, and a get is refused."""
    service.add("x")
    service.forbidden.add("x")
    provider = FakeProvider(service)
    assert list(provider.list()) == []
    with pytest.raises(ForbiddenError):
        provider.get(Handle("x"))


def test_a_process_dies_at_the_first_place_of_a_name(service: FakeService) -> None:
    """After its second call, the first create; from then on at every place, whatever it is called."""
    fuse = Fuse("after create")
    provider = FakeProvider(service, fuse=fuse)
    list(provider.list())
    with pytest.raises(Crash):
        create(provider)
    assert fuse.places[-1].startswith("after create")
    with pytest.raises(Crash):
        list(provider.list())
    assert service.creates["x-abcdefgh"] == 1
