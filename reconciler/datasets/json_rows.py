"""Parses the text of a .jsonl or .json file into rows.

`typed_rows` reads most lines, and leaves those with a fault to this module.

The decoder is not `strictjson.loads`, which gives no column and takes 14 µs a row. This one takes 3 µs, a
third of the whole time of a row. Integers beyond int64 are left to the service, because refusing them here
would hide the other faults of a row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NoReturn

from reconciler.datasets import lookalikes
from reconciler.datasets.rows import Blanks, Form, Row, describe_json
from reconciler.problems import Place, Refusal

LINE_LIMIT = 2 * 1024 * 1024
"""Characters of a line of JSONL: 131,072 tokens of Chinese, escaped throughout, have some 1.2 million."""

_IN_QUOTES = "Write texts in double quotes."


class _NotOursError(Exception):
    """The decoder accepts this JSON, but we do not."""

    def __init__(self, summary: str, detail: str) -> None:
        super().__init__(summary)
        self.refusal = Refusal(summary, detail)


def _refuse_double_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _NotOursError(f"duplicate key {twice!r}", "Remove one of them.")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise _NotOursError(f"{word} is not JSON", _IN_QUOTES)


_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_double_keys, parse_constant=_refuse_constant)
_TOO_LONG = Refusal("a number has too many digits", _IN_QUOTES)  # Python reads at most 4,300


class JsonLines:
    """Reads lines of JSONL that may come in parts: some one by one, others elsewhere.

    Attributes:
        is_refused: the file is refused as a whole, and no line after that is to be read.
    """

    def __init__(self, path: str, form: Form) -> None:
        self.is_refused = False
        self._path, self._form, self._blanks = path, form, Blanks(path)
        self._number = 0
        self._is_first = True

    def read(self, lines: Iterable[str]) -> Iterator[Row]:
        """Read each line that is not empty as a row."""
        for line in lines:
            self._number += 1
            place = Place(self._path, self._number)
            if not line.strip():
                self._blanks.note(self._number)
                continue
            spread = _refuse_spread(line) if self._is_first else None
            if spread is not None:
                self.is_refused = True
                yield place, spread
                return
            yield from self.pass_over(0)
            yield _read_line(line.removesuffix("\n"), place, self._form)

    def pass_over(self, count: int) -> Iterator[Row]:
        """Count lines that are read elsewhere. Yield empty lines before them as refused rows."""
        self._is_first = False
        self._number += count
        yield from self._blanks.take("each line holds one example")


def _read_line(line: str, place: Place, form: Form) -> Row:
    """Read a line as one JSON value."""
    if len(line) > LINE_LIMIT:
        return place, Refusal(
            f"the line has more than {LINE_LIMIT:,} characters",
            "Write one example per line. A list of examples belongs in a .json file.",
        )
    try:
        return place, form.read(_DECODER.decode(line))
    except json.JSONDecodeError as error:
        return place._replace(column=error.colno), Refusal(_name_error(error), _advise_line(line, error))
    except _NotOursError as error:
        return place, error.refusal
    except RecursionError:
        return place, Refusal("nested too deeply", "An example is a flat object.")
    except ValueError:
        return place, _TOO_LONG


def _name_error(error: json.JSONDecodeError) -> str:
    """Repeat json's message without its place, because we show the place before the message."""
    return f"not JSON: {error.msg.removesuffix(' starting at')}"


