"""Replies that refuse: each becomes the error that says what to do now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import errors
from reconciler.errors import ServiceError
from reconciler.transport import Transport
from tests.transport.wire import Wire, answer, refusal

To = Callable[..., Transport]
CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/transport/refusals.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_refusal_says_what_to_do(wire: Wire, to: To, case: dict[str, Any]) -> None:
    """Class, status, reason and advice are those of the case; the service's words are repeated."""
    details = (
        [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **case["info"]}] if "info" in case else None
    )
    wire.always = refusal(
        case["status"], case["message"], canonical=case.get("canonical", ""), details=details
    )
    with pytest.raises(ServiceError) as caught:
        to().call("POST", "v1beta/tunedModels", body={})
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
    """A proxy's HTML, plain text, nothing, or odd JSON: the status counts, and what can be shown is shown."""
    wire.always = answer(status=400, body=body)
    with pytest.raises(errors.InvalidArgumentError) as caught:
        to().call("POST", "v1beta/x", body={})
    assert said in caught.value.summary
    assert len(caught.value.summary) < 400
    caught.value.summary.encode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_redirect_is_followed(wire: Wire, to: To, method: str, status: int) -> None:
    """A redirect is an error that names the other host; the credential goes nowhere."""
    wire.always = answer(status=status, Location="https://user:pass@elsewhere.example/x")
    with pytest.raises(ServiceError, match=r"host elsewhere\.example") as caught:
        to({"GEMINI_API_KEY": "secret"}).call(method, "v1beta/x", body={})
    assert "pass" not in str(caught.value)
    assert len(wire.requests) == 1


@pytest.mark.parametrize("location", ["/other", "", "https://[", "//"])
def test_a_redirect_to_nowhere_is_told_too(wire: Wire, to: To, location: str) -> None:
    """A Location without a host is no traceback."""
    wire.always = answer(status=302, Location=location)
    with pytest.raises(ServiceError, match="another path"):
        to().call("GET", "v1beta/x")
