"""Base models retire on a day: what is refused from then on, on either API, and what can be switched."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import Api, body
from tests.emulator.test_vertex_inference import prompt
from tests.emulator.vertex_caller import Vertex
from tests.emulator.vertex_caller import body as job_body

LIVING = ["gemini-3.1-flash-lite", "gemini-3.5-flash", "gemini-3.5-flash-lite", "translation-llm-002"]
RETIRED = ["gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-2.0-flash-001"]
BASE = "gemini-3.1-flash-lite"
OLD = "models/gemini-1.0-pro-001"


def day(api: Api, ahead: int) -> str:
    """Return the day that is so many days ahead on the emulator's clock."""
    today = dt.date.fromisoformat(api.ok("GET", "emulator/clock")["now"][:10])
    return (today + dt.timedelta(days=ahead)).isoformat()


def ask(vertex: Vertex, base: str) -> tuple[int, str, str]:
    """Ask for a job on a base, and return how that is refused."""
    return vertex.refused("POST", "tuningJobs", json=job_body(baseModel=base))


def is_tunable(api: Api) -> bool:
    """Whether the Gemini API says that the old base can be tuned."""
    return "createTunedModel" in api.ok("GET", f"v1beta/{OLD}")["supportedGenerationMethods"]


@pytest.mark.parametrize("base", LIVING)
def test_living_bases_are_offered(vertex: Vertex, base: str) -> None:
    """Without any setting, each base that Google's pages still tune is tuned."""
    assert vertex.finished(baseModel=base)["state"] == "JOB_STATE_SUCCEEDED"


@pytest.mark.parametrize("base", RETIRED)
def test_retired_bases_are_refused(vertex: Vertex, base: str) -> None:
    """A base whose day has come is refused in the API's shape and by its name, also when it is listed."""
    for tunable in (LIVING, [*LIVING, base]):
        vertex.api.control("settings", {"vertex_tunable": tunable})
        code, status, message = ask(vertex, base)
        assert (code, status) == (400, "INVALID_ARGUMENT")
        assert base in message
    assert not vertex.ok("GET", "tuningJobs")
    path = f"publishers/google/models/{base}:generateContent"
    assert vertex.refused("POST", path, json=prompt("hello"))[0] == 404


def test_a_day_can_be_taken_away(vertex: Vertex) -> None:
    """A retired base that is tunable and has no day is tuned: the settings can go back in time."""
    change = {"vertex_tunable": ["gemini-2.5-flash"], "vertex_retires": {"gemini-2.5-flash": None}}
    shown = vertex.api.control("settings", change)
    assert shown["vertex_retires"]["gemini-2.5-pro"] == "2026-10-20"
    assert vertex.finished(baseModel="gemini-2.5-flash")["state"] == "JOB_STATE_SUCCEEDED"


def test_a_base_retires_when_its_day_comes(vertex: Vertex) -> None:
    """Until its day a base is tuned, from then on not, nor is what was tuned of it; that still answers."""
    vertex.api.control("settings", {"vertex_retires": {BASE: day(vertex.api, 2)}})
    tuned = vertex.finished()["tunedModel"]
    vertex.api.advance(2 * 86400)
    assert ask(vertex, BASE)[:2] == (400, "INVALID_ARGUMENT")
    going_on = job_body(baseModel=None, preTunedModel={"tunedModelName": tuned["model"]})
    assert BASE in vertex.refused("POST", "tuningJobs", json=going_on)[2]
    assert vertex.ok("POST", f"{tuned['endpoint']}:generateContent", json=prompt("one"))["candidates"]


@pytest.mark.parametrize(("days", "refused"), [(0, False), (30, True)])
def test_tuning_may_be_blocked_before(start: Callable[..., Api], days: int, refused: bool) -> None:  # noqa: FBT001
    """Ten days before its base retires a tuning is refused if tuning_blocked_days says so; off by default."""
    api = start(tuning_blocked_days=days)
    assert start().ok("GET", "emulator/settings")["tuning_blocked_days"] == 0
    vertex = Vertex(api)
    vertex.upload_pairs()
    api.control("settings", {"vertex_retires": {BASE: day(api, 10)}, "retires": {OLD: day(api, 10)}})
    assert (vertex.call("POST", "tuningJobs", json=job_body()).status_code == 400) is refused
    assert (api.call("POST", "v1beta/tunedModels", json=body(baseModel=OLD)).status_code == 404) is refused
    assert is_tunable(api) is not refused


@pytest.mark.parametrize("ends", [False, True])
def test_a_tuned_model_may_end_with_its_base(start: Callable[..., Api], ends: bool) -> None:  # noqa: FBT001
    """With tuned_ends_with_base a tuned model answers 404 from its base's day on; off by default."""
    api = start(**({"tuned_ends_with_base": True} if ends else {}))
    vertex = Vertex(api)
    vertex.upload_pairs()
    api.create("m", baseModel=OLD)
    endpoint = vertex.finished()["tunedModel"]["endpoint"]
    later = {"vertex_retires": {BASE: day(api, 1)}, "retires": {OLD: day(api, 1)}}
    api.control("settings", later)
    for path in (f"{endpoint}:generateContent", f"{endpoint}:countTokens"):
        assert vertex.ok("POST", path, json=prompt("one"))
    api.advance(86400)
    asked: dict[str, Any] = {"json": prompt("one")}
    expected = 404 if ends else 200
    assert vertex.call("POST", f"{endpoint}:generateContent", **asked).status_code == expected
    assert api.call("POST", "v1beta/tunedModels/m:generateContent", **asked).status_code == expected
    assert api.ok("GET", "v1beta/tunedModels/m")["state"] == "ACTIVE"


def test_the_gemini_api_retires_by_its_own_days(api: Api) -> None:
    """A base of the Gemini API is gone from its day there on: neither listed nor tuned."""
    assert is_tunable(api)
    api.control("settings", {"retires": {OLD: "2025-04-21"}})
    assert api.refused("GET", f"v1beta/{OLD}")[0] == 404
    assert OLD not in [model["name"] for model in api.ok("GET", "v1beta/models")["models"]]
    code, status, message = api.refused("POST", "v1beta/tunedModels", json=body(baseModel=OLD))
    assert (code, status) == (404, "NOT_FOUND")
    assert "not supported for createTunedModel" in message


@pytest.mark.parametrize(
    "change",
    [
        {"vertex_retires": []},
        {"vertex_retires": {"x": 1}},
        {"vertex_retires": {"x": "May 7, 2027"}},
        {"retires": {"models/x": "2027-5-7"}},
        {"retires": {"models/x": "0001-01-01"}},
        {"tuning_blocked_days": -1},
        {"tuning_blocked_days": True},
        {"tuning_blocked_days": 10**30},
        {"tuned_ends_with_base": 1},
    ],
)
def test_the_switches_are_checked(api: Api, change: dict[str, Any]) -> None:
    """A day that is none, or a number that is none, is refused and changes nothing."""
    before = api.ok("GET", "emulator/settings")
    assert api.refused("POST", "emulator/settings", json=change)[0] == 400
    assert api.ok("GET", "emulator/settings") == before
