"""Commands that work on records need only the Stack from the manifests (design 2.1, 2.2)."""

from __future__ import annotations

import json

from tests.cli.harness import PAIRS, Project, identity, model, stack
from tests.cli.test_tuning_job import job

WORKING = [
    ("output",),
    ("output", "one"),
    ("generate", "one", "3"),
    ("show",),
    ("show", "one"),
    ("state", "list"),
    ("state", "show", "one"),
    ("state", "pull"),
    ("state", "mv", "one", "two"),
]
HALF_WRITTEN = "kind: TunedModel\nmetadata: {name: Half\nspec:\n"


def test_a_half_written_manifest_takes_no_program_its_model(project: Project) -> None:
    """The Stack, which names the state, is read even if every model's manifest is broken."""
    project.declare(stack("ours", state="kept"), model("one"))
    project.apply()
    project.write("manifests/half.yaml", HALF_WRITTEN)
    project.declare(stack("ours", state="kept"), model("one", spec={"base_modle": "x"}))
    project.plan(expect=1)
    for command in WORKING:
        project.run(*command, expect=0)
    assert "not locked" in project.run("force-unlock", "x", expect=1).err
    assert not (project.root / "state").exists()


def test_a_broken_stack_is_not_guessed(project: Project) -> None:
    """A broken Stack is an error with file and line, because the default state might be the wrong one."""
    project.declare(stack("ours", state="kept"), model("one"))
    project.apply()
    project.write("manifests/models.yaml", "kind: Stack\nmetadata: {name: ours}\nspec: {stat: kept}\n")
    for command in (*WORKING, ("force-unlock", "x")):
        assert "manifests/models.yaml:3:8" in project.run(*command, expect=1).err
    assert not (project.root / "state").exists()


def _jobs_data(project: Project) -> None:
    rows = (json.dumps({"text_input": text, "output": output}) + "\n" for text, output in PAIRS)
    project.write("manifests/n.jsonl", "".join(rows))


def test_the_services_are_those_of_the_records(project: Project) -> None:
    """If only tuning jobs are recorded, the other API's endpoint does not matter. With a model it would."""
    _jobs_data(project)
    project.environ = {
        "GOOGLE_VERTEX_BASE_URL": project.service.url,
        "GOOGLE_GEMINI_BASE_URL": "https://192.0.2.1",
    }
    project.declare(job("bot"))
    project.apply()
    project.write("manifests/half.yaml", HALF_WRITTEN)
    assert "/endpoints/" in project.run("output", "bot", expect=0).out
    assert project.run("generate", "bot", "7", expect=0).out == "8\n"
    assert "ACTIVE" in project.run("show", "bot", expect=0).out
    (project.root / "manifests/half.yaml").unlink()
    project.declare(job("bot"), model("one"))
    assert "do not belong together: one is an emulator" in project.plan(expect=1).err


def test_records_of_both_apis_need_both_endpoints(project: Project) -> None:
    """Each kind uses its own endpoint. An emulator for one and Google for the other is refused."""
    _jobs_data(project)
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.declare(job("bot"), model("one"))
    project.apply()
    project.write("manifests/half.yaml", HALF_WRITTEN)
    names = project.run("output", "--format", "json", expect=0).json()
    assert names["TunedModel/one"] == f"tunedModels/{identity('one')}"
    assert "/endpoints/" in names["TuningJob/bot"]
    refused = project.run("output", expect=1, environ={"GOOGLE_VERTEX_BASE_URL": "https://192.0.2.1"})
    assert "do not belong together: one is an emulator" in refused.err
