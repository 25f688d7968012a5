"""Data of TunedModels: pairs of text_input and output, sent with the request.

Rule: strings only, exactly as written. Nothing is trimmed, normalised, guessed or left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from reconciler.bounds import MB
from reconciler.datasets import lookalikes
from reconciler.datasets.messages import MESSAGES, read_messages
from reconciler.datasets.plain_pairs import INPUT_LIMIT, OUTPUT_LIMIT
from reconciler.datasets.rows import (
    HALF_A_CHARACTER,
    LONGEST_NAME,
    NO_OUTPUT,
    Form,
    Typed,
    cut_names,
    describe_json,
    is_text,
    quote_name,
)
from reconciler.model.data import Example
from reconciler.problems import Refusal, find_nearest

SPELLINGS = {"text_input": "text_input", "textInput": "text_input", "output": "output"}
"""Spellings of each column, and the column's name."""
COLUMNS = ("text_input", "output")

FILE_LIMIT = 64 * MB
"""Bytes of a data file; far above what one request takes, so that the message can say more."""

_NAME_OTHERS = "name others in the manifest: {file: …, columns: {text_input: NAME, output: NAME}}."
PAIRS_ONLY = f"Only text_input and output are read; {_NAME_OTHERS}"
_OR_CHAT = f"A line has text_input and output, contents, or messages; {_NAME_OTHERS}"


def read_pair(row: object, *, chat: bool = False) -> Example | Refusal:
    """Read a JSON value as a pair.

    Args:
        row: any JSON value.
        chat: whether the kind accepts Vertex AI's chat form too; only the words of a refusal depend on it.
    """
    if not isinstance(row, dict):
        return Refusal(
            f"an example must be an object, not {describe_json(row)}",
            'Write {"text_input": "…", "output": "…"}.',
        )
    found: dict[str, str] = {}
    for key, value in row.items():
        name = SPELLINGS.get(key)
        if name is None:
            takes = _OR_CHAT if chat else PAIRS_ONLY
            return lookalikes.name_row(row.keys(), chat=chat) or refuse_name(key, "key", row, takes)
        if name in found:
            return Refusal(f"{name} occurs twice, in both spellings", "Remove one of them.")
        if not isinstance(value, str):
            return Refusal(f"{key} must be text, not {describe_json(value)}", advise_text(value))
        found[name] = value
    for name in COLUMNS:
        if name not in found:
            return Refusal(f"{name} is missing", "Each example has text_input and output.")
    return Example(found["text_input"], found["output"])


def find_pair(found: Mapping[str, Any]) -> Example | None:
    """Read a chat line as a pair; None if it holds more than a pair can."""
    turns = found["contents"]
    if len(found) != 1 or len(turns) != 2:
        return None
    texts = []
    for turn, role in zip(turns, ("user", "model"), strict=True):
        part, *others = turn["parts"]
        if others or turn.keys() != {"role", "parts"} or turn["role"] != role or part.keys() != {"text"}:
            return None
        texts.append(part["text"])
    return Example(*texts)


def _read_row(row: object) -> Example | Refusal:
    if not (isinstance(row, dict) and MESSAGES in row):
        return read_pair(row)
    found = read_messages(row)
    return found if isinstance(found, Refusal) else find_pair(found) or _refuse_conversation(found)


def _refuse_conversation(found: Mapping[str, Any]) -> Refusal:
    turns = len(found["contents"])
    has = "a system message" if len(found) > 1 else f"{turns} turns" if turns > 2 else "several texts a turn"
    return Refusal(
        f"messages has {has}, and a TunedModel takes one question and its answer", lookalikes.SINGLE_TURNS
    )


def advise_text(value: object) -> str:
    """Say what to write instead of a JSON value that is not text."""
    is_plain = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    quoted = json.dumps(value, allow_nan=False) if is_plain else ""
    return f'Put it in quotes: "{quoted}".' if 0 < len(quoted) < 40 else "Write a text in double quotes."


def refuse_name(name: str, what: str, names: Iterable[str], takes: str = PAIRS_ONLY) -> Refusal:
    """Say why a row with this column or key is not a pair, and how to declare or rename it.

    Args:
        name: of the column or key.
        what: "column" or "key".
        names: of all columns, or keys of the row.
        takes: which names are there.
    """
    has_name = f"{quote_name(name)} is not a {what} of training data"
    summary = has_name if name else f"there is a {what} without a name"
    return Refusal(summary, _advise_name(name[:LONGEST_NAME], cut_names(names), takes))


@lru_cache(maxsize=100)
def _advise_name(name: str, names: tuple[str, ...], takes: str) -> str:
    columns = lookalikes.suggest_columns(names)
    declared = f"in the manifest: {lookalikes.declare_file(columns)}. Other names are then ignored."
    if lookalikes.is_index(name):
        return f"{lookalikes.INDEX_ADVICE} {f'Or declare {declared}' if columns else takes}"
    meant, near = lookalikes.find_column(name), find_nearest(name, COLUMNS)
    advice = f"Rename it to {meant}. " if meant else f"Did you mean {near}? " if near else ""
    return f"Declare {declared}" if columns else f"{advice}{takes}"


def _check_pair(example: Example) -> Refusal | None:
    text_input, output = example.text_input, example.output
    if not output:
        return NO_OUTPUT
    if len(text_input) > INPUT_LIMIT:
        return _refuse_long("text_input", text_input, INPUT_LIMIT)
    if len(output) > OUTPUT_LIMIT:
        return _refuse_long("output", output, OUTPUT_LIMIT)
    return None if is_text(text_input) and is_text(output) else HALF_A_CHARACTER


def _refuse_long(name: str, text: str, most: int) -> Refusal:
    return Refusal(
        f"{name} has {len(text):,} characters, and the service takes {most:,}",
        "Shorten it, or split the example.",
    )


PAIRS = Form(
    read=_read_row,
    check=_check_pair,
    advise=lambda _: None,
    check_all=lambda *_: (),
    most=FILE_LIMIT,
    most_json=FILE_LIMIT,
    typed=Typed(takes_no_input=True, longest=(INPUT_LIMIT, OUTPUT_LIMIT)),
)
