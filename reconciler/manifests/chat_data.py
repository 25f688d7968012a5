"""Data of tuning jobs: Vertex's chat JSONL, or pairs that are converted to it; held against its limits.

A line is `{"systemInstruction": {…}, "contents": [{"role": "user", "parts": [{"text": …}]}, …]}`; for
preference tuning it also has `completions`. A line that says no more than a pair is one, so both forms of
the same examples are equal. Source: Google's guide to supervised tuning, "prepare data".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.identity import canonical
from reconciler.manifests.data_formats import example, refused
from reconciler.manifests.problems import Place, Problems, nearest
from reconciler.model import Example

SUPERVISED, PREFERENCE = "supervised_tuning_spec", "preference_optimization_spec"

FILE_LIMIT = 256 * 1024 * 1024
"""Bytes of a file that we upload. The service takes 1 GB: what is larger goes to the bucket directly."""
MOST_EXAMPLES = 10_000_000
"""Text examples of a training data set, as documented."""
MOST_VALIDATION = 5_000
"""Examples of a validation data set, as documented."""
MOST_TOKENS = 131_072
"""Tokens of one example, as documented; a token is some 4 characters, so nothing is refused for it."""

_KEYS = ("systemInstruction", "contents", "completions", "tools", "toolConfig", "generationConfig", "labels")
_SPELLINGS = {
    "system_instruction": "systemInstruction",
    "tool_config": "toolConfig",
    "generation_config": "generationConfig",
}
_ROLES = frozenset({"user", "model", "function", "tool"})


def _supervised(row: object) -> Example:
    if not (isinstance(row, Mapping) and "contents" in row):
        return example(row)
    found = _line(row)
    if "completions" in found:
        raise refused("completions belong to preference tuning", "Write the answer as the last of contents.")
    turns = found["contents"]
    last = turns[-1]
    if last.get("role") != "model":
        raise refused("the last of contents is not the model's", 'End with {"role": "model", "parts": […]}.')
    pair = _pair(found)
    return pair or Example("", "", canonical(found).decode(errors="surrogatepass"))


def _preference(row: object) -> Example:
    if not (isinstance(row, Mapping) and "contents" in row):
        raise refused(
            "an example of preference tuning is an object with contents and completions",
            'Write {"contents": […], "completions": [{"score": 1, "completion": {…}}, …]}.',
        )
    found = _line(row)
    completions = found.get("completions")
    if not isinstance(completions, list) or len(completions) != 2:
        raise refused("completions is not a list of two", "Write the preferred and the other answer.")
    for one in completions:
        if (
            not isinstance(one, dict)
            or not isinstance(one.get("score"), (int, float))
            or "completion" not in one
        ):
            raise refused(
                "a completion has no score or no completion", 'Write {"score": 1, "completion": {…}}.'
            )
        _turn(one["completion"], "completion")
    return Example("", "", canonical(found).decode(errors="surrogatepass"))


READERS: Mapping[str, Callable[[object], Example]] = {SUPERVISED: _supervised, PREFERENCE: _preference}
"""The form of a data set to how a row of it is read."""


def _line(row: Mapping[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        name = _SPELLINGS.get(key, key)
        if name not in _KEYS:
            near = nearest(key, _KEYS)
            raise refused(
                f"{key!r} is not a key of chat data", f"Did you mean {near}?" if near else "Remove it."
            )
        if name in found:
            raise refused(f"{name} is there twice, in both spellings", "Remove one of them.")
        found[name] = value
    turns = found["contents"]
    if not isinstance(turns, list) or not turns:
        raise refused(
            "contents is not a list of turns", 'Write [{"role": "user", "parts": [{"text": "…"}]}, …].'
        )
    for turn in turns:
        _turn(turn, "a turn of contents")
        if turn.get("role") not in _ROLES:
            raise refused(f"the role {turn.get('role')!r} is not known", 'Write "user" or "model".')
    if "systemInstruction" in found:
        _turn(found["systemInstruction"], "systemInstruction")
    return found


def _turn(turn: object, what: str) -> None:
    parts = turn.get("parts") if isinstance(turn, dict) else None
    if not isinstance(parts, list) or not parts or not all(isinstance(one, dict) and one for one in parts):
        raise refused(f"{what} has no parts", 'Write {"role": "…", "parts": [{"text": "…"}]}.')
    for one in parts:
        if "text" in one and not isinstance(one["text"], str):
            raise refused(f"a text of {what} is no text", "Put it in quotes.")


def _pair(found: Mapping[str, object]) -> Example | None:
    """As a pair, where the line says no more than one."""
    turns = found["contents"]
    if set(found) != {"contents"} or not isinstance(turns, list) or len(turns) != 2:
        return None
    texts = []
    for turn, role in zip(turns, ("user", "model"), strict=True):
        parts = turn["parts"]
        if (
            set(turn) != {"role", "parts"}
            or turn["role"] != role
            or len(parts) != 1
            or set(parts[0]) != {"text"}
        ):
            return None
        texts.append(parts[0]["text"])
    return Example(texts[0], texts[1])


def characters_of(one: Example) -> int:
    """Of all texts; of a line about as many as it has."""
    return len(one.line) or len(one.text_input) + len(one.output)


def hold(
    examples: Sequence[Example], places: Sequence[Place], path: str, problems: Problems, *, validation: bool
) -> bool:
    """Hold examples against the documented limits; False after noting what is wrong."""
    before = len(problems)
    most = MOST_VALIDATION if validation else MOST_EXAMPLES
    if len(examples) > most:
        problems.error(
            Place(path),
            f"the {'validation' if validation else 'training'} data has {len(examples):,} examples, and the "
            f"service takes {most:,}",
            "Leave some out.",
        )
    for one, place in zip(examples, places, strict=True):
        if not one.line and not one.output:
            problems.error(place, "output is empty", "Write the answer to learn, or remove the example.")
        elif not one.line and not one.text_input:
            problems.error(place, "text_input is empty", "Write the prompt, or remove the example.")
        elif not _is_text(one):
            problems.error(
                place, "half of a surrogate pair is no character", "Write both halves, or neither."
            )
        elif characters_of(one) > 4 * MOST_TOKENS:
            problems.warning(
                place,
                f"{characters_of(one):,} characters are probably more than {MOST_TOKENS:,} tokens",
                "The service drops examples that are longer; split it.",
            )
    return len(problems) == before


def _is_text(one: Example) -> bool:
    try:
        (one.text_input + one.output + one.line).encode()
    except UnicodeEncodeError:
        return False
    return True
