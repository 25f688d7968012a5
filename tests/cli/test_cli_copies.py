"""`kind: ModelCopy` as users meet it: a stack that trains, a stack that copies, an emulator between them."""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.harness import Project, recording, stack
from tests.cli.test_cli_data_changes import commit, git
from tests.cli.test_tuning_job import job, write_data

PLACE = {"location": "us-central1", "project": "acme-dev"}
STATE = "../dev/state"


@pytest.fixture
def dev(tmp_path: Path, project: Project) -> Project:
    """The stack that trains, in a folder beside the other one."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.environ["RECONCILER_LAG_SECONDS"] = "1"
    project.service.control("settings", {"vertex_operation_seconds": 0.05, "training_seconds": 0.2})
    found = replace(project, root=tmp_path / "dev")
    found.root.mkdir()
    write_data(found)
    found.declare(stack("dev-a1", **PLACE), job("support"))
    return found


@pytest.fixture
def prod(tmp_path: Path, dev: Project) -> Project:
    """The stack that copies."""
    found = replace(dev, root=tmp_path / "prod")
    found.root.mkdir()
    found.declare(stack("prod-b2", location="eu", project="acme-prod"), copy())
    return found


def copy(name: str = "support", source: dict[str, str] | None = None, **beside: Any) -> dict[str, Any]:
    """A manifest of a copy. It keeps no replaced copy."""
    return {
        "apiVersion": "reconciler/v1",
        "kind": "ModelCopy",
        "metadata": {"name": name, **beside.pop("metadata", {})},
        "spec": {"source": source or {"state": STATE, "address": "TuningJob/support"}},
        "lifecycle": {"keep_deposed": "0s"},
        "serving": {"drain": "0s"},
        **beside,
    }


def copied(project: Project) -> int:
    """How many copies were asked for."""
    return sum(path.endswith("/models:copy") for _, path in project.service.sent("POST"))


def jobs(project: Project) -> int:
    """How many trainings were asked for."""
    return sum(path.endswith("/tuningJobs") for _, path in project.service.sent("POST"))


def test_a_plan_tells_the_commit_of_its_source(dev: Project, prod: Project) -> None:
    """The state of the source records what was checked out when the training began, and `show` tells it."""
    git(dev, "init", "-q")
    commit(dev)
    dev.apply()
    recorded = dev.state()["resources"][0]["serving"]["commit"]
    assert recorded == (dev.root / ".git" / git_head(dev)).read_text().strip()
    shown = dev.run("show", "support", expect=0).out
    assert ["commit", recorded] in [line.split() for line in shown.splitlines()]
    assert f" of commit {recorded[:12]}, serving since " in prod.plan().out
    write_data(dev, [("one", "two")] * 20, name="unused.jsonl")
    commit(dev)
    dev.settled()
    dev.apply()
    assert dev.state()["resources"][0]["serving"]["commit"] == recorded


def git_head(project: Project) -> str:
    """The file of the branch that is checked out."""
    return (project.root / ".git" / "HEAD").read_text().removeprefix("ref: ").strip()


def test_a_time_out_tells_copies_from_trainings_and_what_goes_on_waiting(dev: Project, prod: Project) -> None:
    """The message counts both. The command that it names has the options of the run, and finishes it."""
    write_data(prod)
    prod.declare(
        stack("prod-b2", location="us-central1", project="acme-prod"),
        copy(metadata={"location": "eu"}),
        job("own"),
        job("other"),
    )
    dev.apply()
    prod.service.control("settings", {"vertex_copy_seconds": 3, "training_seconds": 3})
    options = ("--parallelism", "3", "--lock-timeout", "5m", "--target", "*/support", "--target", "own")
    result = prod.run("apply", "--auto-approve", "--timeout", "2s", *options, expect=3)
    named = "reconciler wait --parallelism 3 --lock-timeout 5m --target '*/support' --target own"
    assert (
        "The time is up: 1 model keeps training and 1 copy is still being made at the service. "
        f"Resume with: {named}\n"
    ) in result.out
    assert ": 1 in training, 1 being copied.\n" in result.out
    finished = prod.run(*shlex.split(named)[1:], expect=0).out
    assert ": 1 trained, 1 copied, 1 deployed.\n" in finished
    assert "other" not in finished


@pytest.mark.thorough
def test_a_copy_follows_what_another_stack_serves_and_trains_nothing(dev: Project, prod: Project) -> None:
    """A copy waits until its source serves, is made once, is replaced together with it, and outlives it."""
    blocked = prod.plan(expect=1)
    assert "there is no state at ../dev/state/default.json" in blocked.out
    dev.apply()
    told = prod.plan("--max-trainings", "0").out
    assert "The bill: 0 trainings. 1 copy trains nothing." in told
    assert "its source is TuningJob/support of ../dev/state: support-" in told
    assert "1 copied, 1 deployed" in prod.apply("--max-trainings", "0").out
    prod.settled()
    name = prod.run("output", "ModelCopy/support", expect=0).out.strip()
    assert name.endswith("/locations/eu/endpoints/support")
    write_data(dev, [("one", "two")] * 20)
    dev.apply()
    assert "its source serves another model" in prod.plan().out
    prod.apply()
    prod.settled()
    assert prod.run("output", "ModelCopy/support", expect=0).out.strip() == name
    assert (jobs(prod), copied(prod)) == (2, 2)
    dev.run("destroy", "--auto-approve", expect=0)
    left = prod.plan("--detailed-exitcode", expect=0).out
    assert "the model it is copied from is not known: it records no TuningJob/support" in left
    assert "What is copied already stays as it is" in left
    assert prod.run("drift", expect=0).out.endswith("No drift.\n")
    assert prod.run("generate", "ModelCopy/support", "1", expect=0).out


def test_a_copy_stands_on_the_base_model_of_its_source(dev: Project, prod: Project) -> None:
    """Production is told when it retires, by every command that tells it of a tuning job."""
    dev.apply()
    prod.apply()
    prod.environ["RECONCILER_TODAY"] = "2027-04-01"
    told = "ModelCopy/support is tuned from a base model that retires in 36 days at the earliest (note)"
    assert told in prod.run("drift", expect=0).out
    (found,) = prod.run("status", "--json", expect=0).json()["models"]
    assert (found["base_model"]["name"], found["base_model"]["days_left"]) == ("gemini-3.1-flash-lite", 36)
    shown = " ".join(prod.run("show", "support", expect=0).out.split())
    assert "base model gemini-3.1-flash-lite, which retires not before 7 May 2027" in shown
    end = '<span class="wait">retires not before 7 May 2027</span>'
    assert f"gemini-3.1-flash-lite<br>{end}" in prod.run("report", expect=0).out


def test_a_blocked_copy_leaves_the_others_alone(dev: Project, prod: Project) -> None:
    """Plan exits 1 and shows what can be done. Apply does that, and exits 4 because of the rest."""
    dev.apply()
    named = next(record for record in dev.state()["resources"] if record["address"] == "TuningJob/support")
    model = {"model": named["serving"]["model"]}
    away = {"state": "../nowhere", "address": "TuningJob/support"}
    prod.declare(
        stack("prod-b2", location="eu", project="acme-prod"), copy("away", away), copy("gate", model)
    )
    told = prod.plan(expect=1).out
    assert "ModelCopy/gate will be copied as gate-" in told
    assert "ModelCopy/away cannot be copied" in told
    done = prod.apply(expect=4)
    assert "ModelCopy/gate: copied" in done.out
    assert "ModelCopy/away: copy failed: the model it is copied from is not known" in done.err
    assert prod.recorded() == ["ModelCopy/gate"]


def test_a_copy_in_one_stack_waits_for_the_training(dev: Project) -> None:
    """One apply trains, copies the new model, and copies the copy. The next one has nothing to do."""
    dev.declare(
        stack("dev-a1", **PLACE),
        job("support"),
        copy(
            "between",
            {"address": "TuningJob/support"},
            metadata={"location": "eu"},
            serving={"endpoint": "none"},
        ),
        copy("last", {"address": "ModelCopy/between"}, metadata={"location": "eu", "project": "acme-prod"}),
    )
    told = dev.plan().out
    assert "is copied from TuningJob/support, which must serve first" in told
    assert "Plan: 1 to train, 2 to copy." in told
    assert "1 trained, 2 copied" in dev.apply().out
    dev.settled()
    assert (jobs(dev), copied(dev)) == (1, 2)
    dev.state_file.unlink()
    found = dev.apply()
    assert "3 adopted" in found.out
    dev.settled()
    assert (jobs(dev), copied(dev)) == (1, 2)


def test_a_saved_plan_goes_on_when_the_source_began_to_serve_meanwhile(dev: Project) -> None:
    """The copy that was approved is made once, and the plan stays true after it. Another source ends that."""
    dev.declare(
        stack("dev-a1", **PLACE),
        job("support"),
        copy("last", {"address": "TuningJob/support"}, metadata={"location": "eu", "project": "acme-prod"}),
    )
    dev.plan("--out", "p")
    dev.apply("--target", "TuningJob/support")
    assert "1 copied" in dev.run("apply", "p", expect=0).out
    dev.run("apply", "p", expect=0)
    assert (jobs(dev), copied(dev)) == (1, 1)
    dev.settled()
    dev.apply("--replace", "TuningJob/support")
    assert "The plan is out of date." in dev.run("apply", "p", expect=1).err
    assert (jobs(dev), copied(dev)) == (2, 2)


def test_a_state_is_read_once_however_many_copies_name_it(dev: Project, prod: Project) -> None:
    """It is never locked or written. Its credentials go only to the origin of the run's own state."""
    dev.apply()
    content = dev.state_file.read_bytes()
    login = base64.b64encode(b"ann:s3cret").decode()
    environ = {"TF_HTTP_USERNAME": "ann", "TF_HTTP_PASSWORD": "s3cret", "TF_HTTP_RETRY_MAX": "0"}
    states: dict[str, bytes] = {"/dev": content}

    def answer(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if method == "POST":
            states[path] = body
        return (200, {}, states[path]) if path in states else (404, {}, b"")

    with recording(answer) as (own, to_own), recording(answer) as (other, to_other):
        sources = [{"state": f"{url}/dev", "address": "TuningJob/support"} for url in (own, other)]
        place = stack("prod-b2", location="eu", project="acme-prod")
        prod.declare(place, *(copy(f"c{n}", source) for n in range(3) for source in sources[n % 2 :][:1]))
        prod.declare(
            place,
            *(copy(f"own{n}", sources[0]) for n in range(2)),
            *(copy(f"other{n}", sources[1]) for n in range(3)),
        )
        told = prod.plan("--state", f"{own}/prod", environ=environ).out
        assert "Plan: 5 to copy." in told
        asked = [(one["method"], one["path"]) for one in to_own]
        assert asked.count(("GET", "/dev")) == 1
        assert [(one["method"], one["path"]) for one in to_other] == [("GET", "/dev")]
        assert [one["headers"].get("authorization") for one in to_other] == [None]
        assert {one["headers"].get("authorization") for one in to_own} == {f"Basic {login}"}


def test_a_state_on_a_host_that_only_a_manifest_names_is_not_asked(prod: Project) -> None:
    """The manifest may be somebody's pull request. validate and plan refuse it with file and line."""
    source = {"state": "https://states.example.com/dev", "address": "TuningJob/support"}
    prod.declare(stack("prod-b2", location="eu", project="acme-prod"), copy(source=source))
    for command in ("validate", "plan"):
        told = prod.run(command, expect=1).err
        assert "spec.source.state names the host states.example.com, which is not trusted" in told
        assert "manifests/models.yaml:" in told
        assert "RECONCILER_TRUSTED_HOSTS" in told


@pytest.mark.parametrize(
    ("change", "said", "code"),
    [
        ({"service": "google"}, "it records models of the service google, and this run is about emulator", 1),
        ({"workspace": "blue"}, "is the state of workspace blue, not default", 1),
        ({"resources": []}, "it records no TuningJob/support", 1),
    ],
)
def test_a_state_that_gives_no_source_says_why(
    change: dict[str, Any], said: str, code: int, dev: Project, prod: Project
) -> None:
    """Nothing is copied from another service, from another workspace, or from an address without a record."""
    dev.apply()
    dev.state_file.write_text(json.dumps({**dev.state(), **change}))
    assert said in prod.plan(expect=code).all
    assert copied(prod) == 0


def test_a_record_of_an_older_version_says_what_to_run(dev: Project, prod: Project) -> None:
    """An older record does not have the name of the model, so the error names the command that adds it."""
    dev.apply()
    document = dev.state()
    for record in document["resources"]:
        del record["serving"]["model"]
    dev.state_file.write_text(json.dumps(document))
    told = prod.plan(expect=1).out
    assert "an older version recorded TuningJob/support there, without the name of its model" in told
    assert "Run reconciler apply there once" in told
