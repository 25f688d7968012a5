"""Vertex: tuned endpoints answer from their training examples."""

import json
from typing import Any

import pytest

from tests.emulator.discovery import document
from tests.emulator.vertex_caller import Vertex


@pytest.fixture
def endpoint(vertex: Vertex) -> str:
    """Return the endpoint of a job that has succeeded."""
    name: str = vertex.finished()["tunedModel"]["endpoint"]
    return name


def prompt(text: str) -> dict[str, Any]:
    """Return a request."""
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def text_of(answer: dict[str, Any]) -> str:
    """Return what was answered."""
    return str(answer["candidates"][0]["content"]["parts"][0]["text"])


@pytest.mark.parametrize(
    ("asked", "answer"), [("seven", "eight"), (" seven\n", "eight"), ("ninety-nine", "one hundred")]
)
def test_the_example_or_the_nearest(vertex: Vertex, endpoint: str, asked: str, answer: str) -> None:
    """A prompt that was an example gets its output. Any other gets that of the nearest example."""
    got = vertex.ok("POST", f"{endpoint}:generateContent", json=prompt(asked))
    assert text_of(got) == answer
    assert got["candidates"][0]["finishReason"] == "STOP"
    usage = got["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"] > 0


@pytest.mark.parametrize("parameters", [{}, {"alt": "sse"}])
def test_streams(vertex: Vertex, parameters: dict[str, str]) -> None:
    """A stream is the answer in pieces, each a GenerateContentResponse. The last one has the usage."""
    vertex.upload_pairs([("many", "more than one can count")])
    endpoint = vertex.finished()["tunedModel"]["endpoint"]
    path = f"{endpoint}:streamGenerateContent"
    response = vertex.call("POST", path, params=parameters, json=prompt("many"))
    if parameters:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = response.text.strip().split("\r\n\r\n")
        chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    else:
        chunks = response.json()
    for chunk in chunks:
        assert not document("aiplatform.v1").answer_problems("POST", f"/v1/{path}", chunk)
    assert "".join(text_of(chunk) for chunk in chunks) == "more than one can count"
    assert len(chunks) == 2
    assert "usageMetadata" in chunks[-1]


def test_each_job_answers_from_its_own_data(vertex: Vertex, endpoint: str) -> None:
    """Two tunings on different data answer differently. Overwritten data changes no answer."""
    vertex.upload_pairs([("seven", "sept")])
    other = vertex.finished()["tunedModel"]["endpoint"]
    answers = [
        text_of(vertex.ok("POST", f"{name}:generateContent", json=prompt("seven")))
        for name in (endpoint, other)
    ]
    assert answers == ["eight", "sept"]


def test_count_tokens(vertex: Vertex, endpoint: str) -> None:
    """Four characters count as one token."""
    counted = vertex.ok("POST", f"{endpoint}:countTokens", json=prompt("twelve chars"))
    assert counted == {"totalTokens": 3, "totalBillableCharacters": 12}


def test_base_models_echo(vertex: Vertex) -> None:
    """A published model says that no model answers. One that does not exist is a 404."""
    path = "publishers/google/models/gemini-3.1-flash-lite"
    assert "it was asked: hello" in text_of(
        vertex.ok("POST", f"{path}:generateContent", json=prompt("hello"))
    )
    unknown = "publishers/google/models/bison:generateContent"
    assert vertex.refused("POST", unknown, json=prompt("hello"))[0] == 404


def test_who_cannot_answer(vertex: Vertex, endpoint: str) -> None:
    """No contents is a 400, an undeployed endpoint refuses, a deleted one is a 404, a model is no address."""
    path = f"{endpoint}:generateContent"
    requests: list[dict[str, Any]] = [{}, {"contents": []}, {"contents": [{"role": "user"}]}, {"content": []}]
    for request in requests:
        assert vertex.refused("POST", path, json=request)[:2] == (400, "INVALID_ARGUMENT")
    vertex.undeploy(endpoint)
    assert vertex.refused("POST", path, json=prompt("x"))[1] == "FAILED_PRECONDITION"
    vertex.settle(vertex.ok("DELETE", endpoint))
    assert vertex.refused("POST", path, json=prompt("x"))[:2] == (404, "NOT_FOUND")
    model = vertex.ok("GET", "models")["models"][0]["name"]
    assert vertex.api.call("POST", f"v1/{model}:generateContent", json=prompt("x")).status_code == 404
