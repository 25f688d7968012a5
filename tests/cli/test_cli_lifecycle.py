"""plan, apply and wait, from nothing to a serving model, through every interruption (design 1, 2.2)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading

import pytest

from tests.cli.harness import PAIRS, SECONDS, Project, finish, identity, kill, model, until
from tests.lifecycle.crash_proxy import BEFORE, crash_proxy_to
from tests.limits import repeats

WRITES = ("POST", "PATCH", "DELETE", "PUT")


def test_apply_trains_until_active_and_the_next_plan_is_empty(project: Project) -> None:
    """After apply every model is ACTIVE and recorded, and the next plan is empty."""
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    before = project.plan("--detailed-exitcode", expect=2)
    assert "Plan: 2 to train.\n" in before.out
    result = project.apply()
    assert "Apply complete in" in result.out
    live = project.service.models()
    assert {live_model["state"] for live_model in live.values()} == {"ACTIVE"}
    assert {project.record(name)["id"] for name in ("one", "two")} == set(live)
    assert project.record("one")["candidate"] is None
    project.settled()


@pytest.mark.parametrize(
    "command",
    [
        ("apply", "--auto-approve"),
        ("wait",),
        *repeats(
            (("apply", "--auto-approve", "--json"),),
            (("plan",),),
            (("plan", "--detailed-exitcode"),),
            (("apply", "--auto-approve", "--no-wait"),),
        ),
    ],
)
def test_a_second_run_writes_nothing_at_all(project: Project, command: tuple[str, ...]) -> None:
    """Without changes, apply leaves the state's bytes and time alone and sends only GETs."""
    project.declare(
        model(
            "one",
            permissions=[{"grantee_type": "GROUP", "email_address": "ml@example.com", "role": "READER"}],
            checks=[{"prompt": "1", "expect": "2"}],
        )
    )
    project.apply()
    kept = (
        project.state_file.read_bytes(),
        project.state_file.stat().st_mtime_ns,
        project.state_file.stat().st_ino,
    )
    project.service.forget_log()
    project.run(*command, expect=0)
    assert project.service.sent(*WRITES) == []
    assert kept == (
        project.state_file.read_bytes(),
        project.state_file.stat().st_mtime_ns,
        project.state_file.stat().st_ino,
    )


def test_a_plan_writes_nothing(project: Project) -> None:
    """A plan creates no state, no lock and no model."""
    project.declare(model("one"))
    project.plan()
    assert not (project.root / "state").exists()
    assert project.service.sent(*WRITES) == []


def test_no_wait_exits_0_once_all_is_accepted_and_wait_finishes(project: Project) -> None:
    """--no-wait records models in training as candidates, which a plan does not count as changes.

    `wait` promotes them without training.
    """
    project.service.freeze()
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    project.apply("--no-wait", expect=0)
    assert {live_model["state"] for live_model in project.service.models().values()} == {"CREATING"}
    record = project.record("one")
    assert record["id"] is None or "id" not in record
    assert record["candidate"]["id"] == identity("one")
    assert record["candidate"]["operation"]
    project.plan("--detailed-exitcode", expect=0)
    project.service.advance()
    project.service.forget_log()
    project.run("wait", expect=0)
    assert project.record("one")["id"] == identity("one")
    assert project.service.creates() == 0
    project.settled()


def test_apply_goes_on_where_no_wait_stopped(project: Project) -> None:
    """A plain apply after --no-wait waits for the running trainings and starts no other."""
    project.service.freeze()
    project.declare(model("one"))
    project.apply("--no-wait")
    project.service.advance()
    project.apply()
    assert project.service.creates() == 1
    project.settled()


def test_timeout_exits_3_and_says_how_to_resume(project: Project) -> None:
    """--timeout leaves the training running, exits 3, and names `reconciler wait`."""
    project.service.freeze()
    project.declare(model("one"))
    result = project.apply("--timeout", "1s", expect=3)
    assert "reconciler wait" in result.all
    again = project.run("wait", "--timeout", "1s", expect=3)
    assert "reconciler wait" in again.all
    project.service.advance()
    project.run("wait", expect=0)
    project.settled()
    assert project.service.creates() == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["apply", "wait"])
def test_a_signal_detaches_with_3_and_the_next_run_finishes(
    project: Project, number: int, command: str
) -> None:
    """Ctrl-C and SIGTERM end with exit 3, tell how to resume, and lose nothing."""
    project.service.freeze()
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    if command == "wait":
        project.apply("--no-wait")
    arguments = ["apply", "--auto-approve"] if command == "apply" else ["wait"]
    process = project.start(*arguments)
    until(lambda: project.service.creates() == 2)
    project.service.forget_log()
    until(lambda: len(project.service.sent("GET")) > 1)
    result = finish(process, number)
    assert result.code == 3, result.all
    assert "reconciler wait" in result.all
    project.run("state", "list", expect=0)
    project.service.advance()
    project.run("wait", "--lock-timeout", "0s", expect=0)
    assert len(project.service.models()) == 2
    project.settled()


