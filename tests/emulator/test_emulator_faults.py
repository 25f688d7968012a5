"""Each fault does what its rule says, as often as it says, before or after the effect."""

import time
from typing import Any

import pytest
import requests

from reconciler.emulator.errors import NAMED
from tests.emulator.conftest import Api, body

LIST = ("GET", "v1beta/tunedModels")
BROKEN = (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)


def create(api: Api, model_id: str = "m") -> requests.Response:
    """Send a creation."""
    query = {"tunedModelId": model_id}
    return api.call("POST", LIST[1], params=query, json=body(), timeout=2)


def exists(api: Api, model_id: str = "m") -> bool:
    """Whether a creation had its effect."""
    return api.call("GET", f"v1beta/tunedModels/{model_id}").status_code == 200


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "action",
    [
        {"status": 503},
        {"error": "internal"},
        {"drop": True},
        {"garbage": "<html>"},
        {"redirect": "http://127.0.0.1:9/"},
    ],
)
def test_before_has_no_effect_and_after_has(api: Api, action: dict[str, Any], when: str) -> None:
    """Whatever the fault, the model exists afterwards if and only if the rule says "after"."""
    api.control("faults", [{"method": "POST", "path": "tunedModels$", "when": when, **action}])
    try:
        response = create(api) if "redirect" not in action else no_redirect(api)
        assert not response.ok or "garbage" in action or response.status_code == 302
    except BROKEN:
        assert "drop" in action
    assert exists(api) == (when == "after")
    entry = next(e for e in api.requests_logged() if e["method"] == "POST")
    assert entry["effect"] == (when == "after")
    assert entry["fault"] == next(iter(action))
    assert create(api).status_code == (409 if when == "after" else 200)


def no_redirect(api: Api) -> requests.Response:
    """Send a creation and stay where the answer is."""
    query = {"tunedModelId": "m"}
    response = api.call("POST", LIST[1], params=query, json=body(), allow_redirects=False)
    assert response.headers["location"] == "http://127.0.0.1:9/"
    return response


def test_a_dropped_connection_sends_no_byte(api: Api) -> None:
    """A dropped connection ends before the status line."""
    api.control("faults", [{"drop": True}])
    with pytest.raises(requests.exceptions.ConnectionError, match=r"(?i)closed|reset|aborted"):
        api.call(*LIST)
    assert api.ok(*LIST) == {}


@pytest.mark.parametrize("length", [0, 10])
def test_a_truncated_answer_had_its_effect(api: Api, length: int) -> None:
    """The announced length is that of the whole answer. The connection ends after *length* bytes."""
    api.control("faults", [{"method": "POST", "truncate": length}])
    with api.session.post(
        f"{api.url}/v1beta/tunedModels?tunedModelId=m", json=body(), stream=True, timeout=5
    ) as response:
        assert int(response.headers["content-length"]) > 100
        assert len(response.raw.read(length, decode_content=False) or b"") == length
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = response.content
    assert exists(api)


def test_a_hanging_request_never_answers(api: Api) -> None:
    """No byte comes until the caller leaves. Others are served meanwhile."""
    api.control("faults", [{"hang": True, "method": "GET"}])
    with pytest.raises(requests.exceptions.ReadTimeout):
        api.call(*LIST, timeout=0.3)
    assert api.ok(*LIST) == {}


def test_a_delay_only_delays(api: Api) -> None:
    """A delayed request waits and is then answered. A later rule may still meet it."""
    api.control("faults", [{"delay": 0.3}, {"status": 503}])
    begun = time.monotonic()
    assert api.call(*LIST).status_code == 503
    assert time.monotonic() - begun >= 0.3
    assert api.ok(*LIST) == {}


def test_times_and_skip_are_counted(api: Api) -> None:
    """A rule lets *skip* matching requests pass, meets *times* of them, and is then gone."""
    api.control("faults", [{"path": "tunedModels", "skip": 2, "times": 3, "status": 503}])
    codes = [api.call(*LIST).status_code for _ in range(7)]
    assert codes == [200, 200, 503, 503, 503, 200, 200]
    assert api.ok("GET", "emulator/faults") == {"faults": []}


def test_forever_lasts_until_deleted(api: Api) -> None:
    """A rule without an end meets every request that matches, until the rules are cleared."""
    api.control("faults", [{"path": "tunedModels", "times": None, "status": 500}])
    assert {api.call(*LIST).status_code for _ in range(20)} == {500}
    assert api.ok("GET", "v1beta/models")
    api.ok("DELETE", "emulator/faults")
    assert api.ok(*LIST) == {}


