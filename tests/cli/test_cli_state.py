"""state list, show, mv, rm, pull, push; locks and force-unlock (design 2.2, 2.3)."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.cli.harness import Project, finish, identity, model, until

CHANGING = ("POST", "PATCH", "DELETE")


@pytest.fixture
def applied(project: Project) -> Project:
    """A project with two trained models and an empty log."""
    project.declare(model("one"), model("two"))
    project.apply()
    project.service.forget_log()
    return project


def test_the_document_is_as_described(applied: Project) -> None:
    """The state has exactly the keys of design 2.3. Each record is a line, and the lines are sorted."""
    document = applied.state()
    assert list(document)[:8] == [
        "version",
        "lineage",
        "serial",
        "stack",
        "workspace",
        "service",
        "project",
        "resources",
    ]
    assert document["service"] == "emulator"
    assert applied.recorded() == ["TunedModel/one", "TunedModel/two"]
    lines = [line for line in applied.state_file.read_text().splitlines() if '"address"' in line]
    assert len(lines) == 2
    probe = applied.write("probe", "")  # the umask gives a new file its permissions
    assert applied.state_file.stat().st_mode == probe.stat().st_mode


def test_the_serial_grows_with_each_write_and_the_lineage_stays(applied: Project) -> None:
    """The serial counts writes, and the lineage never changes."""
    before = applied.state()
    applied.declare(model("one", spec={"description": "d"}), model("two"))
    applied.apply()
    after = applied.state()
    assert after["serial"] > before["serial"]
    assert after["lineage"] == before["lineage"]


def test_a_record_tells_what_was_sent(applied: Project) -> None:
    """A record has digest, formula, generation, operation, sent values, counts and times, and no data."""
    serving = applied.record("one")["serving"]
    assert serving["generation"] == 0
    assert serving["formula"] == 2
    assert serving["operation"].startswith(f"tunedModels/{identity('one')}/operations/")
    assert serving["sent"]["display_name"] == "one"
    assert serving["data"][0]["examples"] == 20
    assert "nineteen" not in applied.state_file.read_text()


def test_list(applied: Project) -> None:
    """`state list` prints one address a line."""
    assert applied.run("state", "list", expect=0).out.splitlines() == ["TunedModel/one", "TunedModel/two"]


def test_show(applied: Project) -> None:
    """`state show` prints the record by short or full name, without contacting the service."""
    for name in ("one", "TunedModel/one"):
        assert identity("one") in applied.run("state", "show", name, expect=0).out
    assert applied.service.sent() == []
    applied.run("state", "show", "three", expect=1)


def test_mv_follows_a_renamed_manifest(applied: Project) -> None:
    """After `state mv` the model keeps its id, nothing is trained, and the old name is free."""
    applied.run("state", "mv", "TunedModel/one", "TunedModel/uno", expect=0)
    applied.declare(model("uno", spec={"display_name": "one"}), model("two"))
    applied.apply()
    assert applied.service.creates() == 0
    assert applied.record("uno")["id"] == identity("one")
    applied.settled()


def test_mv_refuses_what_is_taken_or_unknown(applied: Project) -> None:
    """`state mv` refuses an existing target and a missing source."""
    before = applied.state_file.read_bytes()
    applied.run("state", "mv", "TunedModel/one", "TunedModel/two", expect=1)
    applied.run("state", "mv", "TunedModel/three", "TunedModel/four", expect=1)
    applied.run("state", "mv", "TunedModel/one", "TunedModel/not valid!", expect=1)
    assert applied.run("state", "mv", "one", "TunedModle/uno", expect=1).err == (
        "Error: TunedModel/one cannot become TunedModle/uno: the kind says which service it lives in\n"
        "    Give TunedModel/NAME\n"
    )
    assert (
        "    Give TunedModel/NAME, or NAME alone\n"
        in applied.run("state", "mv", "one", "T/a/b", expect=1).err
    )
    assert applied.state_file.read_bytes() == before


def test_rm_forgets_and_leaves_the_model(applied: Project) -> None:
    """After `state rm` the model stays live, and the next apply adopts it."""
    applied.run("state", "rm", "TunedModel/one", expect=0)
    assert applied.recorded() == ["TunedModel/two"]
    assert identity("one") in applied.service.models()
    applied.apply()
    assert applied.service.creates() == 0
    assert applied.record("one")["id"] == identity("one")


def test_pull_prints_the_document(applied: Project) -> None:
    """`state pull` prints the state as JSON."""
    assert applied.run("state", "pull", expect=0).json() == applied.state()


def test_push_writes_what_pull_printed(applied: Project) -> None:
    """A pulled state can be pushed to another place. An older serial is refused."""
    pulled = applied.run("state", "pull", expect=0).out
    applied.write("copy.json", pulled)
    applied.run("state", "push", "copy.json", "--state", "elsewhere", expect=0)
    copied = applied.run("state", "pull", "--state", "elsewhere", expect=0).json()
    assert copied["resources"] == applied.state()["resources"]
    assert copied["lineage"] == applied.state()["lineage"]
    applied.declare(model("one", spec={"description": "d"}), model("two"))
    applied.apply()
    newer = applied.state_file.read_bytes()
    applied.run("state", "push", "copy.json", expect=1)
    assert applied.state_file.read_bytes() == newer


def test_push_reads_standard_input(applied: Project) -> None:
    """`state push -` reads the document from stdin."""
    pulled = applied.run("state", "pull", expect=0).out
    applied.run("state", "push", "-", "--state", "elsewhere", stdin=pulled, expect=0)
    assert applied.run("state", "list", "--state", "elsewhere", expect=0).out.split() == applied.recorded()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 999}', "apiVersion: reconciler/v1"])
def test_push_refuses_what_is_no_state(applied: Project, text: str) -> None:
    """`state push` refuses garbage and leaves the state unchanged."""
    before = applied.state_file.read_bytes()
    applied.write("bad.json", text)
    applied.run("state", "push", "bad.json", expect=1)
    assert applied.state_file.read_bytes() == before


def test_push_refuses_another_lineage(applied: Project) -> None:
    """`state push` refuses a document with another lineage."""
    document = {**applied.state(), "lineage": "11111111-2222-3333-4444-555555555555", "serial": 99}
    applied.write("other.json", json.dumps(document))
    before = applied.state_file.read_bytes()
    applied.run("state", "push", "other.json", expect=1)
    assert applied.state_file.read_bytes() == before


def test_a_dead_holder_holds_nothing(project: Project) -> None:
    """The local lock ends with its process, so after kill -9 the next run starts at once."""
    project.declare(model("one"))
    project.service.fault({"method": "POST", "path": "tunedModels", "delay": 3})
    process = project.start("apply", "--auto-approve")
    until(project.state_file.exists)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    project.run("state", "mv", "TunedModel/one", "TunedModel/uno", "--lock-timeout", "0s", expect=0)


def test_a_refusal_names_the_holder(project: Project) -> None:
    """The refusal names who, host, operation, CI run and since when, and exits 1. Readers are not refused."""
    project.declare(model("one"))
    project.service.fault({"method": "POST", "path": "tunedModels", "delay": 6})
    process = project.start("apply", "--auto-approve", environ={"CI_JOB_URL": "https://ci.example/job/7"})
    until(project.state_file.exists)
    refused = project.apply("--lock-timeout", "0s", expect=1)
    for word in ("apply", os.uname().nodename, "https://ci.example/job/7", "since"):
        assert word in refused.err, refused.err
    for command in (("plan",), ("show",), ("output",), ("state", "list"), ("state", "pull"), ("drift",)):
        assert project.run(*command).code in {0, 2}
    project.run("force-unlock", "not-its-id", expect=1)
    result = finish(process)
    assert result.code == 0


def test_waiting_for_a_lock_ends_when_it_is_free(project: Project) -> None:
    """--lock-timeout waits for the lock. The second apply then has nothing to do."""
    project.declare(model("one"))
    project.service.fault({"method": "POST", "path": "tunedModels", "delay": 1})
    first = project.start("apply", "--auto-approve")
    until(project.state_file.exists)
    project.apply("--lock-timeout", "30s")
    result = finish(first)
    assert result.code == 0
    assert project.service.creates() == 1


def test_nobody_is_locked_out_while_it_only_polls(project: Project) -> None:
    """While an apply waits for a training, another writer gets the lock at once."""
    project.service.freeze()
    project.declare(model("one"), model("two"))
    process = project.start("apply", "--auto-approve")
    until(lambda: project.service.creates() == 2)
    project.service.forget_log()
    until(lambda: len(project.service.sent("GET")) > 2)
    project.run("state", "rm", "two", "--lock-timeout", "1s", expect=0)
    finish(process, signal.SIGINT)


def test_a_signal_while_waiting_for_the_lock(project: Project) -> None:
    """Ctrl-C while another run holds the lock ends the command and begins nothing."""
    project.declare(model("one"))
    project.service.fault({"method": "POST", "path": "tunedModels", "hang": True})
    first = project.start("apply", "--auto-approve")
    until(project.state_file.exists)
    second = project.start("apply", "--auto-approve", "--lock-timeout", "60s")
    with second:
        import time

        time.sleep(2)
        result = finish(second, signal.SIGINT)
    assert result.code in {1, 3}
    first.kill()
    first.communicate()


def test_force_unlock_without_a_lock_is_an_error(project: Project) -> None:
    """`force-unlock` fails if nobody holds the lock."""
    project.declare(model("one"))
    project.apply()
    project.run("force-unlock", "5f0c", expect=1)


def test_the_state_option_wins_over_the_environment_and_the_stack(project: Project) -> None:
    """--state wins over RECONCILER_STATE, then the Stack, then the default."""
    from tests.cli.harness import stack

    project.declare(stack("s", state="of-stack"), model("one"))
    project.apply("--no-wait", "--state", "of-flag", environ={"RECONCILER_STATE": "of-environment"})
    assert (project.root / "of-flag/default.json").exists()
    assert not (project.root / "of-environment").exists()
    project.apply("--no-wait", environ={"RECONCILER_STATE": "of-environment"})
    assert (project.root / "of-environment/default.json").exists()
    assert not (project.root / "of-stack").exists()
    project.apply("--no-wait")
    assert (project.root / "of-stack/default.json").exists()
    assert not project.state_file.exists()
