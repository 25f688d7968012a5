"""For every store: who is refused and how, who is not, and how to break a lock."""

from __future__ import annotations

import getpass
import re
import signal
import socket

from tests.cli.harness import PAIRS, Project, finish, model, until
from tests.races.conftest import Opener, Store
from tests.races.team import APPLY, GITHUB, RUN_URL, converged, document, holder, serving

READERS = [
    ("plan", "--detailed-exitcode"),
    ("plan", "--out", "saved.plan"),
    ("plan", "--refresh-only"),
    ("drift", "--json"),
    ("show",),
    ("output",),
    ("generate", "old", "1"),
    ("test",),
    ("report", "-o", "report.html"),
    ("state", "list"),
    ("state", "pull"),
]
SOME_READERS = [("plan", "--out", "saved.plan"), ("drift", "--json"), ("show", "old")]


def test_the_refusal_names_the_holder_and_its_lock_can_be_broken(team: Project, store: Store) -> None:
    """The refusal names who, host, operation, CI run, since when and the lock's id.

    Only the right id breaks the lock. A local lock ends with its process, so there is nothing to break.
    """
    team.declare(model("bot"))
    with holder(team):
        refused = team.run(*APPLY, "--lock-timeout", "0s", expect=1)
        words = refused.err
        assert f"{getpass.getuser()}@{socket.gethostname()}" in words
        assert RUN_URL in words
        assert "for apply since 20" in words
        found = re.search(r"\(lock ([0-9a-f-]{36})\)", words)
        assert found, words
        lock = found[1]

        wrong = team.run("force-unlock", "00000000-0000-0000-0000-000000000000", expect=1)
        assert lock in wrong.err
        if store.kind == "local":
            assert "cannot be broken" in team.run("force-unlock", lock, expect=1).err
            return
        assert f"force-unlock {lock}" in words
    # The process was killed, and its lock stays. Whoever knows that need not wait for the lock to expire.
    unlocked = team.run("force-unlock", lock, expect=0)
    assert RUN_URL in unlocked.out
    assert "not locked" in team.run("force-unlock", lock, expect=1).err
    team.apply("--lock-timeout", "0s")
    assert team.service.creates() == 1
    converged(team, ["bot"])


def test_a_wait_for_the_lock_ends_with_its_time_and_tells_whom_it_waited_for(
    project: Project, open_store: Opener
) -> None:
    """--lock-timeout 1s names the holder at the start, is refused at the end, and sends nothing."""
    team = project
    team.environ |= open_store("s3").environ
    team.declare(model("bot"))
    with holder(team):
        posts = team.service.sent("POST")
        refused = team.run(*APPLY, "--lock-timeout", "1s", expect=1)
        assert "waiting up to 1 s" in refused.err
        assert "waited 1 s" in refused.err
        assert refused.err.count(RUN_URL) == 2
        assert team.service.sent("POST") == posts


def test_who_only_reads_neither_waits_nor_writes(team: Project, store: Store) -> None:
    """While an apply holds the lock, every reading command finishes, and sends the store only GETs."""
    checked = model("old", checks=[{"prompt": PAIRS[0][0], "expect": PAIRS[0][1]}])
    team.declare(checked)
    team.apply()
    team.declare(checked, model("new", pairs=PAIRS[:18]))
    with holder(team) as process:
        process.send_signal(signal.SIGSTOP)  # it holds the lock, and cannot renew it while it is stopped
        before = team.run("state", "pull", expect=0).out
        sent = _changes(team)
        if store.proxy is not None:
            store.proxy.restore()
        for command in READERS if store.kind == "gs" else SOME_READERS:
            result = team.run(*command)
            assert result.code in {0, 2}, f"{command}: {result.all}"
            assert "lock" not in result.err, f"{command}: {result.err}"
        if store.proxy is not None:
            assert store.proxy.methods() == {"GET"}
            assert not [path for _, path in store.proxy.requests if "lock" in path]
        assert team.run("state", "pull", expect=0).out == before
        assert _changes(team) == sent


def test_nobody_is_locked_out_while_a_training_runs(project: Project, open_store: Opener) -> None:
    """An apply that only waits holds no lock. Another writer gets it at once, and the apply succeeds."""
    team = project
    team.environ |= open_store("http").environ
    team.service.freeze()
    team.declare(model("bot"))
    waiting = team.start(*APPLY, environ=GITHUB)
    try:
        _until_accepted(team)
        team.declare(model("bot"), model("other", pairs=PAIRS[:18]))
        team.apply("--no-wait", "--target", "other", "--lock-timeout", "5s")
        team.run("state", "mv", "other", "third", "--lock-timeout", "5s", expect=0)
        assert waiting.poll() is None
        team.service.advance()
    finally:
        result = finish(waiting)
    assert result.code == 0, result.all
    assert team.service.creates() == 2
    assert serving(team)["bot"] in team.service.models()


def _until_accepted(team: Project) -> None:
    """Wait until the record says that the training was accepted."""

    def accepted() -> bool:
        resources = document(team).get("resources", ())
        return any((resource.get("candidate") or {}).get("status") == "CREATING" for resource in resources)

    until(accepted)


def _changes(team: Project) -> list[tuple[str, str]]:
    """The requests that change a model, without prompts to one."""
    return [
        request
        for request in team.service.sent("POST", "PATCH", "DELETE")
        if "generateContent" not in request[1]
    ]
