"""Puts pydantic's errors into our words: the key's path, what is wrong with its value, and what to write.

Rule: a message names the path as the author spelled it, and repeats only as much of a value as people need to
recognise it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, TypeAlias

from pydantic import ValidationError

from reconciler.formats import shorten
from reconciler.manifests.documents import Document
from reconciler.manifests.scalars import LEADING_ZERO, resolve
from reconciler.manifests.schema_types import HOLDS_A_CREDENTIAL, Declared, find_model, to_snake_case
from reconciler.problems import describe, find_nearest, write_scalar

_Way: TypeAlias = Sequence[str | int]
"""The keys and indices that lead to a value, as pydantic has them."""
_KEY = "[key]"
"""Pydantic's mark in a path for "the key itself"."""


def explain(error: ValidationError, model: type[Declared], document: Document, address: str | None) -> None:
    """Note every error that pydantic found in a document.

    Args:
        error: the errors that pydantic found.
        model: the schema of the whole document.
        document: the document.
        address: the model's address, if it is known.
    """
    misspelled = list_misspelled(error, model)
    for found in error.errors(include_url=False):
        path = found["loc"]
        if found["type"] != "missing" and found["input"] is None:
            continue  # "has no value" is noted already
        of_key = found["type"] in {"extra_forbidden", "missing"}
        if path and path[-1] == _KEY:
            path, of_key = path[:-1], True
            summary, detail = _put_in_words(found, model, document, path[:-1])
        elif found["type"] == "missing":
            # pydantic names the alias; every key but this one is written in snake_case in our texts
            path, leaf = path[:-1], path[-1] if path[-1] == "apiVersion" else to_snake_case(str(path[-1]))
            if _spell_path((*path, leaf)) in misspelled:
                continue  # the key that is meant to be this one is noted
            advice = _find_owner(model, path).MISSING.get(leaf, f"Add the key {leaf}.")
            summary, detail = f"{_name_path((*path, leaf))} is missing", advice
        else:
            summary, detail = _put_in_words(found, model, document, path)
        document.at(path).error(summary, detail, of_key=of_key, address=address)


def list_misspelled(error: ValidationError, model: type[Declared]) -> frozenset[str]:
    """List the paths in snake_case of the keys that are meant by keys that are not known."""
    return frozenset(
        _spell_path((*found["loc"][:-1], near))
        for found in error.errors(include_url=False)
        if found["type"] == "extra_forbidden" and (near := _guess_key(model, found["loc"])) is not None
    )


def _spell_path(path: _Way) -> str:
    return ".".join(to_snake_case(str(step)) for step in path)


def _name_path(path: _Way) -> str:
    """Write a path for people: spec.reader_project_numbers[1]."""
    name = ""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name


def _put_in_words(problem: Any, model: type[Declared], document: Document, path: _Way) -> tuple[str, str]:
    """Say what is wrong, and what to do now."""
    name, value, limits, kind = _name_path(path), problem["input"], problem.get("ctx", {}), problem["type"]
    if kind in _TYPES:
        return f"{name} must be {_TYPES[kind]}, not {describe(value)}", _advise(kind, value, path)
    match kind:
        case "refused":
            # a value that may be a credential must not be repeated
            showable = isinstance(value, (str, int, float)) and value != ""
            written = repr(value) if isinstance(value, str) else write_scalar(value)
            shown = f" {shorten(written, 60)}" if showable and limits["summary"] != HOLDS_A_CREDENTIAL else ""
            return f"{name}{shown} {limits['summary']}", limits["advice"]
        case "extra_forbidden":
            return _refuse_key(model, document, path)
        case "greater_than_equal" | "greater_than" | "less_than_equal":
            return _refuse_range(name, value, limits)
        case "finite_number":
            return f"{name} is {write_scalar(value)}, not a finite number", "Write a number."
        case "string_too_short":
            return f"{name} is empty", "Give it a text, or remove the key."
        case "string_too_long":
            most = limits["max_length"]
            return f"{name} has {len(value):,} characters, and at most {most:,} are allowed", "Shorten it."
        case "literal_error":
            return _refuse_option(name, value, limits["expected"])
        case _:
            return f"{name}: {problem['msg']}", ""


_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def _refuse_range(name: str, value: object, limits: Mapping[str, object]) -> tuple[str, str]:
    for limit, how, advice in (
        ("ge", "below", "Write {} or more."),
        ("gt", "not above", "Write a number above it."),
        ("le", "above", "Write {} or less."),
    ):
        if limit in limits:
            bound = f"{limits[limit]:g}" if isinstance(limits[limit], float) else write_scalar(limits[limit])
            return f"{name} is {write_scalar(value)}, {how} {bound}", advice.format(bound)
    raise AssertionError(f"a range without a bound: {limits}")


