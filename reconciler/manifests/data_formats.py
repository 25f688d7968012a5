"""The text of a data file to examples: .jsonl, .json, .csv.

Rule: strings only, exactly as written; nothing is trimmed, normalised, guessed or left out.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NoReturn

from reconciler.manifests import sources
from reconciler.manifests.problems import Place, Problems, nearest, plural
from reconciler.manifests.scalars import described
from reconciler.model import Example

LINE_LIMIT = 1024 * 1024
"""Characters of a line of JSONL: an example of 45,000, escaped throughout, has under 600,000."""

PROBLEM_LIMIT = 1000
"""After so many problems in one file the rest is only counted."""

_SPELLINGS = {"text_input": "text_input", "textInput": "text_input", "output": "output"}
_NO_NUMBER = "a number has too many digits"  # the one ValueError of json that is no JSONDecodeError
_COLUMNS = ("text_input", "output")

Rows = list[tuple[Place, Example]]


class _Refused(Exception):  # noqa: N818 -- it never leaves this module
    """Why a row is no example, and what to do; with its place where that is better known than the row's."""

    def __init__(self, summary: str, detail: str, place: Place | None = None) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.place = place


def refused(summary: str, detail: str) -> Exception:
    """What a reader of rows raises: why it is no example, and what to do."""
    return _Refused(summary, detail)


class Complaints:
    """Notes what is wrong in one data file, and counts what is too much to be shown."""

    def __init__(self, path: str, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self._errors = self._warnings = 0

    def error(self, place: Place, summary: str, detail: str) -> None:
        """Note an error."""
        self._errors += 1
        if self._errors <= PROBLEM_LIMIT:
            self._problems.error(place, summary, detail)

    def warning(self, place: Place, summary: str, detail: str) -> None:
        """Note a warning."""
        self._warnings += 1
        if self._warnings <= PROBLEM_LIMIT:
            self._problems.warning(place, summary, detail)

    def take(self, other: Problems) -> None:
        """Note what was found while reading."""
        self._errors += len(other)
        self._problems.take(other)

    def close(self) -> None:
        """Say how much was not shown."""
        for count, note in ((self._errors, self._problems.error), (self._warnings, self._problems.warning)):
            if count > PROBLEM_LIMIT:
                text = f"{count - PROBLEM_LIMIT:,} more problems in this file"
                note(Place(self._path), text, "Mend those that are shown.")


def parse(path: str, text: str, problems: Problems) -> Rows:
    """The examples of a file in its order, each with its place; the extension decides the format."""
    complaints = Complaints(path, problems)
    rows = list(_sound(FORMATS[extension(path)](path, text), complaints))
    complaints.close()
    return rows


def stream(
    path: str, complaints: Complaints, *, read: Callable[[object], Example], limit: int, whole: int
) -> Iterator[tuple[Place, Example]]:
    """The same of a file that may be large: as it is read, in constant memory.

    Args:
        path: of the file.
        complaints: where to note what is no example.
        read: makes an example of an object of JSONL, which may be more than a pair.
        limit: bytes of the file.
        whole: bytes of a .json file, which is one value and so read whole.

    Raises:
        OSError: it cannot be read, or is too large; with `strerror`.
    """
    name = extension(path)
    problems = Problems()
    if name == ".json":
        text = sources.read_data(path, problems, limit=whole)
        found = iter(()) if text is None else _json(path, text)
    else:
        newline = "\n" if name == ".jsonl" else ""
        lines = sources.read_lines(path, problems, limit=limit, longest=LINE_LIMIT, newline=newline)
        found = _jsonl(path, lines, read) if name == ".jsonl" else _csv(path, lines)
    yield from _sound(found, complaints)
    complaints.take(problems)


def _sound(found: Iterable[Row], complaints: Complaints) -> Iterator[tuple[Place, Example]]:
    for place, row in found:
        try:
            one = row()
        except _Refused as error:
            complaints.error(error.place or place, error.summary, error.detail)
        else:
            yield place, one


def extension(path: str) -> str:
    """Lower-case, with its dot; "" without one."""
    return "." + path.rpartition(".")[2].lower() if "." in path.rpartition("/")[2] else ""


Row = tuple[Place, Callable[[], Example]]


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Refused(f"the key {twice!r} is there twice", "Remove one of them.")
    return found


def _no_constant(word: str) -> NoReturn:
    raise _Refused(f"{word} is not JSON", "Write texts in double quotes.")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant)


