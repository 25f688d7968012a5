"""Partial responses: the parameter `fields`, which every one of Google's APIs takes.

Google's page "Working with partial responses" and the system parameters of its APIs describe the syntax:
`a,b` selects several fields, `a/b` or `a.b` a field within a field, `a(b,c)` several of them, and `*` every
field. A selection within a list holds for each of its items. Whatever is no such expression is a 400.
The real services refuse unknown names too. Here those select nothing.
"""

import functools
import re
from typing import TypeAlias

from reconciler.emulator.errors import ApiError

Selection: TypeAlias = dict[str, "Selection"]
"""What is selected below each name; nothing below it means all of it."""

_TOKEN = re.compile(r"\s*([A-Za-z_@$][\w@$-]*|[*,/.()])")


@functools.lru_cache(maxsize=256)
def parse_fields(text: str) -> Selection:
    """Return the selection that an expression means; a 400 for one that is none."""
    tokens: list[str] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            raise _refuse(text)
        tokens.append(found[1])
        place = found.end()
    tokens.reverse()
    selection = _read_list(tokens, text)
    if tokens:
        raise _refuse(text)
    return selection


def _read_list(tokens: list[str], text: str) -> Selection:
    """Read paths with commas between them, up to a bracket or the end. *tokens* has the next one last."""
    selection: Selection = {}
    while True:
        _read_path(tokens, text, selection)
        if not tokens or tokens[-1] != ",":
            return selection
        tokens.pop()


def _read_path(tokens: list[str], text: str, into: Selection) -> None:
    name = tokens.pop() if tokens else ""
    if not name or name in ",/.()":
        raise _refuse(text)
    follows = tokens[-1] if tokens else ""
    below: Selection = {}
    if follows in {"/", "."}:
        tokens.pop()
        _read_path(tokens, text, below)
    elif follows == "(":
        tokens.pop()
        below = _read_list(tokens, text)
        if not tokens or tokens.pop() != ")":
            raise _refuse(text)
    _add(into, name, below)


def _add(into: Selection, name: str, below: Selection) -> None:
    """Add a path; what is selected whole stays whole."""
    if name not in into:
        into[name] = below
    elif not below or not into[name]:
        into[name] = {}
    else:
        for inner, deeper in below.items():
            _add(into[name], inner, deeper)


def select(value: object, selection: Selection) -> object:
    """Return the selected part of an answer."""
    if not selection:
        return value
    if isinstance(value, list):
        return [select(item, selection) for item in value]
    if not isinstance(value, dict):
        return value
    everything = selection.get("*")
    found = {}
    for key, item in value.items():
        below = selection.get(key, everything)
        if below is not None:
            found[key] = select(item, below)
    return found


def _refuse(text: str) -> ApiError:
    return ApiError(400, f"Invalid field selection {text[:80]}")
