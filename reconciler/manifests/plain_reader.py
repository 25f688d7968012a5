"""Reads plain YAML quickly: keys, texts, numbers and lists, as nearly every manifest has them.

`yaml_builder` takes three times as long, because it gets an object for each token. This reader knows only a
part of YAML. Rule: it reads what `yaml_builder` reads, which a test checks with any text. If a text has
anything else (a fault, a tag, an anchor, a text of several lines …), it is left to `yaml_builder`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from reconciler.manifests.scalars import resolve
from reconciler.manifests.substitution import DATA_DEPTH, DATA_KEY
from reconciler.textfiles import is_printable

LONGEST = 1_000_000
"""The most characters of a document. A longer one may have more values than `yaml_builder` accepts."""
DEEPEST = 24
"""The most levels of indentation, and the most levels of brackets in one line."""

_FOREIGN = "[\t\r\ufeff\ud800-\udfff]"
"""Characters for which YAML has rules of their own."""

_KEY = r"[A-Za-z_][A-Za-z0-9_./-]{0,99}"
_LETTER = r"[^\x00-#%-')-.0-@FNT\[-^`fnt{-\u00a0]"
"""How a text begins: a letter that begins no number and no word of YAML, `_`, `/`, `(` or `$`.

The pattern names the characters that are left out, because re compiles that ten times faster.
"""
_SIGN = r"(?:[NTFntf0-9.]|[-+](?=[0-9.]))"
"""The beginning of a value that may be a number, a boolean or null."""
_QUOTED = r""""[^"\\\n]*"|'[^'\n]*'"""
_REST = r"[^\n:#]*(?:(?::(?=[^ \n])|(?<! )#)[^\n:#]*)*"
_COMMENT = r" *(?:(?<![^ \n])#.*)?"
_LINE = re.compile(
    rf"^( *)(- +)?(?:({_KEY}):(?: +|$))?"
    rf"(?:({_LETTER}{_REST})|({_SIGN}{_REST})|({_QUOTED})|([\[{{].*))?{_COMMENT}$|^(.+)$"
)
"""Indentation, dash, key, then one of text, number, quoted text, brackets; or else the whole line."""
_EXAMPLE = re.compile(rf"( *)(- +)\{{({_KEY}): +({_QUOTED}), *({_KEY}): +({_QUOTED})\}} *")
"""An item with two quoted texts, as most examples are. With _LINE, reading it takes three times as long."""

_INNER_REST = r"""[^\n:#,?\[\]{}"']*(?::(?=[A-Za-z0-9/])[^\n:#,?\[\]{}"']*)*"""
_INNER = rf"({_LETTER}{_INNER_REST})|({_SIGN}{_INNER_REST})|({_QUOTED})"
_PAIR = re.compile(rf" *({_KEY}): +(?:{_INNER}) *(?:,|$)|(.)")
_TOKEN = rf" *(?:([\[{{}}\],])|({_KEY}):(?= )|{_INNER}|(.))"

_SEPARATOR = "\n---\n"

_NOT_TEXT = frozenset(
    word for word in ("null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE")
)
"""Words that YAML does not read as a text. A key must not be one of them."""


class _LeftError(Exception):
    """The text has something that this reader does not know."""


class PlainDocument(Struct, frozen=True):
    """A document that is a mapping.

    Attributes:
        body: its value: dicts, lists, texts, numbers and booleans.
        line: where it begins.
        lines: the column of a mapping and the line of each of its keys, by the id() of the mapping. It leaves
            out mappings in brackets.
        references: the collection, and the key or index, of each text with "${". Its place is not known.
    """

    body: dict[str, Any]
    line: int
    lines: Mapping[int, tuple[int, Sequence[int]]]
    references: list[tuple[Any, Any, None]]


def read_plainly(text: str) -> list[PlainDocument] | None:
    """Read the documents of a text that are not empty. None if only `yaml_builder` can read it."""
    if not (is_printable(text) or re.search(_FOREIGN, text) is None):
        return None
    documents: list[PlainDocument] = []
    before = 0
    try:
        for part in text.split(_SEPARATOR):  # only the lines of one part are in memory at a time
            if len(part) > LONGEST:
                return None
            begun = len(documents)
            before += _read_part(part, before, documents)
            for document in documents[begun:] if "${" in part else ():
                _find_references(document.body, 1, document.references)
    except _LeftError:
        return None
    return documents


