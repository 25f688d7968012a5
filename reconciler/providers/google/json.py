"""Reads the JSON of Google's APIs: values of a known type, or an error with resource and field.

Rules: unknown fields are ignored. A field that is compared must have the right type and a possible value,
else it is an error. A figure that is only shown is left out if it makes no sense. An answer about another
resource is refused. proto3 leaves out zero values, and may write numbers as text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from reconciler.bounds import FLOAT32, INT64
from reconciler.errors import NoTextError, NotUnderstoodError
from reconciler.formats import parse_time
from reconciler.identity import encode_canonical

_NUMBER = r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,4})?"
_TIME = re.compile(r"2[01][0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})")

JsonObject: TypeAlias = dict[str, Any]


def parse_text(value: object) -> str:
    """Return a string; TypeError "text" otherwise."""
    if isinstance(value, str):
        return value
    raise TypeError("text")


def parse_integer(value: object) -> int:
    """Return an int64 from a number or from its text. TypeError otherwise."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        value = int(value)
    elif isinstance(value, str) and re.fullmatch(_NUMBER, value):
        value = float(value)
    if isinstance(value, float) and value.is_integer():  # JavaScript writes 5 like this
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in INT64:
        return value
    raise TypeError("an integer")


def parse_float(value: object) -> float:
    """Return a finite float32 from a number or from its text. TypeError otherwise."""
    if isinstance(value, str) and re.fullmatch(_NUMBER, value):
        value = float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= FLOAT32:
        return float(value)
    raise TypeError("a number")


def parse_integers(value: object) -> tuple[int, ...]:
    """Return a list of integers. TypeError otherwise."""
    if isinstance(value, list):
        return tuple(parse_integer(item) for item in value)
    raise TypeError("a list of integers")


def parse_boolean(value: object) -> bool:
    """Return true or false. TypeError otherwise."""
    if isinstance(value, bool):
        return value
    raise TypeError("true or false")


def parse_object(value: object) -> str:
    """Return an object as canonical JSON. TypeError otherwise."""
    if isinstance(value, dict):
        try:
            return encode_canonical(value).decode(errors="replace")
        except ValueError as error:  # NaN, infinity
            raise TypeError("an object of finite numbers") from error
    raise TypeError("an object")


def read_count(document: JsonObject, key: str) -> int | None:
    """Read a count for people: an integer from 0. 0 if absent, None if it makes no sense."""
    try:
        count = parse_integer(_get_number(document, key))
    except TypeError:
        return None
    return count if count >= 0 else None


def read_percent(document: JsonObject, key: str) -> float | None:
    """Read a percentage for people: 0 to 100. 0 if absent, None if it makes no sense."""
    figure = read_figure(document, key)
    return figure if figure is not None and 0 <= figure <= 100 else None


def read_figure(document: JsonObject, key: str) -> float | None:
    """Read a finite number for people. 0 if absent, None if it makes no sense."""
    try:
        return parse_float(_get_number(document, key))
    except TypeError:
        return None


def _get_number(document: JsonObject, key: str) -> object:
    return 0 if document.get(key) is None else document[key]


def read_time(document: JsonObject, key: str) -> str:
    """Read a time for people, in RFC 3339 as received. "" if it is absent or makes no sense."""
    value = document.get(key)
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return ""
    return value if parse_time(value) else ""


def pick_objects(document: JsonObject, key: str) -> Sequence[JsonObject]:
    """Return the objects of a list, for people. Leaves out items that are not objects."""
    value = document.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else ()


def explain_wrong_type(where: str, what: str, value: object, expected: str) -> NotUnderstoodError:
    """Return the error for an answer of the wrong type."""
    return NotUnderstoodError(
        f"{where}: the service answered {what} = {ascii(value)[:60]}, which is not {expected}",
        "Check that the endpoint is that service's; if it is, this version does not understand its answer.",
    )


def explain_another(where: str, asked: str, found: object) -> NotUnderstoodError:
    """Return the error for an answer about another resource than the one that was asked for."""
    return NotUnderstoodError(
        f"{where}: the service was asked about {asked} but answered about {ascii(found)[:120]}",
        "Nothing is concluded from that. Check that the endpoint is that service's, and that no proxy or "
        "cache stands in between.",
    )


def require_object(value: object, where: str, what: str) -> JsonObject:
    """Return the object, {} if absent. ServiceError if it is not an object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise explain_wrong_type(where, what, value, "an object")
    return value


def pick_object(document: JsonObject, key: str) -> JsonObject:
    """Return the object under a key, {} if it is absent or not an object."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def read_text(document: JsonObject, key: str) -> str:
    """Return the string under a key, "" if it is absent or not a string."""
    value = document.get(key)
    return value if isinstance(value, str) else ""


def read_objects(document: JsonObject, key: str, where: str) -> Sequence[JsonObject]:
    """Return the list of objects under a key; empty when absent. ServiceError otherwise."""
    value = document.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        raise explain_wrong_type(where, key, value, "a list of objects")
    return value or ()


def read_list(document: JsonObject, key: str, where: str) -> Sequence[object]:
    """Return the list under a key, () if absent. NotUnderstoodError if it is not a list."""
    value = document.get(key)
    if value is not None and not isinstance(value, list):
        raise explain_wrong_type(where, key, value, "a list")
    return value or ()


def read_next_page(document: JsonObject, where: str) -> str:
    """Return the token of the next page, "" after the last."""
    token = document.get("nextPageToken")
    if token is None:  # in proto3's JSON, null is the default value
        return ""
    if not isinstance(token, str):
        raise explain_wrong_type(where, "nextPageToken", token, "text")
    return token


def read_reply(document: JsonObject, name: str) -> str:
    """Return the text of the first candidate of a generateContent. NoTextError says why there is none."""
    candidates = read_objects(document, "candidates", name)
    first = candidates[0] if candidates else {}
    content = require_object(first.get("content"), name, "content")
    parts = [part for part in read_objects(content, "parts", name) if not part.get("thought")]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    if texts:
        return "".join(texts)
    feedback = require_object(document.get("promptFeedback"), name, "promptFeedback")
    blocked, finished = read_text(feedback, "blockReason"), read_text(first, "finishReason")
    why = f"the prompt was blocked ({blocked})" if blocked else f"it finished with {finished or 'no reason'}"
    raise NoTextError(
        f"{name} answered without text: {why}", "Change the prompt.", reason=blocked or finished
    )
