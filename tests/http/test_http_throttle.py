"""The gate that one 429 closes for all, and the pauses between repetitions."""

from __future__ import annotations

import itertools

import pytest

from reconciler.errors import StoppedError
from reconciler.http.throttle import Pace
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves only when somebody sleeps."""
    return FakeClock()


@pytest.fixture
def pace(clock: FakeClock) -> Pace:
    """A pace on that clock, which nobody stops."""
    return Pace(clock, clock.sleep, lambda: False)


def test_an_open_gate_costs_nothing(pace: Pace, clock: FakeClock) -> None:
    """Without a 429 nobody waits."""
    assert [pace.enter("x") for _ in range(100)] == [0.0] * 100
    assert clock.slept == []


def test_a_closed_gate_opens_for_one_after_the_other(pace: Pace, clock: FakeClock) -> None:
    """Nobody enters before the delay is over. Then they do not all enter at once."""
    pace.close_gate(8.0, pace.enter("x"))
    entered = [pace.enter("x") for _ in range(4)]
    assert entered[0] == pytest.approx(8.0)
    gaps = [late - early for early, late in itertools.pairwise(entered)]
    assert gaps == pytest.approx([0.05] * 3)
    assert clock.now == entered[-1]


def test_the_longest_delay_counts(pace: Pace) -> None:
    """A shorter delay that comes later does not open the gate earlier."""
    entered = pace.enter("x")
    pace.close_gate(8.0, entered)
    pace.close_gate(2.0, entered)
    assert pace.enter("x") == pytest.approx(8.0)


def test_who_waits_already_waits_longer(clock: FakeClock) -> None:
    """If another thread meets a 429 while we wait, we wait for that one too."""
    met: list[float] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now >= 2 and not met:
            met.append(clock.now)
            gate.close_gate(10.0, clock.now)

    gate = Pace(clock, sleep, lambda: False)
    gate.close_gate(4.0, gate.enter("x"))
    assert gate.enter("x") >= met[0] + 10.0


def test_one_overload_slows_once(pace: Pace) -> None:
    """Many 429s on requests that were already sent widen the gaps once. A later request widens them again."""
    entered = pace.enter("x")
    pace.close_gate(1.0, entered)
    for _ in range(8):
        pace.close_gate(1.0, entered - 0.1)
    first, second = pace.enter("x"), pace.enter("x")
    assert second - first == pytest.approx(0.05)
    pace.close_gate(1.0, second)
    first, second = pace.enter("x"), pace.enter("x")
    assert second - first == pytest.approx(0.1)


def test_the_gaps_stay_bearable_and_close_again(pace: Pace) -> None:
    """The gaps never grow beyond four seconds. Answers bring them back to none."""
    for _ in range(20):
        pace.close_gate(0.0, pace.enter("x"))
    first, second = pace.enter("x"), pace.enter("x")
    assert second - first == pytest.approx(4.0)
    for _ in range(30):
        pace.come_closer()
    pace.enter("x")
    first, second = pace.enter("x"), pace.enter("x")
    assert second == first


@pytest.mark.parametrize("attempt", range(1, 40))
def test_a_pause_grows_to_eight_seconds_and_not_beyond_what_is_left(
    pace: Pace, clock: FakeClock, attempt: int
) -> None:
    """The n-th pause is between half of and all of 0.25 s * 2^n.

    It is at most 8 s, and at most what is left.
    """
    longest = min(8.0, 0.25 * 2**attempt)
    pace.back_off(attempt, 3600.0, "x")
    assert longest / 2 <= clock.now <= longest + 1e-9
    before = clock.now
    pace.back_off(attempt, 0.125, "x")
    assert clock.now - before <= 0.125 + 1e-9


def test_waiting_is_cut_short_by_stopping(clock: FakeClock) -> None:
    """A wait of an hour ends 0.1 s after the stop. The error says what was not done."""
    pace = Pace(clock, clock.sleep, lambda: clock.now >= 1)
    with pytest.raises(StoppedError, match="before the next thing"):
        pace.wait(3600.0, "the next thing")
    assert clock.now <= 1.2
