"""A refusal that repeats the request: what must not be shown is taken out, the rest is kept."""

from __future__ import annotations

import json

import pytest

from reconciler.redaction import hide_echoes, hide_quotes, hide_texts

SECRETS = ("ya29.secret", "AIzaSecret")


def said(message: str, *texts: str) -> str:
    """The message after it was cleared of these texts."""
    body = json.dumps({"error": {"code": 400, "message": message}}).encode()
    return str(json.loads(hide_echoes(body, texts))["error"]["message"])


def test_credentials_are_hidden() -> None:
    """A token and a key are hidden. The project whose quota counts is no secret, and stays."""
    assert said("ya29.secret and AIzaSecret of demo", *SECRETS) == "[hidden] and [hidden] of demo"


@pytest.mark.parametrize(
    "text", ["how are you", 'she said "no"\nand left', "größer als 7 €", "\U0001f98a" * 6]
)
def test_training_texts_are_hidden(text: str) -> None:
    """They are hidden in every spelling of JSON."""
    assert said(f"Invalid value: {text}!", text) == "Invalid value: [hidden]!"


def test_the_longest_goes_first() -> None:
    """Nothing is left of a text that contains a shorter one."""
    assert said("bad: one two three", "one two", "one two three") == "bad: [hidden]"


def test_short_texts_leave_the_message_readable() -> None:
    """An example or a token of one letter does not remove letters from the service's words."""
    assert said("epoch_count is out of range", "e", "of", "t") == "epoch_count is out of range"


def test_what_repeats_nothing_is_the_same_body() -> None:
    """This also holds for a body that is no JSON and no text."""
    body = b"\xff\xfe<html>"
    assert hide_echoes(body, ("how are you", *SECRETS)) is body


TEXTS = (
    "zebra-question-7431 0",
    "walrus-answer-9825 0",
    "short01",
    "It\nis a  long story, isn't it?",
    "a" * 900,
)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Example 3: zebra-question-7431 0 is too long", "Example 3: [hidden] is too long"),
        ("cut: zebra-question-74…", "cut: [hidden]…"),
        ("short01, and short01 again", "[hidden], and [hidden] again"),
        ("zebra-question-7431 0walrus-answer-9825 0!", "[hidden]!"),
        ("It is a long story, isn't it? No.", "[hidden] No."),
        ("a" * 255 + "…", "[hidden]…"),
        ("zebra, walrus and short", "zebra, walrus and short"),
        ("", ""),
    ],
)
def test_what_a_reason_has_in_common_with_the_data_is_hide_texts(message: str, shown: str) -> None:
    """Whole texts and pieces of 16 characters are hidden, also with other white space. The rest stays."""
    assert hide_texts(message, TEXTS) == shown


def test_much_data_is_searched_in_pieces() -> None:
    """A text is found wherever it is, even across two pieces."""
    many = (f"{number:06} {'filler ' * 20}" for number in range(20_000))
    assert hide_texts("bad: 019999 filler filler", many) == "bad: [hidden]"


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ('invalid "zebra question 1" here', "invalid [hidden] here"),
        ("don't do this, it isn't good", "don't do this, it isn't good"),
        ("epoch 'five' is no number", "epoch 'five' is no number"),
        ('He said "it\'s zebra 123456" ok', "He said [hidden] ok"),
        ("“zebra question” and «walrus»", "[hidden] and [hidden]"),
        ("see 'zebra question that does not end " + "x" * 300, "see [hidden]"),
        ("the 'x' and 'y' of `abcdef`", "the 'x' and 'y' of [hidden]"),
    ],
)
def test_what_a_reason_quotes_is_hidden(reason: str, shown: str) -> None:
    """Without the data, every quotation may be of it. An apostrophe is no quotation mark."""
    assert hide_quotes(reason) == shown
