"""Held-out examples: what is asked, and what is expected."""

from __future__ import annotations

import json

import pytest

from reconciler.datasets.held_out import split_example
from reconciler.model.checks import Prompt
from reconciler.model.data import Example
from reconciler.problems import Refusal

USER, MODEL = ({"role": role, "parts": [{"text": text}]} for role, text in (("user", "1"), ("model", "2")))


def test_a_pair_asks_its_input() -> None:
    """White space around an answer does not count."""
    assert split_example(Example("1", " 2 ")) == (Prompt("1"), "2")


def test_a_chat_asks_all_but_its_last_turn() -> None:
    """The system instruction is asked too, and all in the service's own form."""
    system = {"parts": [{"text": "Count."}]}
    line = json.dumps({"systemInstruction": system, "contents": [USER, MODEL, USER, MODEL]})
    found = split_example(Example("", "", line))
    assert not isinstance(found, Refusal)
    prompt, expected = found
    assert json.loads(prompt.line) == {"systemInstruction": system, "contents": [USER, MODEL, USER]}
    assert expected == "2"


ENDS = "an example of a check ends with the expected answer"


@pytest.mark.parametrize(
    ("chat", "summary"),
    [
        ({"contents": [USER]}, ENDS),
        ({"contents": [MODEL]}, ENDS),
        (
            {"contents": [USER, MODEL], "completions": []},
            ENDS,
        ),
        (
            {"contents": [USER, {"role": "model", "parts": [{"fileData": {}}]}]},
            "the expected answer has more than text",
        ),
    ],
)
def test_what_has_no_expected_text_is_refused(chat: dict[str, object], summary: str) -> None:
    """Only text can be compared."""
    found = split_example(Example("", "", json.dumps(chat)))
    assert isinstance(found, Refusal)
    assert found.summary == summary