def test_a_signal_while_a_create_is_on_its_way_loses_nothing(project: Project) -> None:
    """Ctrl-C during a slow POST exits 3, and the next run finds the model by its id."""
    project.declare(model("one"))
    sent, released = threading.Event(), threading.Event()

    def hold(number: int, when: str) -> bool:
        if when == BEFORE and proxy.requests[number - 1].startswith("POST "):
            sent.set()
            released.wait(120)
        return True

    with crash_proxy_to(project.service.url) as proxy:
        proxy.reset(hold)
        process = project.start("apply", "--auto-approve", environ={"GOOGLE_GEMINI_BASE_URL": proxy.url})
        sent.wait(SECONDS)
        result = finish(process, signal.SIGINT)
        assert project.service.creates() == 0
        released.set()
        until(lambda: project.service.creates() == 1)
    assert result.code == 3, result.all
    project.apply()
    assert project.service.creates() == 1
    assert list(project.service.models()) == [identity("one")]
    project.settled()


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_9_in_the_middle_then_the_same_command(project: Project, when: str) -> None:
    """After a kill during create requests, the same command ends with one model each, trained once."""
    names = [f"m{n}" for n in range(4)]
    project.declare(*(model(name) for name in names))
    project.service.fault({"method": "POST", "path": "tunedModels", "skip": 2, "times": 2, "delay": 1.5})
    process = project.start("apply", "--auto-approve", "--parallelism", "2")
    until(lambda: project.service.creates() >= (1 if when == "before" else 3))
    kill(process)
    project.apply("--lock-timeout", "5s")
    assert sorted(project.service.models()) == sorted(identity(name) for name in names)
    assert project.service.creates() == 4
    project.settled()


def test_kill_9_while_waiting_then_the_same_command(project: Project) -> None:
    """After a kill while polling, the same command continues to wait."""
    project.service.freeze()
    project.declare(model("one"))
    process = project.start("apply", "--auto-approve")
    until(lambda: project.service.creates() == 1)
    kill(process)
    project.service.advance()
    project.apply("--lock-timeout", "0s")
    assert project.service.creates() == 1
    project.settled()


@pytest.mark.parametrize(
    "fault",
    [{"drop": True}, *repeats({"status": 503}, {"status": 500}, {"truncate": 10}, {"garbage": "<html>"})],
)
def test_a_lost_reply_to_a_create_trains_once(project: Project, fault: dict[str, object]) -> None:
    """A create that worked but lost its reply is found by its id and not sent again."""
    project.declare(model("one"))
    project.service.fault({"method": "POST", "path": "tunedModels", "when": "after", **fault})
    first = project.apply(expect=None)
    if first.code != 0:
        project.apply()
    assert project.service.creates() == 1
    assert list(project.service.models()) == [identity("one")]
    project.settled()


def test_a_refused_create_is_4_and_the_rest_is_done(project: Project) -> None:
    """A refused create exits 4, and the other models are trained and recorded."""
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    project.service.fault(
        {
            "method": "POST",
            "path": "tunedModels",
            "status": 400,
            "body": {"error": {"code": 400, "message": "No such thing.", "status": "INVALID_ARGUMENT"}},
        }
    )
    result = project.apply("--parallelism", "1", expect=4)
    assert "No such thing." in result.err
    project.apply(expect=0)
    assert len(project.service.models()) == 2
    project.settled()


def test_the_only_create_refused_is_4(project: Project) -> None:
    """If the only create is refused the exit code is 4, because something was begun."""
    project.declare(model("one"))
    project.service.fault(
        {
            "method": "POST",
            "path": "tunedModels",
            "status": 403,
            "body": {"error": {"code": 403, "message": "Not you.", "status": "PERMISSION_DENIED"}},
        }
    )
    result = project.apply(expect=4)
    assert "Not you." in result.err
    project.plan("--detailed-exitcode", expect=2)
    project.apply(expect=0)


def test_an_unreachable_service_is_1(project: Project) -> None:
    """An unreachable service exits 1, and the message names the address."""
    project.declare(model("one"))
    result = project.apply(expect=1, environ={"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"})
    assert "at 127.0.0.1:9: the connection was refused" in result.err
    assert not project.state_file.exists()


def test_4_wins_over_3(project: Project) -> None:
    """The run exits 4 if one model fails while another is still in training at the time-out."""
    project.service.settings(training_seconds=100)
    project.service.fault({"train": "bad", "fail": {"code": 3, "message": "bad data"}, "at": 0.001})
    project.declare(model("bad"), model("good"))
    result = project.apply("--timeout", "3s", expect=4)
    assert "bad data" in result.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", [("plan",), ("apply", "--auto-approve"), ("drift", "--json")])
def test_a_signal_before_anything_was_begun_is_1(
    project: Project, number: int, arguments: tuple[str, ...]
) -> None:
    """A signal during the first reads exits 1, says that nothing was begun, and writes nothing."""
    project.declare(model("one"))
    project.apply("--no-wait")
    before = project.state_file.read_bytes()
    project.service.fault({"method": "GET", "path": "v1beta/tunedModels$", "hang": True})
    process = project.start(*arguments)
    until(lambda: not project.service.call("GET", "emulator/faults")["faults"])
    result = finish(process, number)
    assert result.code == 1, result.all
    assert "interrupted" in result.all
    assert project.state_file.read_bytes() == before


