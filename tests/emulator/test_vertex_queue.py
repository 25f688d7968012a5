"""Vertex: a project trains so many jobs at once."""

from collections.abc import Callable

import pytest

from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import Vertex, body


@pytest.fixture
def two_at_once(start: Callable[..., Api]) -> Vertex:
    """Return a Vertex that trains two jobs at once."""
    vertex = Vertex(start(vertex_concurrent_jobs=2))
    vertex.upload_pairs()
    return vertex


def test_over_the_quota_jobs_wait_in_order(two_at_once: Vertex) -> None:
    """The third is QUEUED until the first ends, and the fifth until the third does. Each trains as long."""
    vertex = two_at_once
    jobs = []
    for _ in range(5):
        jobs.append(vertex.create())
        vertex.api.advance(1)
    assert [job["state"][10:] for job in jobs] == ["PENDING", "PENDING", "QUEUED", "QUEUED", "QUEUED"]
    vertex.api.advance(5)
    assert [vertex.state(job) for job in jobs] == ["SUCCEEDED", "RUNNING", "PENDING", "QUEUED", "QUEUED"]
    vertex.api.advance(1)
    assert [vertex.state(job) for job in jobs] == ["SUCCEEDED", "SUCCEEDED", "RUNNING", "PENDING", "QUEUED"]
    assert len(vertex.ok("GET", "models")["models"]) == 2
    vertex.api.advance(9)
    assert [vertex.state(job) for job in jobs[2:]] == ["SUCCEEDED", "RUNNING", "PENDING"]
    vertex.api.advance(10)
    done = [vertex.job(job["name"]) for job in jobs]
    assert [job["state"] for job in done] == ["JOB_STATE_SUCCEEDED"] * 5
    for job in done:
        model = vertex.ok("GET", job["tunedModel"]["model"])
        assert model["createTime"] == job["endTime"]


def test_a_cancelled_job_makes_room(two_at_once: Vertex) -> None:
    """When a running job is cancelled, the one that waits begins as soon as it is CANCELLED."""
    vertex = two_at_once
    jobs = [vertex.create() for _ in range(4)]
    vertex.ok("POST", f"{jobs[0]['name']}:cancel", json={})
    assert [vertex.state(job) for job in jobs] == ["CANCELLING", "PENDING", "QUEUED", "QUEUED"]
    vertex.api.advance(0.5)
    assert [vertex.state(job) for job in jobs] == ["CANCELLED", "PENDING", "PENDING", "QUEUED"]
    vertex.api.advance(10)
    assert [vertex.state(job) for job in jobs[1:]] == ["SUCCEEDED", "SUCCEEDED", "PENDING"]


def test_a_waiting_job_that_is_cancelled_never_starts(two_at_once: Vertex) -> None:
    """It has no start time and makes nothing. The jobs behind it move up."""
    vertex = two_at_once
    jobs = [vertex.create() for _ in range(4)]
    vertex.api.advance(1)
    vertex.ok("POST", f"{jobs[2]['name']}:cancel", json={})
    vertex.api.advance(9)
    assert [vertex.state(job) for job in jobs] == ["SUCCEEDED", "SUCCEEDED", "CANCELLED", "PENDING"]
    assert "startTime" not in vertex.job(jobs[2]["name"])


def test_the_quota_is_a_projects(two_at_once: Vertex) -> None:
    """Another project does not wait. Another location of the same project does."""
    vertex = two_at_once
    for _ in range(2):
        vertex.create()
    other = vertex.ok("POST", "projects/other/locations/us-central1/tuningJobs", json=body())
    abroad = vertex.ok("POST", "projects/my-project/locations/europe-west4/tuningJobs", json=body())
    assert (other["state"], abroad["state"]) == ("JOB_STATE_PENDING", "JOB_STATE_QUEUED")


def test_over_the_quota_jobs_are_refused(start: Callable[..., Api]) -> None:
    """With that setting one more job is a 429 until there is room, and leaves nothing behind."""
    vertex = Vertex(start(vertex_concurrent_jobs=1, vertex_over_quota="refuse"))
    vertex.upload_pairs()
    first = vertex.create()
    code, status, message = vertex.refused("POST", "tuningJobs", json=body())
    assert (code, status) == (429, "RESOURCE_EXHAUSTED")
    assert "concurrent_tuning_jobs" in message
    assert len(vertex.ok("GET", "tuningJobs")["tuningJobs"]) == 1
    vertex.api.advance(10)
    assert vertex.state(first) == "SUCCEEDED"
    assert vertex.create()["state"] == "JOB_STATE_PENDING"


def test_settings_are_checked(two_at_once: Vertex) -> None:
    """Settings of this side are read, shown and refused like the others."""
    api = two_at_once.api
    shown = api.control("settings", {"vertex_tunable": ["gemini-9"], "vertex_operation_seconds": 2})
    assert shown["vertex_tunable"] == ["gemini-9"]
    assert api.ok("GET", "emulator/settings") == shown
    for change in (
        {"vertex_concurrent_jobs": 0},
        {"vertex_concurrent_jobs": 1.5},
        {"vertex_over_quota": "panic"},
        {"vertex_tunable": "gemini-9"},
        {"vertex_tunable": [""]},
        {"storage_buckets": "none"},
        {"vertex_cancel_seconds": -1},
    ):
        assert api.refused("POST", "emulator/settings", json=change)[0] == 400
    assert api.ok("GET", "emulator/settings") == shown
