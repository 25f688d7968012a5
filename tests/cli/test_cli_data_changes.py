"""A plan says what changed in a data set, if the previous data can still be read."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.cli.harness import Project, model, stack
from tests.cli.test_cli_data import count_requests
from tests.cli.test_tuning_job import job

ROWS = [(str(number), str(number + 1)) for number in range(28)]
CHANGED = [*ROWS[1:], ("a", "b"), ("c", "d"), ("e", "f")]


def write(project: Project, name: str, rows: list[tuple[str, str]]) -> None:
    """Write pairs as JSONL."""
    lines = [json.dumps({"text_input": asked, "output": output}) for asked, output in rows]
    project.write(f"manifests/{name}", "".join(line + "\n" for line in lines))


def git(project: Project, *arguments: str) -> None:
    """Call git in the project."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *who, *arguments], cwd=project.root, check=True, capture_output=True)


def commit(project: Project) -> None:
    """Commit everything."""
    git(project, "add", "-A")
    git(project, "commit", "-qm", "data")


def declare(project: Project, file: str) -> None:
    """A model that is trained on a file beside the manifest."""
    manifest = model("one")
    manifest["spec"]["tuning_task"]["training_data"] = {"file": file}
    project.declare(manifest)


def trained(project: Project) -> None:
    """A git repository with a model that was trained on the committed data."""
    git(project, "init", "-q")
    write(project, "n.jsonl", ROWS)
    declare(project, "n.jsonl")
    project.apply("--auto-approve")
    commit(project)


def overwrite(project: Project) -> None:
    """Write something else over the object that an earlier run uploaded."""
    objects = project.service.call("GET", "storage/v1/b/bucket/o")["items"]
    (name,) = [found["name"] for found in objects]
    project.service.call(
        "POST", f"upload/storage/v1/b/bucket/o?name={name}&uploadType=media", {"not": "data"}
    )


def say(project: Project) -> str:
    """Return what a plan says about the training data."""
    (line,) = [
        line for line in project.plan().out.splitlines() if "training_data = " in line or "_uri = " in line
    ]
    return line.partition(" = ")[2].partition(" (")[0]


def test_a_refused_plan_counts_examples_too(project: Project) -> None:
    """Who is told that a guard refuses sees the same plan as everybody."""
    trained(project)
    write(project, "n.jsonl", CHANGED)
    refused = project.plan("--max-trainings", "0", expect=1)
    assert "28 -> 30 examples, +3 -1, 27 the same" in refused.out


def test_a_change_is_counted_in_examples(project: Project) -> None:
    """Text, Markdown, JSON and a saved plan count changed examples, committed or not."""
    trained(project)
    write(project, "n.jsonl", CHANGED)
    assert say(project) == "28 -> 30 examples, +3 -1, 27 the same"
    assert "+3 -1, 27 the same" in project.plan("--format", "markdown").out
    commit(project)
    assert say(project) == "28 -> 30 examples, +3 -1, 27 the same"
    (change,) = project.plan_json()["reconciler"]["changes"]
    assert change["data"][0]["compared"] == {"added": 3, "removed": 1, "same": 27}
    project.plan("--out", "p.json")
    assert "+3 -1, 27 the same" in project.run("show", "p.json", expect=0).out
    project.run("apply", "p.json", expect=0)
    project.settled()


def test_an_order_is_a_change_too(project: Project) -> None:
    """Examples are trained in their order, so a new order changes the digest, and the plan says why."""
    trained(project)
    write(project, "n.jsonl", ROWS[::-1])
    assert say(project) == "28 -> 28 examples, the same in another order"


def test_another_file_is_compared_with_the_former_one(project: Project) -> None:
    """The committed manifest names the former file, which is read from the folder or from git."""
    trained(project)
    write(project, "new.jsonl", CHANGED)
    declare(project, "new.jsonl")
    assert say(project) == "28 -> 30 examples, +3 -1, 27 the same"
    (project.root / "manifests/n.jsonl").unlink()
    commit(project)
    assert say(project) == "28 -> 30 examples, +3 -1, 27 the same"


@pytest.mark.parametrize("how", ["no repository", "another version", "broken git"])
def test_without_the_former_data_there_are_counts(project: Project, how: str) -> None:
    """Without the former data the plan shows counts. This is no error."""
    if how == "no repository":
        write(project, "n.jsonl", ROWS)
        declare(project, "n.jsonl")
        project.apply("--auto-approve")
    else:
        trained(project)
    write(project, "n.jsonl", CHANGED)
    if how == "another version":
        git(project, "checkout", "-q", "--orphan", "fresh")
        commit(project)
    if how == "broken git":
        (project.root / ".git/HEAD").write_text("nonsense")
    assert say(project) == "28 -> 30 examples"


def test_an_upload_of_an_earlier_run_is_the_former_data(project: Project) -> None:
    """Without git, the former data is the object that the live job was trained on."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    settings = stack("s", project="p", location="us-central1", bucket="gs://bucket")
    write(project, "n.jsonl", ROWS)
    project.declare(settings, job())
    project.apply("--auto-approve")
    write(project, "n.jsonl", CHANGED)
    count_requests(project)
    assert say(project) == "28 -> 30 examples, +3 -1, 27 the same"
    assert count_requests(project) == (1, 1)
    assert say(project) == "28 -> 30 examples, +3 -1, 27 the same"
    assert count_requests(project) == (1, 0)
    written = (project.root / "state/data-cache.json").read_bytes()
    overwrite(project)
    assert say(project) == "28 -> 30 examples"
    assert count_requests(project) == (1, 1)
    assert say(project) == "28 -> 30 examples"
    assert count_requests(project) == (1, 0)
    assert (project.root / "state/data-cache.json").read_bytes() != written
    write(project, "n.jsonl", CHANGED[::-1])
    (project.root / "state/data-cache.json").write_bytes(b"[")
    assert say(project) == "28 -> 30 examples"


def test_git_is_asked_only_about_data_that_changed(project: Project) -> None:
    """A plan without data changes starts no other program."""
    trained(project)
    project.write("bin/git", "#!/bin/sh\ntouch called\n").chmod(0o755)
    path = f"{project.root}/bin:/usr/bin:/bin"
    project.plan(environ={"PATH": path})
    assert not (project.root / "called").exists()
    write(project, "n.jsonl", CHANGED)
    project.plan(environ={"PATH": path})
    assert (project.root / "called").exists()


def test_a_plan_warns_of_data_that_it_trains_on(project: Project) -> None:
    """A plan warns about contradictions in data that it trains on, and not after the training."""
    write(project, "n.jsonl", [*ROWS, ("0", "other")])
    declare(project, "n.jsonl")
    said = "manifests/n.jsonl:29: warning: an input has more than one output: lines 1 and 29"
    assert said in project.run("validate", expect=0).err
    assert said in project.apply("--auto-approve").err
    assert "warning" not in project.plan().err
