"""Functions for the tests of shared state. They read the records of any store, and hold its lock."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

from tests.cli.harness import Project, Result, finish, until
from tests.races.conftest import Store

APPLY = ("apply", "--auto-approve")
ONE_BY_ONE = (*APPLY, "--parallelism", "1")
GITHUB = {
    "GITHUB_RUN_ID": "4711",
    "GITHUB_SERVER_URL": "https://github.example.com",
    "GITHUB_REPOSITORY": "search/models",
}
RUN_URL = "https://github.example.com/search/models/actions/runs/4711"


def document(project: Project) -> dict[str, Any]:
    """Return the state as `state pull` prints it, {} if there is none."""
    found = json.loads(project.run("state", "pull", expect=0).out or "{}")
    assert isinstance(found, dict)
    return found


def serving(project: Project) -> dict[str, str]:
    """Return the id that serves each name, according to the state."""
    return {
        resource["address"].partition("/")[2]: resource["id"]
        for resource in document(project).get("resources", ())
    }


def all_ended(processes: list[subprocess.Popen[str]]) -> list[Result]:
    """The result of each process."""
    return [finish(process) for process in processes]


def converged(project: Project, names: list[str]) -> None:
    """Assert that records and live models agree, one for each name, and that the plan is empty."""
    found = serving(project)
    assert sorted(found) == sorted(names)
    assert set(found.values()) == set(project.service.models())
    project.settled()


def creating(project: Project) -> int:
    """Count the creates that have arrived, answered or not."""
    return sum(path.endswith("/tunedModels") for _, path in project.service.sent("POST"))


def take_over(project: Project, store: Store) -> None:
    """Apply after a holder of the lock has died. A lease expires, but an HTTP lock must be broken."""
    if store.kind == "http":
        refused = project.run(*APPLY, "--lock-timeout", "0s")
        if refused.code == 0:
            return
        project.run("force-unlock", refused.err.partition("force-unlock ")[2].split()[0], expect=0)
    project.apply()


@contextlib.contextmanager
def holder(project: Project, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """An apply that holds the lock because its first create hangs. It is killed at the end."""
    project.service.fault({"method": "POST", "path": "tunedModels$", "hang": True, "times": 99})
    process = project.start(*(arguments or APPLY), environ=GITHUB)
    try:
        until(lambda: creating(project) > 0)
        yield process
    finally:
        project.service.heal()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()
