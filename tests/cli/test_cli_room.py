"""A service without room: what is recorded, and that the named command continues (design 2.9)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.cli.harness import PAIRS, Project, model, stack
from tests.cli.test_tuning_job import job, posted, write_data

QUOTA = "Quota exceeded for aiplatform.googleapis.com/global_concurrent_tuning_jobs."


def refuse(
    project: Project, times: int, delay: str = "", path: str = "tuningJobs$", message: str = QUOTA
) -> None:
    """Answer the next creates with 429, with RetryInfo if a delay is given."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}] if delay else []
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message, "details": details}
    project.service.fault(
        {"method": "POST", "path": path, "status": 429, "times": times, "body": {"error": error}}
    )


@pytest.fixture
def jobs(project: Project) -> Project:
    """A project with a tuning job, and a service with both APIs."""
    project.environ |= {"GOOGLE_VERTEX_BASE_URL": project.service.url, "RECONCILER_LAG_SECONDS": "1"}
    write_data(project)
    project.declare(stack("s"), job())
    return project


def candidate(project: Project) -> dict[str, Any]:
    """The candidate of the only record."""
    (record,) = project.state()["resources"]
    found: dict[str, Any] = record["candidate"]
    return found


def test_the_command_that_is_named_goes_on(jobs: Project) -> None:
    """After a 429 the create is recorded as waiting and `wait` is named.

    `wait` sends it once there is room.
    """
    refuse(jobs, 99)
    result = jobs.apply("--no-wait", expect=3)
    assert "To go on: reconciler wait" in result.out
    assert candidate(jobs)["waiting"] == "quota"
    assert QUOTA in candidate(jobs)["waiting_said"]
    assert jobs.state()["version"] == 2
    jobs.service.heal()
    result = jobs.run("wait", expect=0)
    assert ": 1 trained.\n" in result.out
    assert posted(jobs.service) == 1
    jobs.settled()


def test_wait_asks_again_after_the_delay_that_is_named(jobs: Project) -> None:
    """Apply asks again after each RetryInfo delay of 2 s, not after the usual 30 s."""
    refuse(jobs, 2, "2s")
    began = time.monotonic()
    jobs.apply()
    assert 4 <= time.monotonic() - began < 55
    assert posted(jobs.service) == 1
    jobs.settled()


def test_wait_names_apply_on_its_own_state(jobs: Project) -> None:
    """A note on what only apply sends repeats this run's --state, so that the command works as it stands."""
    place = ("--state", "elsewhere")
    refuse(jobs, 99, "601s")
    jobs.apply(*place, expect=4)
    jobs.service.heal()
    assert "reconciler apply --state elsewhere does" in jobs.run("wait", *place, expect=3).err


@pytest.mark.parametrize("delay", ["601s", "9" * 400 + "s"])
def test_a_delay_that_nobody_waits_for_ends_the_address(jobs: Project, delay: str) -> None:
    """A delay above ten minutes exits 4 at once with the service's words. Apply continues from the record."""
    refuse(jobs, 99, delay)
    result = jobs.apply(expect=4)
    assert QUOTA.rstrip(".") in result.err
    assert "waiting" not in candidate(jobs)
    jobs.service.heal()
    result = jobs.run("wait", expect=3)
    assert "reconciler apply does" in result.err
    assert "To go on: reconciler apply" in result.err
    assert posted(jobs.service) == 0
    jobs.apply()
    assert posted(jobs.service) == 1


@pytest.mark.parametrize(
    "command", [("state", "rm", "bot"), ("destroy", "--auto-approve", "--target", "bot")]
)
def test_what_waits_can_be_withdrawn(jobs: Project, command: tuple[str, ...]) -> None:
    """After `state rm` or `destroy --target`, `wait` no longer sends the create."""
    refuse(jobs, 1)
    jobs.apply("--no-wait", expect=3)
    jobs.run(*command, expect=0)
    assert "Nothing to wait for" in jobs.run("wait", expect=0).err
    assert posted(jobs.service) == 0


def test_wait_without_room_is_unfinished_and_names_itself(jobs: Project) -> None:
    """If there is still no room at the time-out, `wait` exits 3 and names `wait` again."""
    refuse(jobs, 99)
    jobs.apply("--no-wait", expect=3)
    result = jobs.run("wait", "--timeout", "2s", expect=3)
    assert "To go on: reconciler wait --timeout" not in result.out
    assert "To go on: reconciler wait" in result.out


def test_a_tuned_model_without_room_waits_too(project: Project) -> None:
    """A long delay in the Gemini API's 429 is recorded, and `wait` sends the create."""
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    refuse(project, 2, "90s", path="tunedModels$", message="slower")
    result = project.apply("--no-wait", expect=3)
    assert "To go on: reconciler wait" in result.out
    project.service.heal()
    project.run("wait", expect=0)
    assert project.service.creates() == 2
    project.settled()


def test_the_event_stream_names_the_way_on(jobs: Project) -> None:
    """In `apply --json`, an unfinished change names the command that continues it."""
    refuse(jobs, 1)
    records = jobs.apply("--no-wait", "--json", expect=3).records()
    (skipped,) = [record for record in records if record["type"] == "apply_skipped"]
    assert (skipped["hook"]["unfinished"], skipped["hook"]["resume"]) == (True, "wait")


def test_service_agents_that_are_being_provisioned_pass(jobs: Project) -> None:
    """On Vertex AI's first use in a project, the error says that it will pass and names apply."""
    message = "Service agents are being provisioned (x). So please try again in a few minutes."
    error = {"code": 400, "status": "FAILED_PRECONDITION", "message": message}
    jobs.service.fault(
        {"method": "POST", "path": "tuningJobs$", "status": 400, "times": 1, "body": {"error": error}}
    )
    result = jobs.apply("--no-wait", expect=3)
    assert "passes by itself" in result.out
    assert "To go on: reconciler apply" in result.out
    jobs.apply()
    assert posted(jobs.service) == 1