def test_method_and_path_select(api: Api) -> None:
    """A rule meets only its method and its path. Of two rules the first one counts."""
    api.control(
        "faults",
        [
            {"method": "DELETE", "status": 500},
            {"path": "/x$", "status": 501},
            {"status": 503},
            {"status": 504},
        ],
    )
    assert api.call("GET", "v1beta/tunedModels/x").status_code == 501
    assert api.call("GET", "v1beta/tunedModels/x").status_code == 503
    assert api.call("DELETE", "v1beta/tunedModels/x").status_code == 500
    assert api.call("GET", "v1beta/tunedModels/x").status_code == 504


def test_a_body_and_headers_of_ones_own(api: Api) -> None:
    """A rule can give the whole answer. Otherwise it is Google's error body for the status."""
    api.control(
        "faults",
        [{"status": 429, "body": {"a": 1}, "headers": {"Retry-After": "7"}}, {"status": 429}],
    )
    response = api.call(*LIST)
    assert (response.status_code, response.json()) == (429, {"a": 1})
    assert response.headers["retry-after"] == "7"
    assert api.refused(*LIST) == (
        429,
        "RESOURCE_EXHAUSTED",
        "Resource has been exhausted (e.g. check quota).",
    )


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_errors_are_googles(api: Api, name: str) -> None:
    """Each error that can be named has a code, a canonical status and a message that agree."""
    api.control("faults", [{"error": name}])
    code, status, message = api.refused(*LIST)
    assert (
        status
        in {
            400: {"INVALID_ARGUMENT"},
            401: {"UNAUTHENTICATED"},
            403: {"PERMISSION_DENIED"},
            429: {"RESOURCE_EXHAUSTED"},
            500: {"INTERNAL"},
            503: {"UNAVAILABLE"},
            504: {"DEADLINE_EXCEEDED"},
        }[code]
    )
    assert message


def test_errors_carry_their_details(api: Api) -> None:
    """A scope error has a challenge and a reason, a rate limit has RetryInfo, and limit 0 a long delay."""
    api.control("faults", [{"error": "scopes"}])
    response = api.call(*LIST)
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    error = response.json()["error"]
    assert error["errors"][0]["reason"] == "insufficientPermissions"
    assert error["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    for name, delay in (("rate_limited_retry_info", "8s"), ("limit_zero", "36000s")):
        api.control("faults", [{"error": name}])
        error = api.call(*LIST).json()["error"]
        kinds = {detail["@type"].rpartition(".")[2]: detail for detail in error["details"]}
        assert kinds["RetryInfo"]["retryDelay"] == delay
        assert ("limit: 0" in error["message"]) == (name == "limit_zero")
        assert kinds["QuotaFailure"]["violations"]


@pytest.mark.parametrize("what", ["list", "get"])
def test_a_lag_hides_new_models(api: Api, what: str) -> None:
    """For that time the list lacks a new model, or get is a 404. The other one shows it."""
    api.control("faults", [{"lag": 5, "what": what, "path": "/late"}])
    create(api, "late")
    create(api, "soon")
    listed = [model["name"] for model in api.ok(*LIST)["tunedModels"]]
    assert (what == "list") == (listed == ["tunedModels/soon"])
    assert exists(api, "late") == (what == "list")
    assert exists(api, "soon")
    assert create(api, "late").status_code == 409
    api.advance(5)
    assert len(api.ok(*LIST)["tunedModels"]) == 2
    assert exists(api, "late")


@pytest.mark.parametrize(
    "rule",
    [
        {},
        7,
        {"stauts": 503},
        {"status": 99},
        {"status": 503, "drop": True},
        {"drop": False},
        {"path": "(", "drop": True},
        {"error": "none"},
        {"drop": True, "times": -1},
        {"drop": True, "when": "during"},
        {"delay": "1"},
        {"train": "x", "at": 2},
        {"lag": 1, "what": "patch"},
        {"lag": 1, "status": 503},
    ],
)
def test_bad_rules_are_refused_whole(api: Api, rule: object) -> None:
    """A rule that is not valid is a 400, and no rule of the request is kept."""
    assert api.refused("POST", "emulator/faults", json=[{"drop": True}, rule])[0] == 400
    assert api.ok("GET", "emulator/faults") == {"faults": []}