def _described(value: object) -> str:
    """In JSON's words."""
    return "null" if value is None else "an object" if isinstance(value, dict) else described(value)


def example(row: object) -> Example:
    """A JSON object as an example; raises _Refused."""
    if not isinstance(row, Mapping):
        raise _Refused(
            f"an example must be an object, not {_described(row)}",
            'Write {"text_input": "…", "output": "…"}.',
        )
    found: dict[str, str] = {}
    for key, value in row.items():
        name = _SPELLINGS.get(key)
        if name is None:
            raise _unknown_column(key)
        if name in found:
            raise _Refused(f"{name} is there twice, in both spellings", "Remove one of them.")
        if not isinstance(value, str):
            quoted = json.dumps(json.dumps(value)) if isinstance(value, (bool, int, float)) else ""
            advice = f"Put it in quotes: {quoted}." if quoted else "Write a text in double quotes."
            raise _Refused(f"{key} must be text, not {_described(value)}", advice)
        found[name] = value
    for name in _COLUMNS:
        if name not in found:
            raise _Refused(f"{name} is missing", "Each example has text_input and output.")
    return Example(found["text_input"], found["output"])


def _unknown_column(name: str) -> _Refused:
    near = nearest(name, _COLUMNS)
    advice = f"Did you mean {near}? " if near else ""
    return _Refused(
        f"{name!r} is not a column of training data", f"{advice}There are text_input and output only."
    )


def _decoded(line: str, number: int, path: str) -> object:
    """One JSON value that is all of a line; raises _Refused."""
    if len(line) > LINE_LIMIT:
        raise _Refused(
            f"the line has more than {LINE_LIMIT:,} characters",
            "Write one example a line; a list of them belongs into a .json file.",
        )
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError as error:
        place = Place(path, number, error.colno)
        raise _Refused(f"not JSON: {error.msg}", "Write one JSON object a line.", place) from None
    except RecursionError:
        raise _Refused("nested too deeply", "An example is a flat object.") from None
    except ValueError as error:
        raise _Refused(_NO_NUMBER, "Write texts in double quotes.") from error


def _jsonl(path: str, lines: Iterable[str], read: Callable[[object], Example] | None = None) -> Iterator[Row]:
    read = read or example
    blank = _Blanks(path)

    def row(line: str, number: int) -> Example:
        return read(_decoded(line, number, path))

    for number, line in enumerate(lines, 1):
        if not line.strip():
            blank.note(number)
            continue
        yield from blank.between("each line holds one example")
        yield Place(path, number), lambda line=line, number=number: row(line.removesuffix("\n"), number)  # type: ignore[misc]


class _Blanks:
    """Empty lines: nothing at the end of a file, wrong between two examples."""

    def __init__(self, path: str) -> None:
        self._path, self._first, self._last = path, 0, 0

    def note(self, number: int) -> None:
        """One more."""
        self._first, self._last = self._first or number, number

    def between(self, what: str) -> Iterator[Row]:
        """Those so far, each as a row that is refused."""
        first, self._first = self._first, 0
        for number in range(first, self._last + 1) if first else ():
            yield Place(self._path, number), _raiser("the line is empty", f"Remove it: {what}.")


_OPENING = re.compile(r'[ \t\r\n]*(?:\{[ \t\r\n]*"examples"[ \t\r\n]*:[ \t\r\n]*){0,2}\[[ \t\r\n]*')
_BETWEEN = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")


