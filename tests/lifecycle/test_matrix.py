"""The crash matrix: a real process, SIGKILL before and after every single request and every state write.

Then the same command again: no training twice, no model that nothing records, nothing left to do. All points
are tried, in every run of the tests; a scenario's points are dealt to a few tests, so that they run at once.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.harness import Project
from tests.lifecycle.gate import AFTER, BEFORE
from tests.lifecycle.rig import APPLY, SCENARIOS, Rig, rig

SHARDS = 3


def points(made: Rig) -> list[tuple[Callable[[int, str], None], int, str]]:
    """Every point of a run, found by a run that nobody kills."""
    made.begin()
    before = made.project.state()["serial"] if made.state else 0
    made.project.run(*APPLY, expect=0)
    requests, writes = len(made.gate.requests), made.project.state()["serial"] - before
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


@pytest.mark.timeout(600)  # dozens of processes, each with a limit of its own
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_killed_run_is_finished_by_the_next(project: Project, name: str, shard: int) -> None:
    """At whatever point it dies: trained once, nothing lost, nothing left to do after the same command."""
    with rig(project, SCENARIOS[name]) as made:
        every = points(made)
        assert len(every) >= 12
        for kill, number, when in every[shard::SHARDS]:
            made.begin()
            kill(number, when)
            try:
                made.converged()
            except AssertionError as error:
                raise AssertionError(
                    f"{kill.__name__}({number}, {when!r}) of {made.gate.requests}: {error}"
                ) from error