def _advise_line(line: str, error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data" and line[error.pos :].strip() == ",":
        return "Remove the comma: the lines of JSONL are not separated by commas."
    if "\r" in line.strip():
        return "The lines end in a carriage return alone: save the file with Unix or Windows line ends."
    return _advise_object(line, error) or "Write one JSON object per line."


def _advise_object(text: str, error: json.JSONDecodeError) -> str:
    """Advise on an object that is nearly JSON; "" if there is no special advice."""
    before, at = text[: error.pos].rstrip(), text[error.pos :].lstrip()[:1]
    if "trailing comma" in error.msg or (before.endswith(",") and at and at in "]}"):
        return "Remove the comma before the bracket: JSON has no trailing commas."
    if at and at in "'\u2018\u2019\u201c\u201d":
        return "Write names and texts in straight double quotes, as JSON wants them (json.dumps, not str)."
    return ""


def _refuse_spread(line: str) -> Refusal | None:
    """Refuse a file whose first line begins a list, or JSON over several lines.

    Then every line would be wrong, so the file is refused once.
    """
    text = line.strip()
    if text.startswith("["):
        return Refusal("the file holds a JSON list, not one object per line", "Rename it to end in .json.")
    if not text.startswith("{") or text[-1] not in "{[:,":
        return None
    try:
        _DECODER.raw_decode(text)
    except json.JSONDecodeError:
        return Refusal(
            "the file holds JSON over several lines, not one object per line",
            "Write each object on its own line (jq -c . FILE), or write a list of them into a .json file.",
        )
    except (_NotOursError, ValueError, RecursionError):
        return None  # refused as a line like any other
    return None


_OPENING = re.compile(r'[ \t\r\n]*(?:\{[ \t\r\n]*"examples"[ \t\r\n]*:[ \t\r\n]*){0,2}\[[ \t\r\n]*')
_BETWEEN = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")


def read_json(path: str, text: str, form: Form) -> Iterator[Row]:
    """Read each item of the file's list, with the place where it begins."""
    if not text.strip():
        return
    items: list[object] | Refusal
    try:
        items = _unwrap(_DECODER.decode(text), chat=form.takes_chat)
    except json.JSONDecodeError as error:
        advice = (
            "A file with one object per line must be named .jsonl."
            if error.msg == "Extra data"
            else _advise_object(text, error) or "Correct the JSON at this place."
        )
        yield Place(path, error.lineno, error.colno), Refusal(_name_error(error), advice)
        return
    except _NotOursError as error:
        items = error.refusal
    except RecursionError:
        yield Place(path), Refusal("nested too deeply", "Write a list of flat objects.")
        return
    except ValueError:
        yield Place(path), _TOO_LONG
        return
    if isinstance(items, Refusal):
        *_, place = [Place(path, 1, 1), *_find_items(path, text, _DECODER)]
        yield place, items
        return
    places = _find_items(path, text, json.JSONDecoder())
    for item in items:
        yield next(places, Place(path)), form.read(item)


def _unwrap(document: object, *, chat: bool) -> list[object] | Refusal:
    """Find the list in {"examples": {"examples": [...]}}, {"examples": [...]} or [...]."""
    for _ in range(2):
        if isinstance(document, dict):
            if set(document) != {"examples"}:
                return _refuse_object(document, chat=chat)
            document = document["examples"]
    if isinstance(document, list):
        return document
    summary = f"the file holds {describe_json(document)}, not a list"
    return Refusal(summary, "Write a list of objects, one per example.")


def _refuse_object(document: dict[str, object], *, chat: bool) -> Refusal:
    named = lookalikes.name_row(document.keys() - {"examples"}, chat=chat)
    if named is not None:
        return named
    if "messages" in document or (chat and "contents" in document):
        advice = "Put it in brackets, or name the file .jsonl."
        return Refusal("the file holds one example, not a list", advice)
    if document and all(isinstance(value, dict) for value in document.values()):
        return Refusal(
            "the file holds an object for each column, as pandas writes it",
            'Write a list of objects (pandas: to_json(FILE, orient="records")).',
        )
    keys = ", ".join(repr(key) for key in list(document)[:5])
    summary = f"the object has the keys {keys}" if keys else "the object is empty"
    return Refusal(summary, 'Write a list of examples, or {"examples": [...]}.')


def _find_items(path: str, text: str, decoder: json.JSONDecoder) -> Iterator[Place]:
    """Find where each item of the list begins, up to a broken one; json itself keeps no positions."""
    opening = _OPENING.match(text)
    if opening is None:
        return
    position, line, line_start, counted = opening.end(), 1, 0, 0
    while position < len(text) and text[position] != "]":
        breaks = text.count("\n", counted, position)
        if breaks:
            line += breaks
            line_start = text.rfind("\n", counted, position) + 1
        counted = position
        yield Place(path, line, position - line_start + 1)
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, _NotOursError):
            return
        separator = _BETWEEN.match(text, end)
        position = separator.end() if separator else end
