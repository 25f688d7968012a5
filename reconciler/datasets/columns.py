"""Reads an example from the columns of a file that a manifest names, in CSV and in JSON alike.

Rule: other columns are ignored, but nothing in a named column is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from reconciler.datasets import lookalikes
from reconciler.datasets.pairs import advise_text
from reconciler.datasets.rows import NO_INPUT, NO_OUTPUT, cut_names, describe_json, quote_name
from reconciler.identity import encode_canonical
from reconciler.model.data import Example
from reconciler.problems import Refusal, find_nearest

INSTRUCTION = "system_instruction"
"""Our name of the column that may hold an instruction. Only data of tuning jobs has it."""

_AS_TEXT = "In pandas, convert the column before you save it: astype(str)."


def make_example(texts: Mapping[str, str]) -> Example | Refusal:
    """Make an example from texts under our names. Without an instruction it is a pair."""
    instruction = texts.get(INSTRUCTION)
    if not instruction:
        return Example(texts["text_input"], texts["output"])
    if not texts["output"]:
        return NO_OUTPUT
    if not texts["text_input"]:
        return NO_INPUT
    turns = (("user", texts["text_input"]), ("model", texts["output"]))
    line = {
        "contents": [{"role": role, "parts": [{"text": text}]} for role, text in turns],
        "systemInstruction": {"parts": [{"text": instruction}]},
    }
    return Example("", "", encode_canonical(line).decode(errors="surrogatepass"))


def read_object(row: object, columns: Mapping[str, str]) -> Example | Refusal:
    """Read a JSON object.

    Args:
        row: any JSON value.
        columns: maps our name of each column to its name in the object.
    """
    if not isinstance(row, dict):
        return Refusal(
            f"an example must be an object, not {describe_json(row)}", "Write one object per example."
        )
    texts: dict[str, str] = {}
    for ours, name in columns.items():
        if name not in row:
            form = lookalikes.name_chat(row)
            advice = f"{form} needs no columns: remove columns from the manifest." if form else ""
            return refuse_missing(name, "key", row, advice)
        value = row[name]
        if value is None and ours == INSTRUCTION:
            continue
        if not isinstance(value, str):
            advice = (
                "Write a text, or leave the example out."
                if value is None
                else f"{advise_text(value)} {_AS_TEXT}"
            )
            return Refusal(f"{quote_name(name)} must be text, not {describe_json(value)}", advice)
        texts[ours] = value
    return make_example(texts)


def refuse_missing(name: str, what: str, names: Iterable[str], advice: str = "") -> Refusal:
    """Say that a file lacks a column or key that the manifest names, and list those that it has."""
    summary = f"the {what} {quote_name(name)} is missing"
    return Refusal(summary, advice or _list_names(name, cut_names(names)))


@lru_cache(maxsize=100)
def _list_names(name: str, names: tuple[str, ...]) -> str:
    near = find_nearest(name, names)
    listed = ", ".join(map(quote_name, names[:8])) + (", …" if len(names) > 8 else "")
    meant = f"Did you mean {quote_name(near)}? " if near else ""
    return (
        f"{meant}There are only {listed}: correct columns in the manifest."
        if names
        else "The object has no keys: add them."
    )
