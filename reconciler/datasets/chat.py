"""Reads the data of tuning jobs: Vertex AI's chat JSONL, and pairs and messages, which are converted to it.

A line is `{"systemInstruction": {…}, "contents": [{"role": "user", "parts": [{"text": …}]}, …]}`; for
preference tuning it also has `completions`. A line that holds only a pair is read as a pair, so
both forms of the same examples are equal. Source: Google's guide to supervised tuning, "prepare data".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler import bounds
from reconciler.datasets import lookalikes
from reconciler.datasets.messages import MESSAGES, read_messages
from reconciler.datasets.pairs import find_pair, read_pair
from reconciler.datasets.rows import (
    HALF_A_CHARACTER,
    NO_INPUT,
    NO_OUTPUT,
    Form,
    Measured,
    Typed,
    describe_json,
    is_text,
)
from reconciler.identity import encode_canonical
from reconciler.model.data import Example
from reconciler.problems import Refusal, find_nearest
from reconciler.strictjson import is_deep

SUPERVISED, PREFERENCE = "supervised_tuning_spec", "preference_optimization_spec"

FILE_LIMIT = bounds.DATA
"""Bytes of a data set, as documented: 1 GB."""
WHOLE_LIMIT = 256 * bounds.MB
"""Bytes of a .json file: it is one value, which is read whole; JSONL and CSV are read line by line."""
MOST_EXAMPLES = 10_000_000
"""Text examples of a training data set, as documented."""
MOST_MULTIMODAL = 300_000
"""Examples with images, audio or video, as documented."""
MOST_VALIDATION = 5_000
"""Examples of a validation data set, as documented."""
MOST_TOKENS = 131_072
"""Tokens of one example, as documented. We only estimate tokens, so a longer example gets only a warning."""

_NOT_TEXT = ('"fileData":', '"file_data":', '"inlineData":', '"inline_data":')
"""Keys as a canonical line has them. No text can contain one, because quotes in a text are escaped."""
_KEYS = ("systemInstruction", "contents", "completions", "tools", "toolConfig", "generationConfig", "labels")
_SPELLINGS = {
    "system_instruction": "systemInstruction",
    "tool_config": "toolConfig",
    "generation_config": "generationConfig",
}
_ROLES = frozenset({"user", "model", "function", "tool"})


def write_chat_line(example: Example) -> bytes:
    """Write an example as a canonical line of chat JSONL, so that equal examples give equal bytes."""
    if example.line:
        return example.line.encode()
    turns = (("user", example.text_input), ("model", example.output))
    return encode_canonical({"contents": [{"role": role, "parts": [{"text": text}]} for role, text in turns]})


def count_characters(example: Example) -> int:
    """Count the characters of an example: of its texts, or of its whole line of chat. An upper bound."""
    return len(example.line) or len(example.text_input) + len(example.output)


def is_multimodal(example: Example) -> bool:
    """Return whether an example has images, audio or video."""
    return bool(example.line) and any(key in example.line for key in _NOT_TEXT)


def _read_supervised(row: object) -> Example | Refusal:
    if isinstance(row, dict) and MESSAGES in row and "contents" not in row:
        said = read_messages(row)
        return said if isinstance(said, Refusal) else find_pair(said) or _keep_line(said)
    if not (isinstance(row, dict) and "contents" in row):
        return read_pair(row, chat=True)
    found = _read_chat(row)
    if isinstance(found, Refusal):
        return found
    if "completions" in found:
        return Refusal(
            "completions belong to preference tuning", "Write the answer as the last turn of contents."
        )
    if found["contents"][-1].get("role") != "model":
        return Refusal(
            "the last turn of contents is not the model's", 'End with {"role": "model", "parts": […]}.'
        )
    return find_pair(found) or _keep_line(found)


def _read_preference(row: object) -> Example | Refusal:
    if not (isinstance(row, dict) and "contents" in row):
        named = lookalikes.name_row(row.keys(), chat=True) if isinstance(row, dict) else None
        if isinstance(row, dict) and MESSAGES in row:
            named = Refusal(
                "'messages' holds one answer, and preference tuning takes two",
                "Write contents and two completions, or declare a supervised_tuning_spec.",
            )
        return named or Refusal(
            "an example of preference tuning is an object with contents and completions",
            'Write {"contents": […], "completions": [{"score": 1, "completion": {…}}, …]}.',
        )
    found = _read_chat(row)
    if isinstance(found, Refusal):
        return found
    completions = found.get("completions")
    if not isinstance(completions, list) or len(completions) != 2:
        return Refusal(
            "completions must be a list of two", "Write the preferred answer and the other answer."
        )
    for answer in completions:
        is_scored = isinstance(answer, dict) and isinstance(answer.get("score"), (int, float))
        if not is_scored or "completion" not in answer:
            return Refusal(
                "a completion has no score or no completion", 'Write {"score": 1, "completion": {…}}.'
            )
        refusal = _check_turn(answer["completion"], "completion")
        if refusal is not None:
            return refusal
    return _keep_line(found)


def _read_chat(row: Mapping[str, object]) -> dict[str, Any] | Refusal:
    """Check the turns of an object, and return it with the API's spelling of its keys."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        name = _SPELLINGS.get(key, key)
        if name not in _KEYS:
            near = find_nearest(key, _KEYS)
            advice = f"Did you mean {near}?" if near else "Remove it."
            return Refusal(f"{key!r} is not a key of chat data", advice)
        if name in found:
            return Refusal(f"{name} occurs twice, in both spellings", "Remove one of them.")
        found[name] = value
    turns = found["contents"]
    if not isinstance(turns, list) or not turns:
        return Refusal(
            "contents is not a list of turns", 'Write [{"role": "user", "parts": [{"text": "…"}]}, …].'
        )
    for turn in turns:
        refusal = _check_turn(turn, "a turn of contents") or _check_role(turn)
        if refusal is not None:
            return refusal
    if "systemInstruction" in found:
        return _check_turn(found["systemInstruction"], "systemInstruction") or found
    return found


