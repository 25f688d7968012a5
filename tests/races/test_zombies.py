"""After a lease has run out, another run takes over, and a frozen run that wakes up changes nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time

import pytest

from tests.cli.harness import Project, finish, kill, model, until
from tests.lifecycle.crash_proxy import BEFORE, crash_proxy_to
from tests.limits import NET
from tests.races.conftest import CONFORMANCE, LEASE, Opener, Store
from tests.races.team import APPLY, ONE_BY_ONE, converged, document, holder, serving

NAMES = [f"bot-{number}" for number in range(4)]
pytestmark = pytest.mark.early


@pytest.fixture(params=["gs", *(pytest.param(kind, marks=CONFORMANCE) for kind in ("s3", "az"))])
def leased(request: pytest.FixtureRequest, project: Project, open_store: Opener) -> Project:
    """A project whose state is locked by a lease."""
    project.environ |= open_store(request.param).environ
    return project


def stopped_in_the_middle(project: Project) -> subprocess.Popen[str]:
    """An apply that is frozen after its second create took effect, with two more to go."""
    project.declare(*(model(name) for name in NAMES))
    project.service.fault({"method": "POST", "path": "tunedModels$", "delay": 0.5, "times": 99})
    process = project.start(*ONE_BY_ONE)
    until(lambda: project.service.creates() >= 2 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGSTOP)
    project.service.heal()
    return process


def test_a_zombie_starts_nothing_and_overwrites_nothing(leased: Project) -> None:
    """A run that was frozen beyond its lease and overtaken changes nothing, and the newer state stays."""
    zombie = stopped_in_the_middle(leased)
    try:
        took = leased.run(*APPLY, "--lock-timeout", "60s", expect=0)
        assert "locked by" in took.err, took.all
        assert leased.service.creates() == len(NAMES)
        before = document(leased)
        logged = len(leased.service.log())
    finally:
        zombie.send_signal(signal.SIGCONT)
    result = finish(zombie)
    assert result.code == 4, result.all
    assert (
        "not ours any more" in result.err
        or "somebody else changed the state while this command ran" in result.err
    ), result.all
    late = [entry for entry in leased.service.log()[logged:] if entry["method"] != "GET"]
    assert [entry for entry in late if entry["effect"]] == []
    assert len(late) <= 1, late
    assert document(leased) == before
    converged(leased, NAMES)


@pytest.mark.thorough
def test_the_last_request_of_a_zombie_arrives_late_and_has_no_effect(project: Project, gs: Store) -> None:
    """The fence of a create was checked in time, but the request arrives after another run made that model.

    The service answers that the id exists, so nothing is trained twice, and the zombie sends nothing more.
    """
    project.environ |= gs.environ
    project.declare(*(model(name) for name in NAMES))
    sent, released = threading.Event(), threading.Event()

    def hold(number: int, when: str) -> bool:
        if when == BEFORE and proxy.requests[number - 1].startswith("POST "):
            sent.set()
            released.wait(120)
        return True

    with crash_proxy_to(project.service.url) as proxy:
        proxy.reset(hold)
        zombie = project.start(*ONE_BY_ONE, environ={"GOOGLE_GEMINI_BASE_URL": proxy.url})
        try:
            assert sent.wait(NET)
            zombie.send_signal(signal.SIGSTOP)
            project.run(*APPLY, "--lock-timeout", "60s", expect=0)
            before = document(project)
            logged = len(project.service.log())
            released.set()
            until(lambda: len(project.service.log()) > logged)
        finally:
            released.set()
            zombie.send_signal(signal.SIGCONT)
        result = finish(zombie)
    assert result.code == 4, result.all
    late = [entry for entry in project.service.log()[logged:] if entry["method"] != "GET"]
    assert [(entry["method"], entry["status"], entry["effect"]) for entry in late] == [("POST", 409, False)]
    assert project.service.creates() == len(NAMES)
    assert document(project) == before
    converged(project, NAMES)


def test_a_call_that_waits_for_the_service_is_not_sent_by_a_zombie(project: Project, gs: Store) -> None:
    """A run waits because of a 429 and is then stopped beyond its lease.

    Its deletion is never sent. Meanwhile another run has let the model serve again.
    """
    project.environ |= gs.environ
    keep = {"keep_deposed": "1h"}
    project.declare(model("bot", lifecycle=keep))
    project.apply()
    (first,) = project.service.models()
    project.declare(model("bot", hyperparameters={"epoch_count": 6}, lifecycle=keep))
    project.apply()
    project.declare(model("bot", hyperparameters={"epoch_count": 6}))
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}
    body = {"error": {"code": 429, "message": "slow down", "details": [info]}}
    project.service.fault({"method": "DELETE", "path": first, "status": 429, "body": body, "times": 1})
    project.service.forget_log()
    zombie = project.start(*APPLY)
    until(lambda: project.service.sent("DELETE") != [] or zombie.poll() is not None)
    assert zombie.poll() is None, zombie.communicate()
    zombie.send_signal(signal.SIGSTOP)
    project.service.heal()
    try:
        project.declare(model("bot", lifecycle=keep))
        project.run(*APPLY, "--lock-timeout", "60s", expect=0)
        assert serving(project)["bot"] == first
    finally:
        zombie.send_signal(signal.SIGCONT)
    result = finish(zombie)
    assert result.code == 4, result.all
    assert "not ours any more" in result.err, result.all
    assert len(project.service.sent("DELETE")) == 1
    assert first in project.service.models()


@pytest.mark.thorough
def test_a_run_that_slept_and_was_not_overtaken_goes_on(project: Project, gs: Store) -> None:
    """A run that slept beyond its lease, with no other run, renews the lock and finishes."""
    project.environ |= gs.environ
    process = stopped_in_the_middle(project)
    time.sleep(LEASE + 1)
    process.send_signal(signal.SIGCONT)
    result = finish(process)
    assert result.code == 0, result.all
    assert project.service.creates() == len(NAMES)
    converged(project, NAMES)


def test_a_zombie_whose_lock_was_forced_on_http_overwrites_nothing(
    project: Project, open_store: Opener
) -> None:
    """Without leases somebody breaks the lock. The old holder's writes are still refused."""
    project.environ |= open_store("http").environ
    zombie = stopped_in_the_middle(project)
    try:
        refused = project.run(*APPLY, "--lock-timeout", "0s", expect=1)
        lock = refused.err.partition("force-unlock ")[2].split()[0]
        project.run("force-unlock", lock, expect=0)
        project.apply()
        before = document(project)
    finally:
        zombie.send_signal(signal.SIGCONT)
    result = finish(zombie)
    assert result.code == 4, result.all
    # Our own look before the write refuses it. If the process was stopped between the look and the write,
    # the server does.
    refused_by = (
        "somebody else changed the state, without the lock or after breaking ours",
        "is not ours any more",
    )
    assert any(words in result.err for words in refused_by), result.all
    assert project.service.creates() == len(NAMES)
    assert document(project) == before
    converged(project, NAMES)


