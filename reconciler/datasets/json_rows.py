"""The text of a .jsonl or .json file to rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

from reconciler.datasets import lookalikes
from reconciler.datasets.rows import Blanks, RefusedError, Row, described_json, example, raiser
from reconciler.model import Example
from reconciler.problems import Place

LINE_LIMIT = 1024 * 1024
"""Characters of a line of JSONL: an example of 45,000, escaped throughout, has under 600,000."""

_NO_NUMBER = "a number has too many digits"  # the one ValueError of json that is no JSONDecodeError


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RefusedError(f"the key {twice!r} is there twice", "Remove one of them.")
    return found


def _no_constant(word: str) -> NoReturn:
    raise RefusedError(f"{word} is not JSON", "Write texts in double quotes.")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant)


def _decoded(line: str, number: int, path: str) -> object:
    """One JSON value that is all of a line; raises RefusedError."""
    if len(line) > LINE_LIMIT:
        raise RefusedError(
            f"the line has more than {LINE_LIMIT:,} characters",
            "Write one example a line; a list of them belongs into a .json file.",
        )
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError as error:
        place = Place(path, number, error.colno)
        raise RefusedError(_not_json(error), _advice(line, error), place) from None
    except RecursionError:
        raise RefusedError("nested too deeply", "An example is a flat object.") from None
    except ValueError as error:
        raise RefusedError(_NO_NUMBER, "Write texts in double quotes.") from error


def _not_json(error: json.JSONDecodeError) -> str:
    """In json's words, without those that lead to the place, which is told beside them."""
    return f"not JSON: {error.msg.removesuffix(' starting at')}"


def _advice(line: str, error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data" and line[error.pos :].strip() == ",":
        return "Remove the comma: the lines of JSONL are not separated by commas."
    if "\r" in line.strip():
        return "The lines end in a carriage return alone: save the file with Unix or Windows line ends."
    return _advice_within(line, error) or "Write one JSON object a line."


def _advice_within(text: str, error: json.JSONDecodeError) -> str:
    """About an object that is nearly JSON; "" for nothing better to say."""
    before, at = text[: error.pos].rstrip(), text[error.pos :].lstrip()[:1]
    if "trailing comma" in error.msg or (before.endswith(",") and at and at in "]}"):
        return "Remove the comma before the bracket: JSON has no trailing commas."
    if at and at in "'\u2018\u2019\u201c\u201d":
        return "Write names and texts in straight double quotes, as JSON wants them (json.dumps, not str)."
    return ""


def _spread(line: str) -> tuple[str, str] | None:
    """What the first line shows: JSON that goes over several lines, or a list; None for an object of its own.

    Then every line would be wrong, and the file is told once.
    """
    text = line.strip()
    if text.startswith("["):
        return "the file holds a JSON list, not one object a line", "Name it .json."
    if not text.startswith("{") or text[-1] not in "{[:,":
        return None
    try:
        _DECODER.raw_decode(text)
    except json.JSONDecodeError:
        return (
            "the file holds JSON over several lines, not one object a line",
            "Write each object on a line of its own (jq -c . FILE), or a list of them into a .json file.",
        )
    except (RefusedError, ValueError, RecursionError):
        return None  # told as a line like any other
    return None


def jsonl_rows(path: str, lines: Iterable[str], read: Callable[[object], Example] = example) -> Iterator[Row]:
    """Each line that is not empty; `read` makes an example of its object, which may be more than a pair."""
    blank = Blanks(path)

    def row(line: str, number: int) -> Example:
        return read(_decoded(line, number, path))

    first = True
    for number, line in enumerate(lines, 1):
        if not line.strip():
            blank.note(number)
            continue
        spread = _spread(line) if first else None
        if spread is not None:
            yield Place(path, number), raiser(*spread)
            return
        first = False
        yield from blank.between("each line holds one example")
        yield Place(path, number), lambda line=line, number=number: row(line.removesuffix("\n"), number)  # type: ignore[misc]


_OPENING = re.compile(r'[ \t\r\n]*(?:\{[ \t\r\n]*"examples"[ \t\r\n]*:[ \t\r\n]*){0,2}\[[ \t\r\n]*')
_BETWEEN = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")


def json_rows(path: str, text: str, read: Callable[[object], Example] = example) -> Iterator[Row]:
    """Each item of the file's list, with the place where it begins; `read` as in `jsonl_rows`."""
    if not text.strip():
        return
    try:
        items = _unwrapped(_DECODER.decode(text), chat=read is not example)
    except json.JSONDecodeError as error:
        yield (
            Place(path, error.lineno, error.colno),
            raiser(_not_json(error), _whole_advice(text, error)),
        )
    except RecursionError:
        yield Place(path), raiser("nested too deeply", "Write a list of flat objects.")
    except RefusedError as error:
        *_, place = [Place(path, 1, 1), *_json_places(path, text, _DECODER)]
        yield place, raiser(error.summary, error.detail)
    except ValueError:
        yield Place(path), raiser(_NO_NUMBER, "Write texts in double quotes.")
    else:
        places = _json_places(path, text, json.JSONDecoder())
        for item in items:
            yield next(places, Place(path)), lambda item=item: read(item)  # type: ignore[misc]


def _whole_advice(text: str, error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data":
        return "One object a line belongs into a .jsonl file."
    return _advice_within(text, error) or "Correct it there."


def _unwrapped(document: object, *, chat: bool) -> list[object]:
    """The list in {"examples": {"examples": [...]}}, {"examples": [...]} or [...]; raises RefusedError."""
    for _ in range(2):
        if isinstance(document, dict):
            if set(document) != {"examples"}:
                named = lookalikes.name_row(document.keys() - {"examples"}, chat=chat)
                if named is not None:
                    raise RefusedError(*named)
                if chat and "contents" in document:
                    raise RefusedError(
                        "the file holds one example, not a list",
                        "Put it in brackets, or name the file .jsonl.",
                    )
                keys = ", ".join(repr(key) for key in list(document)[:5])
                raise RefusedError(
                    f"the object has the keys {keys}" if keys else "the object is empty",
                    'Write a list of examples, or {"examples": [...]}.',
                )
            document = document["examples"]
    if not isinstance(document, list):
        raise RefusedError(
            f"the file holds {described_json(document)}, not a list",
            "Write a list of objects, one an example.",
        )
    return document


def _json_places(path: str, text: str, decoder: json.JSONDecoder) -> Iterator[Place]:
    """Where each item of the list begins, as far as it can be decoded; json itself keeps no positions."""
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
        except (ValueError, RefusedError):
            return
        separator = _BETWEEN.match(text, end)
        position = separator.end() if separator else end