def _json(path: str, text: str) -> Iterator[Row]:
    try:
        items = _unwrapped(_DECODER.decode(text))
    except json.JSONDecodeError as error:
        yield (
            Place(path, error.lineno, error.colno),
            _raiser(
                f"not JSON: {error.msg}",
                "One object a line belongs into a .jsonl file."
                if error.msg == "Extra data"
                else "Correct it there.",
            ),
        )
    except RecursionError:
        yield Place(path), _raiser("nested too deeply", "Write a list of flat objects.")
    except _Refused as error:
        *_, place = [Place(path, 1, 1), *_json_places(path, text, _DECODER)]
        yield place, _raiser(error.summary, error.detail)
    except ValueError:
        yield Place(path), _raiser(_NO_NUMBER, "Write texts in double quotes.")
    else:
        places = _json_places(path, text, json.JSONDecoder())
        for item in items:
            yield next(places, Place(path)), lambda item=item: example(item)  # type: ignore[misc]


def _unwrapped(document: object) -> list[object]:
    """The list in {"examples": {"examples": [...]}}, {"examples": [...]} or [...]; raises _Refused."""
    for _ in range(2):
        if isinstance(document, dict):
            if set(document) != {"examples"}:
                keys = ", ".join(repr(key) for key in list(document)[:5])
                raise _Refused(
                    f"the object has the keys {keys}" if keys else "the object is empty",
                    'Write a list of examples, or {"examples": [...]}.',
                )
            document = document["examples"]
    if not isinstance(document, list):
        raise _Refused(
            f"the file holds {_described(document)}, not a list", "Write a list of objects, one an example."
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
        except (ValueError, _Refused):
            return
        separator = _BETWEEN.match(text, end)
        position = separator.end() if separator else end


def _csv(path: str, lines: Iterable[str]) -> Iterator[Row]:
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    blank = _Blanks(path)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Place(path, start), _csv_refusal(error)
            return
        if not cells:
            blank.note(start)
            continue
        yield from blank.between("each row holds one example")
        if header is None:
            header = cells
            refusals = list(_header_refusals(header))
            for refusal in refusals:
                yield Place(path, start), refusal
            if refusals:
                return
            continue
        yield Place(path, start), lambda cells=cells, header=header: _csv_example(header, cells)  # type: ignore[misc]


def _raiser(summary: str, detail: str) -> Callable[[], Example]:
    def row() -> Example:
        raise _Refused(summary, detail)

    return row


def _csv_refusal(error: csv.Error) -> Callable[[], Example]:
    said = str(error)
    if "unexpected end of data" in said:
        return _raiser("a quote is opened and never closed", 'Close it; a quote inside is doubled: "".')
    if "expected after" in said:
        return _raiser("text follows a closing quote", 'Double a quote inside a quoted field: "".')
    if "field larger than" in said:
        return _raiser(
            f"a field has more than {csv.field_size_limit():,} characters", "Is a quote left open above it?"
        )
    return _raiser(f"not CSV: {said}", "Correct it there.")


def _header_refusals(header: list[str]) -> Iterator[Callable[[], Example]]:
    names = [_SPELLINGS.get(name) for name in header]
    if len(header) == 1 and names == [None] and re.search(r"[;\t|]", header[0]):
        yield _raiser("the columns are not separated by commas", "Save it with commas: text_input,output.")
        return
    for name in header:
        if name not in _SPELLINGS:
            refusal = _unknown_column(name)
            yield _raiser(refusal.summary, f"{refusal.detail} The first line names them.")
            return
    for name in _COLUMNS:
        if names.count(name) != 1:
            what = "missing" if name not in names else "there twice"
            yield _raiser(f"the column {name} is {what}", "The first line is: text_input,output.")
            return


def _csv_example(header: list[str], cells: list[str]) -> Example:
    if len(cells) != len(header):
        raise _Refused(
            f"the row has {plural(len(cells), 'field')}, and the header {len(header)}",
            "Put a text that holds a comma in double quotes.",
        )
    row = {_SPELLINGS[name]: cell.replace("\r\n", "\n") for name, cell in zip(header, cells, strict=True)}
    return Example(row["text_input"], row["output"])


FORMATS: Mapping[str, Callable[[str, str], Iterator[Row]]] = {
    ".jsonl": lambda path, text: _jsonl(path, text.split("\n")),
    ".json": _json,
    ".csv": lambda path, text: _csv(path, io.StringIO(text, newline="")),
}
"""How the text of a small file is read."""