def test_after_a_kill_the_next_run_takes_over_when_the_lease_has_passed(leased: Project) -> None:
    """After SIGKILL under the lock, the next run waits for the lease to end and trains nothing twice."""
    leased.declare(*(model(name) for name in NAMES))
    with holder(leased, *ONE_BY_ONE) as process:
        kill(process)
    result = leased.apply()
    assert "locked by" in result.err
    assert leased.service.creates() == len(NAMES)
    converged(leased, NAMES)


@pytest.mark.parametrize("seed", [7, *(pytest.param(seed, marks=CONFORMANCE) for seed in range(5))])
@pytest.mark.thorough
def test_kills_at_any_moment_train_nothing_twice(project: Project, gs: Store, seed: int) -> None:
    """Two runs are killed at random moments, again and again. The last run leaves each model trained once."""
    proxy = gs.proxy
    assert proxy is not None
    project.environ |= gs.environ
    project.declare(*(model(name) for name in NAMES))
    dice = random.Random(seed)
    for _ in range(3):
        processes = [project.start(*APPLY) for _ in range(2)]
        deadline = len(proxy.requests) + dice.randrange(2, 25)
        while len(proxy.requests) < deadline and any(process.poll() is None for process in processes):
            time.sleep(0.01)
        for process in processes:
            kill(process)
    project.apply()
    assert project.service.creates() == len(NAMES)
    converged(project, NAMES)
