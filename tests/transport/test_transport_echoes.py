"""A refusal that repeats the request: what must not be shown is taken out, the rest is kept."""

from __future__ import annotations

import json

import pytest

from reconciler.transport.echoes import unechoed
from reconciler.transport.exchange import Reply, encoded

HEADERS = {
    "Authorization": "Bearer ya29.secret",
    "X-Goog-Api-Key": "AIzaSecret",
    "x-goog-user-project": "demo",
}


def said(message: str, content: bytes | None = None) -> str:
    """The message after it was cleared."""
    body = json.dumps({"error": {"code": 400, "message": message}}).encode()
    cleared = json.loads(unechoed(Reply(400, {}, body), HEADERS, content).body)
    return str(cleared["error"]["message"])


def examples(*texts: str) -> bytes:
    """A create's body."""
    return encoded({"examples": [{"textInput": text, "output": "2"} for text in texts]})


def test_credentials_are_hidden() -> None:
    """Token and key; the project, which says whose quota it was, stays."""
    assert said("ya29.secret and AIzaSecret of demo") == "[hidden] and [hidden] of demo"


@pytest.mark.parametrize(
    "text", ["how are you", 'she said "no"\nand left', "größer als 7 €", "\U0001f98a" * 6]
)
def test_training_texts_are_hidden(text: str) -> None:
    """However JSON writes them."""
    assert said(f"Invalid value: {text}!", examples(text)) == "Invalid value: [hidden]!"


def test_the_longest_goes_first() -> None:
    """A text within another leaves nothing of the longer one."""
    assert said("bad: one two three", examples("one two", "one two three")) == "bad: [hidden]"


def test_short_texts_leave_the_message_readable() -> None:
    """An example of one letter takes no letters out of the service's words."""
    assert said("epoch_count is out of range", examples("e", "of")) == "epoch_count is out of range"


def test_what_repeats_nothing_is_the_same_reply() -> None:
    """Even where it is no JSON and no text."""
    reply = Reply(502, {}, b"\xff\xfe<html>")
    assert unechoed(reply, HEADERS, examples("how are you")) is reply
