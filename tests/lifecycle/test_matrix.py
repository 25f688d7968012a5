"""The crash matrix: a real process, SIGKILL before and after every single request and every state write.

Then the same command again: no training twice, no model that nothing records, nothing left to do.
`make test-all` tries all points; a scenario's points are dealt to a few tests, so that they run at once.
`make test` tries a sample.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.harness import Project
from tests.lifecycle.crash_harness import SCENARIOS, CrashHarness, crash_harness
from tests.lifecycle.crash_proxy import AFTER, BEFORE

SHARDS = 3
SAMPLE = 37
"""`make test` tries one point of so many. It meets requests and writes, before and after their effect."""


def points(made: CrashHarness) -> list[tuple[Callable[[int, str], None], int, str]]:
    """Every point of a run, found by a run that is not killed."""
    made.begin()
    before = made.project.state()["serial"] if made.state else 0
    made.project.run(*made.scenario.command, expect=0)
    requests, writes = len(made.proxy.requests), made.project.state()["serial"] - before
    return [
        *(
            (made.killed_at_request, number, when)
            for number in range(1, requests + 1)
            for when in (BEFORE, AFTER)
        ),
        *(
            (made.killed_at_write, number, when)
            for number in range(1, writes + 1)
            for when in ("sync", "before", "after")
        ),
    ]


def try_points(made: CrashHarness, first: int, stride: int) -> None:
    """Kill a run at every `stride`-th point, and check every promise after the next run."""
    every = points(made)
    assert len(every) >= 12
    for kill, number, when in every[first::stride]:
        made.begin()
        kill(number, when)
        try:
            made.converged()
        except AssertionError as error:
            where = f"{kill.__name__}({number}, {when!r}) of {made.proxy.requests}"
            raise AssertionError(f"{where}: {error}") from error


@pytest.mark.early
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_killed_at_some_points_is_finished_by_the_next(project: Project, name: str) -> None:
    """After a kill at sampled points, the next run trains once, loses nothing and leaves an empty plan."""
    with crash_harness(project, SCENARIOS[name]) as made:
        try_points(made, list(SCENARIOS).index(name), SAMPLE)


@pytest.mark.thorough
@pytest.mark.timeout(600)  # it starts dozens of processes, and each has a limit of its own
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_killed_run_is_finished_by_the_next(project: Project, name: str, shard: int) -> None:
    """After a kill at any point, the same command trains once and leaves an empty plan."""
    with crash_harness(project, SCENARIOS[name]) as made:
        try_points(made, shard, SHARDS)
