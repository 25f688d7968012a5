"""Which commands contact a service. The others do not check the endpoint or credential (design 2.3)."""

from __future__ import annotations

import pytest

from tests.cli.harness import Project, identity, model, stack
from tests.cli.test_tuning_job import job, write_data

NOWHERE = {"GOOGLE_GEMINI_BASE_URL": None, "GOOGLE_VERTEX_BASE_URL": None}
"""Google's own endpoints, without a credential."""


@pytest.fixture
def jobs(project: Project) -> Project:
    """A stack of tuning jobs only, with no setting for the Gemini API's address."""
    write_data(project)
    project.service.control("settings", {"vertex_operation_seconds": 0.05, "vertex_cancel_seconds": 0.05})
    project.environ = {
        "GOOGLE_GEMINI_BASE_URL": "",
        "GOOGLE_VERTEX_BASE_URL": project.service.url,
        "RECONCILER_LAG_SECONDS": "1",
    }
    return project


def test_a_destroyed_stack_of_jobs_can_still_be_looked_at(jobs: Project) -> None:
    """With an empty state, commands contact only the services of the kinds that the manifests declare."""
    jobs.declare(job("bot"))
    endpoint = jobs.apply().out.splitlines()[-1]
    assert endpoint == f"  TuningJob/bot  {jobs.run('output', 'bot', expect=0).out.strip()}"
    assert "/endpoints/" in endpoint
    jobs.plan("--out", "saved.json")
    jobs.run("destroy", "--auto-approve", expect=0)
    assert "Nothing is recorded" in jobs.run("show", expect=0).out
    assert jobs.run("output", expect=0).out == ""
    assert jobs.run("state", "list", expect=0).out == ""
    assert "No changes." in jobs.run("show", "saved.json", expect=0).out
    assert "No changes." in jobs.run("destroy", "--auto-approve", expect=0).out
    assert "Plan: 1 to train.\n" in jobs.plan().out


def test_jobs_that_no_manifest_declares_any_more_are_deleted(jobs: Project) -> None:
    """The records decide which service to contact too, because the manifests may no longer name a job."""
    jobs.declare(stack("kept"), job("bot"))
    jobs.apply()
    jobs.declare(stack("kept"))
    assert "Plan: 1 to delete.\n" in jobs.plan().out
    jobs.apply()
    assert jobs.recorded() == []
    assert "No changes." in jobs.plan().out
    jobs.run("drift", expect=0)


def test_what_asks_no_service_needs_no_endpoint(project: Project) -> None:
    """`show`, `output` of tuned models, and `state` use only the record, so any endpoint setting will do."""
    project.declare(model("one"))
    project.apply()
    asked = len(project.service.sent())
    for environ in (NOWHERE, {"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"}):
        assert "TunedModel/one" in project.run("show", expect=0, environ=environ).out
        assert (
            project.run("output", "one", expect=0, environ=environ).out == f"tunedModels/{identity('one')}\n"
        )
        assert project.run("state", "list", expect=0, environ=environ).out == "TunedModel/one\n"
        assert identity("one") in project.run("state", "show", "one", expect=0, environ=environ).out
    assert len(project.service.sent()) == asked
    refused = project.run("show", "one", expect=1, environ=NOWHERE)
    assert "the state records models at an emulator, but this command talks to Google\n" in refused.err


def test_a_saved_plan_is_shown_without_anything_else(project: Project) -> None:
    """Showing a saved plan reads no state, service, manifest or credential, so all of them may be broken."""
    project.declare(model("one"))
    project.plan("--out", "plan.json")
    project.plan("--out", "plan")
    project.write("manifests/stack.yaml", "kind: Stack\n  broken")
    project.write("state/default.json", "no state")
    for environ in (
        NOWHERE,
        {"RECONCILER_STATE": "http://127.0.0.1:9/s", "GOOGLE_GEMINI_BASE_URL": "nonsense"},
    ):
        for file in ("plan.json", "./plan.json", "plan", "./plan"):
            shown = project.run("show", file, expect=0, environ=environ)
            assert "Plan: 1 to train.\n" in shown.out
        assert project.run("show", "--json", "plan.json", expect=0, environ=environ).json()["format_version"]


def test_an_address_wins_over_a_plan_of_its_name(project: Project) -> None:
    """`show NAME` shows the recorded address even if a file has that name. `show ./NAME` shows the file."""
    project.declare(model("one"), model("two"))
    project.apply()
    project.declare(model("one", spec={"display_name": "other"}), model("two"))
    project.plan("--out", "one")
    project.write("two", "garbage")
    assert f"  serving {identity('one')}  ACTIVE\n" in project.run("show", "one", expect=0).out
    assert "Plan: 1 to update.\n" in project.run("show", "./one", expect=0).out
    assert f"  serving {identity('two')}  ACTIVE\n" in project.run("show", "two", expect=0).out