def _check_role(turn: Mapping[str, object]) -> Refusal | None:
    role = turn.get("role", "user")  # optional in the documents: a function's answer has none
    if not isinstance(role, str):
        return Refusal(f"the role is {describe_json(role)}, not a text", lookalikes.ROLES_ADVICE)
    return (
        None if role in _ROLES else Refusal(f"the role {role!r} is not known", lookalikes.advise_role(role))
    )


def _check_turn(turn: object, what: str) -> Refusal | None:
    parts = turn.get("parts") if isinstance(turn, dict) else None
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) and part for part in parts):
        return Refusal(f"{what} has no parts", lookalikes.advise_turn(turn))
    for part in parts:
        if "text" in part and not isinstance(part["text"], str):
            return Refusal(f"a text of {what} is not text", "Put it in quotes.")
    return None


def _keep_line(found: Mapping[str, Any]) -> Example | Refusal:
    try:
        line = encode_canonical(found).decode(errors="surrogatepass")
    except ValueError:
        return Refusal("a number is too large", "Write a number below 1e308, which JSON readers can hold.")
    # only a line with many brackets can be deep, and counting brackets is faster than walking the objects
    if line.count("[") + line.count("{") > bounds.DEPTH and is_deep(found):
        return Refusal("nested too deeply", f"Nest at most {bounds.DEPTH} lists and objects.")
    return Example("", "", line)


def _check_example(example: Example) -> Refusal | None:
    if not example.line and not example.output:
        return NO_OUTPUT
    if not example.line and not example.text_input:
        return NO_INPUT
    return None if is_text(example.text_input + example.output + example.line) else HALF_A_CHARACTER


def _advise_example(example: Example) -> Refusal | None:
    characters = count_characters(example)
    if characters <= 4 * MOST_TOKENS:
        return None
    return Refusal(
        f"{characters:,} characters are probably more than {MOST_TOKENS:,} tokens",
        "The service drops longer examples: split this one.",
    )


def _check_all(found: Measured, is_validation: bool) -> Iterator[Refusal]:  # noqa: FBT001 -- see rows.Form
    data = "validation" if is_validation else "training"
    for count, most, what in (
        (found.examples, MOST_VALIDATION if is_validation else MOST_EXAMPLES, "examples"),
        (found.multimodal, MOST_MULTIMODAL, "examples with more than text"),
        (found.size, FILE_LIMIT, "bytes as chat JSONL"),
    ):
        if count > most:
            yield Refusal(
                f"the {data} data has {count:,} {what}, and the service takes {most:,}", "Leave some out."
            )


_PAIR = {"output": "", "textInput": ""}
CHATS: Mapping[str, Form] = {
    form: Form(
        read=read,
        check=_check_example,
        advise=_advise_example,
        check_all=_check_all,
        most=FILE_LIMIT,
        most_json=WHOLE_LIMIT,
        frame=len(write_chat_line(Example("", ""))) - len(encode_canonical(_PAIR)),
        takes_chat=True,
        typed=typed,
    )
    for form, read, typed in (
        (SUPERVISED, _read_supervised, Typed(takes_chat=True)),
        (PREFERENCE, _read_preference, None),
    )
}