def _read_part(  # noqa: C901, PLR0912, PLR0915 -- one loop over all lines
    text: str, before: int, documents: list[PlainDocument]
) -> int:
    """Read the documents of a part of a file. Return the number of its lines, with the `---` that ends it.

    `before` is the number of lines that come before this part.
    """
    stack: list[tuple[int, Any, list[int]]] = []
    lines: dict[int, tuple[int, Sequence[int]]] = {}
    # These are of the innermost collection: its column, the collection, and the lines of its keys.
    at: int = -1
    container: Any = None
    is_list = False
    numbers: list[int] = []
    pending = ""  # the key whose value is on the next lines
    number = before
    every = text.split("\n")
    has_references = "${" in text  # variables are put into new collections, and not into remembered ones
    read = [
        _read_line(line)
        if len(line) > _SHORT or (has_references and "${" in line)
        else _read_short_line(line)
        for line in every
    ]
    for column, dash, key, value in read:
        number += 1
        if column != at or pending or is_list is not (dash > 0):  # it is not beside the line before
            if column < 0:
                if key:
                    if pending:
                        raise _LeftError
                    stack, lines, at, container = [], {}, -1, None
                continue
            if pending or container is None:
                is_nested = column >= at if dash else column > at
                if not is_nested or (container is None and (dash or column)) or len(stack) > DEEPEST:
                    raise _LeftError
                inner: Any = [] if dash else {}
                at, numbers = column, []
                if container is None:
                    lines = {}
                    documents.append(PlainDocument(inner, number, lines, []))
                else:
                    container[pending] = inner
                if not dash:
                    lines[id(inner)] = column + 1, numbers
                container, pending, is_list = inner, "", dash > 0
                stack.append((at, container, numbers))
            else:
                while at > column:
                    stack.pop()
                    at, container, numbers = stack[-1]
                if not dash and type(container) is list:  # a list may begin in the column of its key
                    stack.pop()
                    at, container, numbers = stack[-1]
                is_list = type(container) is list
                if at != column or is_list is not (dash > 0):
                    raise _LeftError
        if dash:
            if not key:
                if value is None:
                    raise _LeftError
                container.append(value)
                continue
            inner = {}
            container.append(inner)
            at, container, numbers, is_list = column + dash, inner, [], False
            lines[id(inner)] = at + 1, numbers
            stack.append((at, container, numbers))
        if key in container:
            raise _LeftError
        numbers.append(number)
        if value is None:
            pending = key
        else:
            container[key] = value
    if pending:
        raise _LeftError
    return len(every) + 1


_NOWHERE = -2


def _read_line(line: str) -> tuple[int, int, str, Any]:
    """Read a line: its column, the width of its dash or 0, its key or "", and its value or None.

    The column is _NOWHERE for a line that has neither, and the key is "---" if it ends a document.
    """
    example = _EXAMPLE.fullmatch(line)
    if example is not None:
        indent, dash, key, word, other, quoted = example.groups()
        if key == other or key in _NOT_TEXT or other in _NOT_TEXT:
            raise _LeftError
        return len(indent), len(dash), "", {key: word[1:-1], other: quoted[1:-1]}
    indent, dash, key, word, sign, quoted, brackets, other = _LINE.findall(line)[0]
    if not (key or dash):
        if (other and other != "---") or word or sign or quoted or brackets:
            raise _LeftError
        return _NOWHERE, 0, other, None
    if key in _NOT_TEXT:
        raise _LeftError
    if word:
        value: Any = word.rstrip(" ")
    elif quoted:
        value = quoted[1:-1]
    elif sign:
        value = _read_scalar(sign)
    elif brackets:
        value = _read_brackets(brackets)
    else:
        value = None
    return len(indent), len(dash), key, value


_SHORT = 100
"""The most characters of a line that is remembered."""
_read_short_line = lru_cache(maxsize=1000)(_read_line)
"""Remembers what it read: half of the lines of a manifest stand in others too. Nobody changes a value."""


def _find_references(collection: Any, depth: int, found: list[tuple[Any, Any, None]]) -> None:
    """Find the texts with "${" in a collection of this depth, in their order, except in training data."""
    for key, value in collection.items() if type(collection) is dict else enumerate(collection):
        if type(value) is str:
            if "${" in value:
                found.append((collection, key, None))
        elif type(value) in {dict, list} and not (key == DATA_KEY and depth >= DATA_DEPTH):
            _find_references(value, depth + 1, found)


def _read_scalar(text: str) -> object:
    value = resolve(text.rstrip(" "))
    if value is None:
        raise _LeftError
    return value


def _read_brackets(text: str) -> object:
    """Read a collection in brackets that is on one line."""
    text = text.rstrip(" ")
    if text[0] != "{" or text[-1] != "}":
        return _read_tokens(text)
    found: dict[str, object] = {}
    for key, word, sign, quoted, other in _PAIR.findall(text, 1, len(text) - 1):
        if other:
            return _read_tokens(text)
        if key in found or key in _NOT_TEXT:
            raise _LeftError
        found[key] = word.rstrip(" ") if word else quoted[1:-1] if quoted else _read_scalar(sign)
    return found


def _read_tokens(text: str) -> object:  # noqa: C901, PLR0912 -- one loop over all tokens
    """Read a collection that may contain others."""
    root: list[Any] = []
    stack: list[Any] = [root]
    key, needs_comma = "", False
    for mark, name, word, sign, quoted, other in re.findall(_TOKEN, text):
        container = stack[-1]
        if other or (container is root and (root or mark not in {"[", "{"})):
            raise _LeftError
        if name:
            if key or needs_comma or type(container) is list or name in container or name in _NOT_TEXT:
                raise _LeftError
            key = name
            continue
        if mark == ",":
            if not needs_comma:
                raise _LeftError
            needs_comma = False
            continue
        if mark in {"]", "}"} and mark:
            if key or (type(container) is list) is not (mark == "]"):
                raise _LeftError
            stack.pop()
            needs_comma = True
            continue
        if needs_comma or (type(container) is dict and not key):
            raise _LeftError
        value: Any = [] if mark == "[" else {} if mark else None
        if not mark:
            value = word.rstrip(" ") if word else quoted[1:-1] if quoted else _read_scalar(sign)
        if type(container) is list:
            container.append(value)
        else:
            container[key] = value
        key, needs_comma = "", not mark
        if mark:
            stack.append(value)
            if len(stack) > DEEPEST:
                raise _LeftError
    if len(stack) > 1:
        raise _LeftError
    return root[0]
