"""The store fails during an apply. The next run finds what was begun, and nothing trains twice."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from tests.cli.harness import Project, model, until
from tests.races.conftest import CONFORMANCE, Opener, Store
from tests.races.team import APPLY, ONE_BY_ONE, converged, take_over

NAMES = [f"bot-{number}" for number in range(3)]


@dataclass
class Fuse:
    """Cuts a proxy after a number of writes of the state."""

    store: Store
    writes: int
    after: bool
    seen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, method: str, path: str) -> bool:
        """Whether the request passes."""
        proxy = self.store.proxy
        if proxy is None or method not in {"PUT", "POST"} or "lock" in path:
            return True
        with self.lock:
            self.seen += 1
            if self.seen == self.writes + 1 and not self.after:
                proxy.down = True
        return not proxy.down


GCS, HTTP = (pytest.mark.parametrize("remote", [kind], indirect=True) for kind in ("gs", "http"))


@pytest.fixture
def remote(request: pytest.FixtureRequest, project: Project, open_store: Opener) -> Store:
    """A project with its state in this store."""
    store = open_store(request.param)
    project.environ |= store.environ | {"TF_HTTP_RETRY_MAX": "0"}
    project.declare(*(model(name) for name in NAMES))
    return store


def come_back(project: Project, store: Store) -> None:
    """Bring the store back and let another run finish."""
    assert store.proxy is not None
    store.proxy.restore()
    take_over(project, store)


@HTTP
def test_before_the_intents_nothing_is_begun(project: Project, remote: Store) -> None:
    """If the first write fails, the run exits 1 without a call."""
    assert remote.proxy is not None
    remote.proxy.before = Fuse(remote, 0, after=False)
    result = project.apply(expect=1)
    assert remote.url in result.err
    assert project.service.sent("POST") == []
    come_back(project, remote)
    assert project.service.creates() == len(NAMES)
    converged(project, NAMES)


@HTTP
def test_after_the_intents(project: Project, remote: Store) -> None:
    """If no accepted create can be recorded, the run exits 4, and the next run finds all of them."""
    assert remote.proxy is not None
    remote.proxy.before = Fuse(remote, 1, after=False)
    result = project.apply(expect=4)
    assert "Error: " in result.err
    assert remote.url in result.err
    assert project.service.creates() == len(NAMES)
    come_back(project, remote)
    assert project.service.creates() == len(NAMES)
    converged(project, NAMES)


@pytest.mark.parametrize("remote", [pytest.param("gs", marks=CONFORMANCE)], indirect=True)
def test_in_the_middle_of_the_creates(project: Project, remote: Store) -> None:
    """After the line is cut during a create, no other create starts, because nobody could record it."""
    assert remote.proxy is not None
    project.service.fault({"method": "POST", "path": "tunedModels$", "delay": 1.5, "times": 99})
    process = project.start(*ONE_BY_ONE)
    until(lambda: project.service.creates() == 1)
    remote.proxy.down = True
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, out + err
    assert project.service.creates() < len(NAMES)
    project.service.heal()
    come_back(project, remote)
    assert project.service.creates() == len(NAMES)
    converged(project, NAMES)


@GCS
def test_while_it_polls(project: Project, remote: Store) -> None:
    """If the store fails while models train, the run reports the creates and exits 4.

    The next run records the results.
    """
    assert remote.proxy is not None
    project.service.freeze()
    process = project.start(*APPLY, "--lock-timeout", "1s")
    until(lambda: project.service.creates() == len(NAMES))
    until(lambda: '"CREATING"' in project.run("state", "pull").out)
    remote.proxy.down = True
    project.service.advance()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, out + err
    come_back(project, remote)
    assert project.service.creates() == len(NAMES)
    converged(project, NAMES)