def test_a_refused_rate_waits_as_the_body_says(project: Project) -> None:
    """After a 429 with RetryInfo the create is sent again after that delay, once."""
    project.declare(model("one"))
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]
    error = {"code": 429, "message": "Slower.", "status": "RESOURCE_EXHAUSTED", "details": details}
    project.service.fault({"method": "POST", "path": "tunedModels$", "status": 429, "body": {"error": error}})
    project.apply()
    sent = [request for request in project.service.log() if request["method"] == "POST"]
    assert [request["status"] for request in sent] == [429, 200]


def test_a_quota_of_zero_fails_at_once(project: Project) -> None:
    """A quota of `limit: 0` fails with exit 4 after one call, whatever delay the body names."""
    project.declare(model("one"))
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36000s"}]
    message = "Quota exceeded for metric: x, limit: 0\nPlease retry in 36000s."
    error = {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}
    project.service.fault(
        {"method": "POST", "path": "tunedModels$", "status": 429, "times": 9, "body": {"error": error}}
    )
    project.apply(expect=4)
    assert [request["status"] for request in project.service.log() if request["method"] == "POST"] == [429]


def test_a_create_that_never_arrived_is_created_under_the_same_id(project: Project) -> None:
    """If the POST was lost, the same manifest creates the model under the recorded id."""
    project.declare(model("one"))
    project.service.fault({"method": "POST", "path": "tunedModels", "drop": True, "times": 50})
    project.apply(expect=4)
    project.service.heal()
    project.apply()
    assert list(project.service.models()) == [identity("one")]
    project.settled()


def test_a_changed_manifest_after_a_create_that_never_arrived(project: Project) -> None:
    """After a lost POST and an edit, apply creates the new id only.

    The old id is deposed until a later plan finds it missing.
    """
    project.declare(model("one"))
    project.service.fault({"method": "POST", "path": "tunedModels", "drop": True, "times": 50})
    project.apply(expect=4)
    project.service.heal()
    project.declare(model("one", pairs=PAIRS[:10]))
    project.apply()
    project.apply()
    assert project.service.creates() == 1
    assert list(project.service.models()) == [identity("one", PAIRS[:10])]
    assert project.record("one")["deposed"] == []
    project.settled()


def test_a_plan_of_many_models_asks_little(project: Project) -> None:
    """A no-op plan of thirty models sends at most three requests."""
    project.declare(*(model(f"m{n}") for n in range(30)))
    project.apply()
    project.service.forget_log()
    project.settled()
    assert len(project.service.sent()) <= 3


@pytest.mark.thorough
def test_eight_applies_at_once_create_each_model_once(project: Project) -> None:
    """Eight processes with twenty manifests on one state start exactly twenty trainings."""
    names = [f"m{n:02}" for n in range(20)]
    project.declare(*(model(name) for name in names))
    processes = [project.start("apply", "--auto-approve", "--lock-timeout", "60s") for _ in range(8)]
    results = [finish(process) for process in processes]
    assert project.service.creates() == 20
    assert sorted(project.service.models()) == sorted(identity(name) for name in names)
    for result in results:
        assert result.code in {0, 1}, result.all
    assert any(result.code == 0 for result in results)
    project.apply()
    assert project.service.creates() == 20
    project.settled()


def test_two_applies_with_different_states_train_once(project: Project) -> None:
    """Two runs with separate states still train each id once."""
    project.declare(*(model(f"m{n}") for n in range(4)))
    processes = [project.start("apply", "--auto-approve", "--state", place) for place in ("a", "b")]
    for process in processes:
        result = finish(process)
        assert result.code == 0, result.all
    assert project.service.creates() == 4


def test_a_closed_pipe_is_no_traceback(project: Project) -> None:
    """`plan | head -1` ends without an error message."""
    project.declare(*(model(f"m{n}") for n in range(30)))
    command = f"{sys.executable} -m reconciler plan 2>errors | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}; echo code ${{PIPESTATUS[0]}}"],
        cwd=project.root,
        env=project.env(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in (project.root / "errors").read_text()
    assert "Broken" not in (project.root / "errors").read_text()
    assert project.service.url in done.stdout.splitlines()[0]


@pytest.mark.parametrize("errors", ["2>errors", *repeats("2>&1")])
def test_a_closed_pipe_does_not_stop_an_apply(project: Project, errors: str) -> None:
    """An apply finishes its work even if its reader has gone."""
    project.declare(*(model(f"m{n}") for n in range(3)))
    command = f"{sys.executable} -m reconciler apply --auto-approve {errors} | head -1"
    subprocess.run(
        ["bash", "-c", command],
        cwd=project.root,
        env=project.env(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    if errors == "2>errors":
        assert "Traceback" not in (project.root / "errors").read_text()
    assert json.loads(project.state_file.read_text())["resources"]
    assert len(project.service.models()) == 3
    project.settled()
