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


def list_bases(api: Api) -> set[str]:
    """Return the names of the base models that the Gemini API lists."""
    return {model["name"] for model in api.ok("GET", "v1beta/models")["models"]}


@pytest.mark.parametrize("base", LIVING)
def test_living_bases_are_offered(vertex: Vertex, base: str) -> None:
    """Without any setting, each base that Google's pages still tune is tuned."""
    assert vertex.finished(baseModel=base)["state"] == "JOB_STATE_SUCCEEDED"


@pytest.mark.parametrize("base", RETIRED)
def test_retired_bases_are_refused(vertex: Vertex, base: str) -> None:
    """From its day on a base is refused in the API's shape and by its name, even if it is listed."""
    for tunable in (LIVING, [*LIVING, base]):
        vertex.api.control("settings", {"vertex_tunable": tunable})
        code, status, message = ask(vertex, base)
        assert (code, status) == (400, "INVALID_ARGUMENT")
        assert base in message
    assert not vertex.ok("GET", "tuningJobs")
    path = f"publishers/google/models/{base}:generateContent"
    assert vertex.refused("POST", path, json=prompt("hello"))[0] == 404


def test_a_base_retires_when_its_day_comes(vertex: Vertex) -> None:
    """From its day on neither the base nor a model of it can be tuned. That model still answers."""
    vertex.api.control("settings", {"vertex_retires": {BASE: day(vertex.api, 2)}})
    tuned = vertex.finished()["tunedModel"]
    vertex.api.advance(2 * 86400)
    assert ask(vertex, BASE)[:2] == (400, "INVALID_ARGUMENT")
    going_on = job_body(baseModel=None, preTunedModel={"tunedModelName": tuned["model"]})
    assert BASE in vertex.refused("POST", "tuningJobs", json=going_on)[2]
    assert vertex.ok("POST", f"{tuned['endpoint']}:generateContent", json=prompt("one"))["candidates"]


def test_a_training_that_has_begun_goes_on(start: Callable[..., Api]) -> None:
    """A training that runs on that day ends well on either API, and its model answers."""
    api = start(training_seconds=3 * 86400.0, vertex_concurrent_jobs=1)
    vertex = Vertex(api)
    vertex.upload_pairs()
    api.control("settings", {"vertex_retires": {BASE: day(api, 2)}, "retires": {OLD: day(api, 2)}})
    api.create("m", baseModel=OLD)
    job = vertex.create()
    api.advance(2 * 86400)
    assert (vertex.state(job), api.ok("GET", "v1beta/tunedModels/m")["state"]) == ("RUNNING", "CREATING")
    assert ask(vertex, BASE)[:2] == (400, "INVALID_ARGUMENT")
    assert api.refused("POST", "v1beta/tunedModels", json=body(baseModel=OLD))[0] == 404
    api.advance(86400)
    assert (vertex.state(job), api.ok("GET", "v1beta/tunedModels/m")["state"]) == ("SUCCEEDED", "ACTIVE")
    endpoint = vertex.job(job["name"])["tunedModel"]["endpoint"]
    for path in (f"v1/{endpoint}", "v1beta/tunedModels/m"):
        assert api.ok("POST", f"{path}:generateContent", json=prompt("seven"))["candidates"]


@pytest.mark.parametrize(("days", "refused"), [(0, False), (30, True)])
def test_tuning_may_be_blocked_before(start: Callable[..., Api], days: int, refused: bool) -> None:  # noqa: FBT001
    """With tuning_blocked_days a base is refused so many days before. This is off by default."""
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
    """With tuned_ends_with_base a tuned model is a 404 from its base's day on. This is off by default."""
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
    """From its day there on, a base of the Gemini API is neither listed nor tuned."""
    assert is_tunable(api)
    api.control("settings", {"retires": {OLD: "2025-04-21"}})
    assert api.refused("GET", f"v1beta/{OLD}")[0] == 404
    assert OLD not in list_bases(api)
    code, status, message = api.refused("POST", "v1beta/tunedModels", json=body(baseModel=OLD))
    assert (code, status) == (404, "NOT_FOUND")
    assert "not supported for createTunedModel" in message


def test_a_base_leaves_one_api_and_stays_in_the_other(vertex: Vertex) -> None:
    """gemini-3.5-flash left the Gemini API on 2026-10-08. Vertex AI still has and tunes it."""
    name, api = "models/gemini-3.5-flash", vertex.api
    assert api.ok("GET", "emulator/settings")["retires"] == {name: "2026-10-08"}
    assert api.refused("GET", f"v1beta/{name}")[:2] == (404, "NOT_FOUND")
    assert api.refused("POST", f"v1beta/{name}:generateContent", json=prompt("hi"))[0] == 404
    path = "publishers/google/models/gemini-3.5-flash:generateContent"
    assert vertex.ok("POST", path, json=prompt("hi"))["candidates"]
    assert vertex.finished(baseModel="gemini-3.5-flash")["state"] == "JOB_STATE_SUCCEEDED"
    api.control("settings", {"retires": {name: None}})
    assert name in list_bases(api)


def test_the_list_loses_a_base_on_its_day(api: Api) -> None:
    """models.list of the Gemini API has the bases that have not retired."""
    api.control("settings", {"retires": {"models/gemini-2.5-pro": day(api, 1)}})
    before = list_bases(api)
    api.advance(86400)
    assert before - list_bases(api) == {"models/gemini-2.5-pro"}


@pytest.mark.parametrize("base", RETIRED)
def test_a_base_without_its_day_is_tuned_again(vertex: Vertex, base: str) -> None:
    """A setting can remove the day or move it. Then the base can be tuned."""
    vertex.api.control("settings", {"vertex_retires": {base: None}})
    assert vertex.finished(baseModel=base)["state"] == "JOB_STATE_SUCCEEDED"
    vertex.api.control("settings", {"vertex_retires": {base: day(vertex.api, 0)}})
    assert ask(vertex, base)[0] == 400
    vertex.api.control("settings", {"vertex_retires": {base: day(vertex.api, 1)}})
    assert vertex.finished(baseModel=base)["state"] == "JOB_STATE_SUCCEEDED"


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
    """A wrong day or a wrong number is refused, and changes nothing."""
    before = api.ok("GET", "emulator/settings")
    assert api.refused("POST", "emulator/settings", json=change)[0] == 400
    assert api.ok("GET", "emulator/settings") == before
