"""A service without room for another training is waited for: nothing fails, nothing is trained twice."""

from __future__ import annotations

from reconciler.errors import NoCapacityError
from reconciler.events import Failed, Skipped
from tests.lifecycle.stage import Stage, want


def full(stage: Stage, times: int, name: str = "a") -> None:
    """Refuse so many creates of this name, without effect."""
    id = stage.plan().trainings[0].id
    assert id.startswith(name)
    stage.service.fail("create", NoCapacityError("no room", status=429), id=id, times=times)


def test_it_waits_without_the_lock_and_asks_again() -> None:
    """Two refusals are two waits of at least 30 s, during which the lock is free; then it is trained once."""
    stage = Stage(want("a"))
    full(stage, 2)
    process = stage.apply()
    assert not [one for one in process.events if isinstance(one, Failed)]
    assert [one.unfinished for one in process.events if isinstance(one, Skipped)] == [False]
    assert process.journal.count("lock") == process.journal.count("unlock") >= 3
    assert stage.clock() >= 60
    assert list(stage.service.creates.values()) == [1]
    assert stage.settled()


def test_what_has_room_is_trained_meanwhile() -> None:
    """One address without room does not hold up another."""
    stage = Stage(want("a"), want("b"))
    full(stage, 5)
    stage.apply()
    assert sorted(stage.service.creates.values()) == [1, 1]
    assert stage.settled()


def test_a_timeout_leaves_it_for_later() -> None:
    """When the time for waiting is up it is told as unfinished; the next run trains it, once."""
    stage = Stage(want("a"))
    full(stage, 2)
    process = stage.apply(timeout=20.0)
    assert [one.unfinished for one in process.events if isinstance(one, Skipped)] == [False, True]
    stage.apply()
    assert list(stage.service.creates.values()) == [1]
    assert stage.settled()
