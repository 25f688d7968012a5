"""Filters of lists, as SQL.

Terms joined by AND (or by a space) and OR, with NOT or - before them and parentheses around:
`labels.key="value"`, `labels.key:value`, `labels.key:*`, `labels:key`, and a field compared with
= or !=. Field names in snake_case or camelCase. Anything else is a 400.
"""

import re
from collections.abc import Mapping

from reconciler.emulator.errors import ApiError, invalid
from reconciler.emulator.protojson import camel

_WORD = r'"(?:[^"\\]|\\.)*"|[^\s()=!:<>"]+'
_TERM = re.compile(
    rf'(?P<field>[A-Za-z_]+)(?:\.(?P<key>"[^"]*"|[^\s()=!:<>".]+))?\s*(?P<op>!=|=|:)\s*(?P<value>{_WORD})'
)
_NAMES = {"(": "(", ")": ")", "AND": " AND ", "OR": " OR ", "NOT": " NOT ", "-": " NOT "}
# SQLite has limits of its own, and no good words for them.
_MOST_PARTS, _DEEPEST = 200, 20
_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[()]|(?:AND|OR|NOT)(?=[\s(])|-(?=[A-Za-z(]))|(?P<term>" + _TERM.pattern + r"))\s*"
)


def condition(text: str, columns: Mapping[str, str]) -> tuple[str, dict[str, object]]:
    """Return a filter as an SQL condition, and the values in it.

    Args:
        text: the filter.
        columns: field names in camelCase, and what they are in SQL.

    Raises:
        ApiError: 400, when the filter cannot be understood.
    """
    parts: list[str] = []
    values: dict[str, object] = {}
    position, after_term, depth = 0, False, 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _bad(text)
        position = match.end()
        mark = match["mark"]
        depth += (mark == "(") - (mark == ")")
        if len(parts) > _MOST_PARTS or depth > _DEEPEST:
            raise _bad(text)
        begins = not mark or mark in {"(", "NOT", "-"}
        if begins and after_term:
            parts.append(" AND ")
        parts.append(_NAMES[mark] if mark else _term(text, match, columns, values))
        after_term = not mark or mark == ")"
        if mark in {"AND", "OR"} and (len(parts) < 2 or parts[-2] in {"(", " AND ", " OR ", " NOT "}):
            raise _bad(text)
    sql = "".join(parts)
    if parts and (not after_term or not _is_balanced(parts)):
        raise _bad(text)
    return sql or "1", values


def _term(text: str, match: re.Match[str], columns: Mapping[str, str], values: dict[str, object]) -> str:
    field, op = camel(match["field"]), match["op"]
    key, value = _unquoted(match["key"] or ""), _unquoted(match["value"])
    name = f"f{len(values)}"
    if field == "labels":
        if '"' in (key or value) or not (key or op == ":"):
            raise _bad(text)
        values[name] = f'$.labels."{key or value}"'
        extract = f"json_extract(fields, :{name})"
        if op == ":" and (not key or value == "*"):
            return f"{extract} IS NOT NULL"
        values[f"{name}v"] = value
        return f"{extract} IS {'NOT ' if op == '!=' else ''}:{name}v"
    if field not in columns or key:
        raise _bad(text)
    values[name] = value
    return f"{columns[field]} IS {'NOT ' if op == '!=' else ''}:{name}"


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _is_balanced(parts: list[str]) -> bool:
    depth = 0
    for part in parts:
        depth += (part == "(") - (part == ")")
        if depth < 0:
            return False
    return depth == 0


def _bad(text: str) -> ApiError:
    return invalid(f"Invalid filter: {text[:120]}", field="filter")