def _advise(kind: str, value: object, path: _Way) -> str:
    """Say what to write instead of a value of a wrong type."""
    match kind:
        case "string_type":
            if isinstance(value, (bool, int, float)):
                return f'Put it in quotes: "{write_scalar(value)}".'
            return "Write a single text; put it in quotes if it begins with a bracket."
        case "bool_type":
            return "Write true or false."
        case "int_type" | "float_type":
            return _advise_number(value, whole=kind == "int_type")
        case "list_type":
            if isinstance(value, dict):
                return "Begin each item with '- '."
            return (
                f"Write a list: [{value}]." if isinstance(value, (str, int)) else "Write a list: [VALUE, …]."
            )
        case _:
            if isinstance(value, list) and path and path[-1] == "examples":
                return "Write examples: {examples: [...]}, as in Google's tutorial."
            if isinstance(value, str) and "/" in value and path and path[-1] == "source":
                return f"Write source: {{address: {shorten(value, 60)}}}."
            return "Write KEY: VALUE pairs."


def _advise_number(value: object, *, whole: bool) -> str:
    if isinstance(value, str):
        return _advise_number_in_text(value)
    if whole and isinstance(value, float) and value.is_integer():
        return f"Write {int(value)}."
    return "Write a whole number." if whole else "Write a number."


def _advise_number_in_text(text: str) -> str:
    if re.fullmatch(LEADING_ZERO, text):
        return "A number with a leading zero is read as text: octal or decimal? Write it without."
    if not isinstance(resolve(text), str):
        return "Write the number without quotes."
    plain = text.replace("_", "").replace(",", ".")
    return "Write a number." if isinstance(resolve(plain), str) else f"Write {plain}."


def _refuse_option(name: str, value: object, expected: str) -> tuple[str, str]:
    options = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    near = _guess_option(value, options)
    listed = options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"
    return (
        f"{name} must be {listed}, not {describe(value)}",
        f"Write {near}." if near else "Write one of these." if len(options) > 1 else f"Write {listed}.",
    )


_NUMBERS = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}
"""Numbers as the API's enumerations spell them."""


def _guess_option(value: object, options: Sequence[str]) -> str | None:
    """Guess which option is meant. Ignores a prefix that all options share."""
    word = _NUMBERS.get(value, "") if isinstance(value, int) else value if isinstance(value, str) else ""
    alike = takewhile(lambda ends: ends[0] == ends[1], zip(min(options), max(options), strict=False))
    start = "".join(letter for letter, _ in alike) if len(options) > 1 else ""
    bare = word[len(start) :] if word.upper().startswith(start.upper()) else word
    bare = _NUMBERS.get(int(bare), bare) if re.fullmatch("[0-9]{1,2}", bare, re.ASCII) else bare
    found = find_nearest(bare, [option[len(start) :] for option in options]) if bare else None
    return None if found is None else start + found


def _refuse_key(model: type[Declared], document: Document, path: _Way) -> tuple[str, str]:
    *parents, key = path
    name, key = _name_path(path), str(key)
    owner, siblings = _find_owner(model, parents), document.at(parents)
    spelling = to_snake_case(key)
    fields = owner.model_fields
    names = {field: info.alias or field for field, info in fields.items()}
    if spelling in fields:
        ways = (names[spelling], spelling)
        other = next((way for way in ways if siblings.at([way]).is_there and way != key), None)
        if other is not None:
            return f"{name} occurs twice, as {other} and as {key}", "Remove one of them."
        return f"{name} is not a key", f"Write {spelling}."
    if spelling in owner.OUTPUT_ONLY:
        return f"{name} is set by the service", "Remove it."
    if spelling in owner.HINTS:
        return f"{name} is not a key here", owner.HINTS[spelling]
    near = _guess_key(model, path)
    if near is not None:
        return f"{name} is not a known key", f"Did you mean {near}?"
    return f"{name} is not a known key", f"Known here: {', '.join(_list_keys(owner))}."


def _find_owner(model: type[Declared], path: _Way) -> type[Declared]:
    """Find the schema of the mapping at a path."""
    owner = model
    for step in path:
        owner = find_model(owner, step) or owner
    return owner


def _guess_key(model: type[Declared], path: _Way) -> str | None:
    """Guess which key was meant by one that is not known. None for a key that has advice of its own."""
    *parents, key = path
    owner, spelling = _find_owner(model, parents), to_snake_case(str(key))
    if spelling in owner.OUTPUT_ONLY or spelling in owner.HINTS:
        return None
    return find_nearest(spelling, _list_keys(owner))


def _list_keys(owner: type[Declared]) -> list[str]:
    return [field.rstrip("_") for field in owner.model_fields]
