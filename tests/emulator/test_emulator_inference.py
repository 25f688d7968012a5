"""Answers of models, and the base models."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import EXAMPLES, Api, body
from tests.limits import NET

MODEL = "v1beta/tunedModels/m"


def prompt(text: str) -> dict[str, Any]:
    """Return the body of a generateContent request."""
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def answer(response: dict[str, Any]) -> str:
    """Return the text of a response."""
    return str(response["candidates"][0]["content"]["parts"][0]["text"])


@pytest.fixture
def active(api: Api) -> Api:
    """Return an emulator that has the tutorial's model, trained."""
    api.create("m")
    api.advance(11)
    return api


def test_every_example_is_known(active: Api) -> None:
    """A prompt that is an example gets its output, in v1 and in v1beta. Spaces around it do not matter."""
    for given, output in EXAMPLES:
        assert answer(active.ok("POST", f"{MODEL}:generateContent", json=prompt(given))) == output
    path = "v1/tunedModels/m:generateContent"
    assert answer(active.ok("POST", path, json=prompt("  eighty\n"))) == "eighty one"


def test_else_the_nearest_answers(active: Api) -> None:
    """A prompt like an example always gets that one's output. Any prompt gets some output."""
    for _ in range(2):
        near = active.ok("POST", f"{MODEL}:generateContent", json=prompt("ninety-nine!"))
        assert answer(near) == "one hundred"
    far = active.ok("POST", f"{MODEL}:generateContent", json=prompt("六"))
    assert answer(far) in [output for _, output in EXAMPLES]


def test_the_shape_is_the_tutorials(active: Api) -> None:
    """A response has the tutorial's candidates and promptFeedback, key by key."""
    response = active.ok("POST", f"{MODEL}:generateContent", json=prompt("one"))
    candidate = response["candidates"][0]
    assert list(candidate) == ["content", "finishReason", "index", "safetyRatings"]
    assert candidate["content"] == {"parts": [{"text": "two"}], "role": "model"}
    assert (candidate["finishReason"], candidate["index"]) == ("STOP", 0)
    assert response["promptFeedback"]["safetyRatings"] == candidate["safetyRatings"]
    assert len(candidate["safetyRatings"]) == 4
    rating = {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "NEGLIGIBLE"}
    assert rating in candidate["safetyRatings"]


def test_only_active_models_answer(api: Api) -> None:
    """A model in training or failed is a FAILED_PRECONDITION. An unknown one is a 404."""
    api.control("faults", [{"train": "m", "fail": {"code": 13, "message": "x"}}])
    api.create("m")
    for _ in range(2):
        refusal = api.refused("POST", f"{MODEL}:generateContent", json=prompt("1"))
        assert refusal[:2] == (400, "FAILED_PRECONDITION")
        api.advance(11)
    assert api.refused("POST", "v1/tunedModels/x:generateContent", json=prompt("1"))[0] == 404


@pytest.mark.parametrize(
    "asked",
    [{}, {"contents": []}, {"contents": [{}]}, {"prompt": "x"}, {"contents": [{"parts": "x"}]}],
)
def test_a_prompt_is_needed(active: Api, asked: dict[str, Any]) -> None:
    """Without contents, or with keys that are not the API's, the answer is a 400."""
    assert active.refused("POST", f"{MODEL}:generateContent", json=asked)[0] == 400


def test_long_prompts_are_refused(active: Api) -> None:
    """A tuned model reads forty thousand characters, and no more."""
    assert active.ok("POST", f"{MODEL}:generateContent", json=prompt("x" * 40_000))
    assert active.refused("POST", f"{MODEL}:generateContent", json=prompt("x" * 40_001))[0] == 400


def test_streams_add_up(active: Api) -> None:
    """The pieces of a stream, as an array or as events, are the whole answer."""
    path = f"{MODEL}:streamGenerateContent"
    array = active.call("POST", path, json=prompt("ninety nine")).json()
    assert "".join(answer(chunk) for chunk in array) == "one hundred"
    response = active.call("POST", path, params={"alt": "sse"}, json=prompt("ninety nine"))
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [event for event in response.text.split("\r\n\r\n") if event]
    assert all(event.startswith("data: ") for event in events)
    assert "".join(answer(json.loads(event[6:])) for event in events) == "one hundred"


def test_base_models_say_what_they_are(api: Api) -> None:
    """A base model repeats the prompt and says that no model answers. An unknown one is a 404."""
    said = answer(api.ok("POST", "v1/models/gemini-2.5-pro:generateContent", json=prompt("hi")))
    assert said == "The emulator has no model behind models/gemini-2.5-pro; it was asked: hi"
    refusal = api.refused("POST", "v1beta/models/none:generateContent", json=prompt("hi"))
    assert refusal[0] == 404
    assert refusal[2].startswith("models/none is not found for API version v1beta")
    tokens = api.ok("POST", "v1beta/models/gemini-2.5-pro:countTokens", json=prompt("12345"))
    assert tokens == {"totalTokens": 2}


def test_some_hundred_examples_are_looked_through(api: Api) -> None:
    """The nearest of five hundred examples is found soon."""
    pairs = [(f"the number {n} in words, please", f"number {n}") for n in range(500)]
    api.create("m", pairs=pairs)
    api.advance(11)
    response = api.call("POST", f"{MODEL}:generateContent", json=prompt("number 123 in words"))
    assert answer(response.json()) == "number 123"
    assert response.elapsed.total_seconds() < NET


def test_tunable_models_say_so(api: Api) -> None:
    """The models that can be tuned, and no others, have createTunedModel among their methods."""
    models = api.ok("GET", "v1beta/models")["models"]
    tunable = [m["name"] for m in models if "createTunedModel" in m["supportedGenerationMethods"]]
    assert tunable == ["models/gemini-1.0-pro-001", "models/gemini-1.5-flash-001-tuning"]
    assert "models/gemini-2.5-flash" in [model["name"] for model in models]
    one = api.ok("GET", "v1beta/models/gemini-1.0-pro-001")
    assert (one["temperature"], one["topP"], one["topK"]) == (0.9, 1, 1)
    assert one in models
    assert api.refused("GET", "v1beta/models/none")[0] == 404


def test_models_have_pages(api: Api) -> None:
    """The list of models comes in pages. A token of another collection is refused."""
    found, token = [], ""
    while True:
        page = api.ok("GET", "v1beta/models", params={"pageSize": 3, "pageToken": token})
        found += page["models"]
        token = page.get("nextPageToken", "")
        if not token:
            break
        assert api.refused("GET", "v1beta/tunedModels", params={"pageToken": token})[0] == 400
    assert found == api.ok("GET", "v1beta/models")["models"]


def test_since_2025_nothing_can_be_tuned(start: Callable[..., Api]) -> None:
    """Without a tunable model none offers createTunedModel, and a create is a 404 that says so."""
    api = start(tunable=())
    assert "createTunedModel" not in str(api.ok("GET", "v1beta/models"))
    code, status, message = api.refused("POST", "v1beta/tunedModels", json=body())
    assert (code, status) == (404, "NOT_FOUND")
    assert "is not supported for createTunedModel" in message
    assert api.ok("GET", "v1beta/tunedModels") == {}
