"""Data of tuning jobs: Vertex's chat JSONL, or pairs that are converted to it; held against its limits.

A line is `{"systemInstruction": {…}, "contents": [{"role": "user", "parts": [{"text": …}]}, …]}`; for
preference tuning it also has `completions`. A line that says no more than a pair is one, so both forms of
the same examples are equal. Source: Google's guide to supervised tuning, "prepare data".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler import bounds
from reconciler.datasets import lookalikes
from reconciler.datasets.formats import Complaints, stream
from reconciler.datasets.rows import RefusedError, described_json, example
from reconciler.identity import canonical, canonical_example
from reconciler.model import Example
from reconciler.problems import Place, Problems, nearest

SUPERVISED, PREFERENCE = "supervised_tuning_spec", "preference_optimization_spec"

FILE_LIMIT = bounds.DATA
"""Bytes of a data set, as documented: 1 GB."""
WHOLE_LIMIT = 256 * 1024 * 1024
"""Bytes of a .json file: it is one value, which is read whole; JSONL and CSV are read line by line."""
MOST_EXAMPLES = 10_000_000
"""Text examples of a training data set, as documented."""
MOST_MULTIMODAL = 300_000
"""Examples with images, audio or video, as documented."""
MOST_VALIDATION = 5_000
"""Examples of a validation data set, as documented."""
MOST_TOKENS = 131_072
"""Tokens of one example, as documented; a token is some 4 characters, so nothing is refused for it."""

EMPTY = ("the data set is empty", "Write at least one example.")
_NOT_TEXT = ('"fileData":', '"file_data":', '"inlineData":', '"inline_data":')
"""In a canonical line only keys are written so: within a text the quotes are escaped."""
_PAIR = {"contents": [{"role": role, "parts": [{"text": ""}]} for role in ("user", "model")]}
_AROUND_A_PAIR = len(canonical(_PAIR)) - len(canonical({"output": "", "textInput": ""}))
"""Bytes that a pair has more as chat JSONL than as a line of its digest."""
_KEYS = ("systemInstruction", "contents", "completions", "tools", "toolConfig", "generationConfig", "labels")
_SPELLINGS = {
    "system_instruction": "systemInstruction",
    "tool_config": "toolConfig",
    "generation_config": "generationConfig",
}
_ROLES = frozenset({"user", "model", "function", "tool"})


def _supervised(row: object) -> Example:
    if not (isinstance(row, Mapping) and "contents" in row):
        return example(row, chat=True)
    found = _line(row)
    if "completions" in found:
        raise RefusedError(
            "completions belong to preference tuning", "Write the answer as the last of contents."
        )
    turns = found["contents"]
    last = turns[-1]
    if last.get("role") != "model":
        raise RefusedError(
            "the last of contents is not the model's", 'End with {"role": "model", "parts": […]}.'
        )
    pair = _pair(found)
    return pair or Example("", "", canonical(found).decode(errors="surrogatepass"))


def _preference(row: object) -> Example:
    if not (isinstance(row, Mapping) and "contents" in row):
        named = lookalikes.name_row(row.keys(), chat=True) if isinstance(row, Mapping) else None
        raise RefusedError(
            *named
            or (
                "an example of preference tuning is an object with contents and completions",
                'Write {"contents": […], "completions": [{"score": 1, "completion": {…}}, …]}.',
            )
        )
    found = _line(row)
    completions = found.get("completions")
    if not isinstance(completions, list) or len(completions) != 2:
        raise RefusedError("completions is not a list of two", "Write the preferred and the other answer.")
    for one in completions:
        if (
            not isinstance(one, dict)
            or not isinstance(one.get("score"), (int, float))
            or "completion" not in one
        ):
            raise RefusedError(
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
            raise RefusedError(
                f"{key!r} is not a key of chat data", f"Did you mean {near}?" if near else "Remove it."
            )
        if name in found:
            raise RefusedError(f"{name} is there twice, in both spellings", "Remove one of them.")
        found[name] = value
    turns = found["contents"]
    if not isinstance(turns, list) or not turns:
        raise RefusedError(
            "contents is not a list of turns", 'Write [{"role": "user", "parts": [{"text": "…"}]}, …].'
        )
    for turn in turns:
        _turn(turn, "a turn of contents")
        role = turn.get("role", "user")  # optional in the documents: a function's answer has none
        if not isinstance(role, str):
            raise RefusedError(f"the role is {described_json(role)}, not a text", lookalikes.ROLES_ADVICE)
        if role not in _ROLES:
            raise RefusedError(f"the role {role!r} is not known", lookalikes.advise_role(role))
    if "systemInstruction" in found:
        _turn(found["systemInstruction"], "systemInstruction")
    return found


def _turn(turn: object, what: str) -> None:
    parts = turn.get("parts") if isinstance(turn, dict) else None
    if not isinstance(parts, list) or not parts or not all(isinstance(one, dict) and one for one in parts):
        raise RefusedError(f"{what} has no parts", lookalikes.advise_turn(turn))
    for one in parts:
        if "text" in one and not isinstance(one["text"], str):
            raise RefusedError(f"a text of {what} is no text", "Put it in quotes.")


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


@dataclass(frozen=True, slots=True)
class Measured:
    """What sound training data amounts to; not the data, of which there may be much.

    Attributes:
        size: bytes in a request body, or a bound that is far below the limit; 0 for what is uploaded.
    """

    examples: int
    digest: str
    characters: int
    size: int


def rows(path: str, problems: Problems, form: str) -> Iterator[tuple[Place, Example]]:
    """The examples of a file, each with its place, as they are read; OSError as `data_formats.stream`."""
    complaints = Complaints(path, problems)
    yield from stream(path, complaints, read=READERS[form], limit=FILE_LIMIT, whole=WHOLE_LIMIT)
    complaints.close()


def measure(path: str, problems: Problems, *, form: str, validation: bool) -> Measured | None:
    """Read a file once, held against the documented limits; None after noting what is wrong.

    Raises:
        OSError: it cannot be read, or is too large.
    """
    before = len(problems)
    complaints = Complaints(path, problems)
    digest = hashlib.sha256()
    examples = characters = size = multimodal = 0
    for place, one in stream(path, complaints, read=READERS[form], limit=FILE_LIMIT, whole=WHOLE_LIMIT):
        if not _hold(one, place, complaints):
            continue
        line = canonical_example(one)
        digest.update(line + b"\n")
        examples += 1
        characters += characters_of(one)
        size += len(line) + 1 + (0 if one.line else _AROUND_A_PAIR)
        multimodal += any(key in one.line for key in _NOT_TEXT)
    complaints.close()
    for count, most, what in (
        (examples, MOST_VALIDATION if validation else MOST_EXAMPLES, "examples"),
        (multimodal, MOST_MULTIMODAL, "examples with other than text"),
        (size, FILE_LIMIT, "bytes as chat JSONL"),
    ):
        if count > most:
            data = "validation" if validation else "training"
            problems.error(
                Place(path),
                f"the {data} data has {count:,} {what}, and the service takes {most:,}",
                "Leave some out.",
            )
    if not examples and len(problems) == before:
        problems.error(Place(path), *EMPTY)
    return Measured(examples, digest.hexdigest(), characters, 0) if len(problems) == before else None


def _hold(one: Example, place: Place, complaints: Complaints) -> bool:
    """Whether it is one that can be learnt from."""
    if not one.line and not one.output:
        complaints.error(place, "output is empty", "Write the answer to learn, or remove the example.")
    elif not one.line and not one.text_input:
        complaints.error(place, "text_input is empty", "Write the prompt, or remove the example.")
    elif not _is_text(one):
        complaints.error(place, "half of a surrogate pair is no character", "Write both halves, or neither.")
    else:
        if characters_of(one) > 4 * MOST_TOKENS:
            complaints.warning(
                place,
                f"{characters_of(one):,} characters are probably more than {MOST_TOKENS:,} tokens",
                "The service drops examples that are longer; split it.",
            )
        return True
    return False


def _is_text(one: Example) -> bool:
    try:
        (one.text_input + one.output + one.line).encode()
    except UnicodeEncodeError:
        return False
    return True
