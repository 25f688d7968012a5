"""Splits a held-out example into what a model is asked and what it is expected to answer."""

from __future__ import annotations

from reconciler import bounds
from reconciler.identity import encode_canonical
from reconciler.model.checks import Prompt
from reconciler.model.data import Example
from reconciler.problems import Refusal
from reconciler.strictjson import loads

MOST = 1_000
"""Examples of a held-out file: each is a call that is billed."""


def split_example(example: Example) -> tuple[Prompt, str] | Refusal:
    """Split an example: its last turn is the expected answer, and all before it is the prompt."""
    if not example.line:
        return Prompt(example.text_input), example.output.strip()
    chat = loads(example.line.encode(), most=bounds.DATA)
    *turns, last = chat["contents"]
    if "completions" in chat or last.get("role") != "model" or not turns:
        return Refusal(
            "an example of a check ends with the expected answer",
            'Write contents whose last turn is {"role": "model", "parts": [{"text": "…"}]}.',
        )
    texts = [part.get("text") for part in last["parts"]]
    if not all(isinstance(text, str) for text in texts):
        return Refusal(
            "the expected answer has more than text", "Write only text, because nothing else can be compared."
        )
    asked = {key: value for key, value in chat.items() if key not in {"contents", "labels"}}
    line = encode_canonical({**asked, "contents": turns}).decode()
    return Prompt("", line=line), "".join(texts).strip()
