"""Parses JSON that others may have written: in files, stores and answers. The only module that does.

Rule: whatever the bytes are, the result is a value or a NotJSONError, and it comes quickly. `bounds` limits
size, depth and numbers. `loads` is for what this program writes, and refuses all else. `loads_answer` is for
the answers of services, and is lenient: one odd number concerns only its own field.

msgspec reads whatever is plain, in half of the time or less. What it refuses, and what it may have read more
leniently than it should, the standard json reads again. That also says where a text is wrong.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import msgspec

from reconciler import bounds
from reconciler.errors import NotJSONError

_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_MOST_DIGITS = 4300
"""Of an integer: the limit of Python, which protects from long conversions."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SHOWN = 40

Decode: TypeAlias = Callable[[bytes], Any]
"""A decoder of msgspec. It raises MsgspecError."""


def loads(data: bytes, *, most: int) -> Any:
    """Parse JSON that this program wrote, or that a user edited.

    Args:
        data: the whole text, UTF-8.
        most: the most bytes that it may have.

    Raises:
        NotJSONError: it is empty, cut off, too large, too deep, not UTF-8, not JSON; or holds a key twice,
            NaN, a number beyond int64 or beyond a double, or half of a surrogate pair.
    """
    document = _read_plainly(data, most, msgspec.json.decode)
    if document is not _NOT_PLAIN and _is_strict(document, data):
        return document
    text = _decode(data, most)
    too_large: list[str] = []

    def read_integer(text: str) -> int | float:
        number = _read_integer(text)
        if isinstance(number, int) and number in bounds.INT64:
            return number
        too_large.append(text)
        return math.inf

    def read_float(text: str) -> float:
        number = float(text)
        if math.isinf(number):
            too_large.append(text)
        return number

    document = _parse(
        text,
        data,
        object_pairs_hook=_refuse_double_keys,
        parse_constant=_refuse_constant,
        parse_int=read_integer,
        parse_float=read_float,
    )
    if too_large:  # only then is it searched, because a state of many models has many values
        way = _find_infinity(document) or ()
        raise NotJSONError(": ".join((*way, "is too large for a number")))
    if _SURROGATE.search(data):
        try:
            json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise NotJSONError(f"a text holds half a character ({half!r})") from error
    return document


def loads_answer(data: bytes, *, most: int = bounds.REPLY, decode: Decode | None = None) -> Any:
    """Parse the JSON of a service. Its numbers may be infinite or NaN: the reader of a field decides.

    An integer of more than 4,300 digits becomes infinity. Half a character becomes U+FFFD. Of two equal keys
    the last one wins.

    Args:
        data: the whole text, UTF-8.
        most: the most bytes that it may have.
        decode: decodes the parts of a document that somebody reads. None for the whole document.

    Raises:
        NotJSONError: it is empty, cut off, too large, too deep, not UTF-8 or not JSON.
    """
    document = _read_plainly(data, most, decode or msgspec.json.decode)
    if document is not _NOT_PLAIN:
        return document
    text = _decode(data, most)
    document = _parse(text, data, parse_int=_read_integer)
    return _replace_surrogates(document) if _SURROGATE.search(data) else document


def dumps(value: object, *, indent: int | None = None) -> str:
    """Write JSON in ASCII, which every reader takes. Half a character, of a file's name, becomes U+FFFD.

    Raises ValueError for NaN and infinity, which must be dealt with where they come in.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, indent=indent, separators=separators, allow_nan=False)
    if "\\ud" in text:
        text = json.dumps(_replace_surrogates(value), indent=indent, separators=separators, allow_nan=False)
    return text


def show_value(value: object) -> str:
    """Write a value into a message, cut short."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


_NOT_PLAIN = object()


def _read_plainly(data: bytes, most: int, decode: Decode) -> Any:
    """Parse JSON that is not deep and has no odd number or text. _NOT_PLAIN for anything else."""
    if len(data) > most or _may_be_deep(data):
        return _NOT_PLAIN
    try:
        if not data.isascii():
            data.decode()  # msgspec does not look into the keys and texts that it skips
        return decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _NOT_PLAIN


# A text's shape has 0 for each digit, and a space for what may stand before a number.
_SHAPE = bytes.maketrans(b"\t\r\n,[:-123456789", b"       000000000")
_LARGE = b" " + b"0" * 19
"""Each long integer has this in the shape of its text. It may be beyond int64."""


def _is_strict(document: object, data: bytes) -> bool:
    """Return whether a text that msgspec has read certainly has no integer beyond int64, and no key twice.

    The document has each key once. So a key was there twice if it has fewer colons than the text, provided
    that no colon is written as an escape.
    """
    if type(document) is int or b"\\u003" in data or _LARGE in data.translate(_SHAPE):
        return False
    return data.count(b":") == msgspec.json.encode(document).count(b":")


def _decode(data: bytes, most: int) -> str:
    if len(data) > most:
        raise NotJSONError(f"it is larger than {most // bounds.MB} MB")
    if not data.strip():
        raise NotJSONError("it holds nothing but white space" if data else "it is empty (0 bytes)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotJSONError(f"byte {error.start} is not UTF-8") from error


def _parse(text: str, data: bytes, **hooks: Callable[..., object] | None) -> Any:
    try:
        document = json.loads(text, **hooks)  # type: ignore[arg-type]  # each hook has its own type
    except json.JSONDecodeError as error:
        end = " (is it cut off?)" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else ""
        problem = f"line {error.lineno}, column {error.colno} is not JSON: {error.msg}{end}"
        raise NotJSONError(problem) from error
    except RecursionError as error:
        raise NotJSONError(_TOO_DEEP) from error
    if _may_be_deep(data) and is_deep(document):
        raise NotJSONError(_TOO_DEEP)
    return document


_TOO_DEEP = f"it is too deep: more than {bounds.DEPTH} lists and objects inside of each other"


def _may_be_deep(data: bytes) -> bool:
    """Return False if the text is certainly not too deep.

    Takes pairs of brackets away from the inside, two levels at a time. That is much cheaper than to visit all
    values of a large list. Brackets in texts can make it say True.
    """
    brackets = data.translate(None, _ALL_BUT_BRACKETS)
    for _ in range(bounds.DEPTH // 2):
        left = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(left) == len(brackets):
            break
        brackets = left
    return bool(brackets)


def is_deep(document: object) -> bool:
    """Return whether lists and objects stand inside of each other more than `bounds.DEPTH` times."""
    level = [document]
    for _ in range(bounds.DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def _refuse_double_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        address = found.get("address")
        whose = f"{address}: " if isinstance(address, str) and address else ""
        raise NotJSONError(f"{whose}duplicate key {show_value(twice)}")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise NotJSONError(f"{name} is not a number that JSON knows")


def _read_integer(text: str) -> int | float:
    return float(text) if len(text) > _MOST_DIGITS else int(text)


def _find_infinity(value: object) -> tuple[str, ...] | None:
    """Find the keys that lead to the first number that is too large. None if there is no such number."""
    if isinstance(value, float):
        return () if math.isinf(value) else None
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        way = _find_infinity(item)
        if way is not None:
            return (str(key), *way)
    return None


def _replace_surrogates(value: Any) -> Any:
    """Replace half characters."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, (list, tuple)):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, Mapping):
        return {_replace_surrogates(key): _replace_surrogates(item) for key, item in value.items()}
    return value
