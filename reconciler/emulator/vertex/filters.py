"""Filters of lists, compiled to SQL.

A filter has terms, joined by AND (or by a space) and OR, with NOT or - in front and parentheses around. A
term is `labels.key="value"`, `labels.key:value`, `labels.key:*`, `labels:key`, or a field with = or !=.
Fields are named in snake_case or camelCase. Anything else is a 400.
"""

import re
from collections.abc import Mapping
from typing import Any

from reconciler.emulator.errors import ArgumentError
from reconciler.emulator.protojson import to_camel

_WORD = r'"(?:[^"\\]|\\.)*"|[^\s()=!:<>"]+'
_TERM = rf'(?P<field>[A-Za-z_]+)(?:\.(?P<key>"[^"]*"|[^\s()=!:<>".]+))?\s*(?P<op>!=|=|:)\s*(?P<value>{_WORD})'
_SQL = {"(": "(", ")": ")", "AND": " AND ", "OR": " OR ", "NOT": " NOT ", "-": " NOT "}
# SQLite has limits of its own, but no errors that a caller would understand.
_MOST_PARTS, _DEEPEST = 200, 20
_TOKEN = re.compile(rf"\s*(?:(?P<mark>[()]|(?:AND|OR|NOT)(?=[\s(])|-(?=[A-Za-z(]))|(?:{_TERM}))\s*")


def parse_filter(text: str, columns: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return a filter as an SQL condition, and the values in it; a 400 if it cannot be understood.

    *columns* has the fields that it may name, in camelCase, and what they are in SQL.
    """
    parts: list[str] = []
    values: dict[str, Any] = {}
    position, after_term, depth = 0, False, 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _make_error(text)
        position = match.end()
        mark = match["mark"]
        depth += (mark == "(") - (mark == ")")
        if len(parts) > _MOST_PARTS or not 0 <= depth <= _DEEPEST:
            raise _make_error(text)
        begins = not mark or mark in {"(", "NOT", "-"}
        if begins and after_term:
            parts.append(" AND ")
        parts.append(_SQL[mark] if mark else _compile_term(text, match, columns, values))
        after_term = not mark or mark == ")"
        if mark in {"AND", "OR"} and (len(parts) < 2 or parts[-2] in {"(", " AND ", " OR ", " NOT "}):
            raise _make_error(text)
    sql = "".join(parts)
    if parts and (not after_term or depth):
        raise _make_error(text)
    return sql or "1", values


def _compile_term(text: str, match: re.Match[str], columns: Mapping[str, str], values: dict[str, Any]) -> str:
    field, op = to_camel(match["field"]), match["op"]
    key, value = _unquote(match["key"] or ""), _unquote(match["value"])
    name = f"f{len(values)}"
    if field == "labels":
        if '"' in (key or value) or not (key or op == ":"):
            raise _make_error(text)
        values[name] = f'$.labels."{key or value}"'
        extract = f"json_extract(fields, :{name})"
        if op == ":" and (not key or value == "*"):
            return f"{extract} IS NOT NULL"
        values[f"{name}v"] = value
        return f"{extract} IS {'NOT ' if op == '!=' else ''}:{name}v"
    if field not in columns or key:
        raise _make_error(text)
    values[name] = value
    return f"{columns[field]} IS {'NOT ' if op == '!=' else ''}:{name}"


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _make_error(text: str) -> ArgumentError:
    return ArgumentError(f"Invalid filter: {text[:120]}", field="filter")
