"""Reading the JSON of Google's APIs: values of a known type, or an error that names resource and field.

Rules: unknown fields are ignored, a wrong type is an error. proto3 leaves zero values out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from reconciler.errors import ServiceError

JsonObject: TypeAlias = dict[str, Any]


def as_text(value: object) -> str:
    """A string; TypeError "text" otherwise."""
    if isinstance(value, str):
        return value
    raise TypeError("text")


def as_integer(value: object) -> int:
    """An integer, also in the string that int64 has in JSON; TypeError otherwise."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():  # what JavaScript makes of 5
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        return int(value)
    raise TypeError("an integer")


def as_float(value: object) -> float:
    """A number, or the three that JSON cannot write ("NaN" of a diverged loss); TypeError otherwise."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        return float(value)
    raise TypeError("a number")


def as_integers(value: object) -> tuple[int, ...]:
    """A list of integers; TypeError otherwise."""
    if isinstance(value, list):
        return tuple(as_integer(one) for one in value)
    raise TypeError("a list of integers")


def wrong(where: str, what: str, value: object, expected: str) -> ServiceError:
    """The error for an answer of the wrong type."""
    return ServiceError(
        f"{where}: the service answered {what} = {ascii(value)[:60]}, which is not {expected}",
        "Check that the endpoint is that service's; if it is, this version does not understand its answer.",
    )


def as_object(value: object, where: str, what: str) -> JsonObject:
    """An object, empty when absent; ServiceError otherwise."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(where, what, value, "an object")
    return value


def text_of(document: JsonObject, key: str) -> str:
    """The string under a key, "" when it is absent or none."""
    value = document.get(key)
    return value if isinstance(value, str) else ""


def objects_of(document: JsonObject, key: str, where: str) -> Sequence[JsonObject]:
    """The list of objects under a key; empty when absent; ServiceError otherwise."""
    value = document.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise wrong(where, key, value, "a list of objects")
    return value


def next_page(document: JsonObject, where: str) -> str:
    """The token of the next page, "" after the last."""
    token = document.get("nextPageToken", "")
    if not isinstance(token, str):
        raise wrong(where, "nextPageToken", token, "text")
    return token


def prompt_body(prompt: str, temperature: float | None) -> JsonObject:
    """The body of a generateContent that asks for one answer."""
    body: JsonObject = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    if temperature is not None:
        body["generationConfig"] = {"temperature": temperature}
    return body


def reply_text(document: JsonObject, name: str) -> str:
    """The text of a generateContent's first candidate; ServiceError that says why there is none."""
    candidates = objects_of(document, "candidates", name)
    first = candidates[0] if candidates else {}
    content = as_object(first.get("content"), name, "content")
    parts = [part for part in objects_of(content, "parts", name) if not part.get("thought")]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    if texts:
        return "".join(texts)
    feedback = as_object(document.get("promptFeedback"), name, "promptFeedback")
    blocked, finished = text_of(feedback, "blockReason"), text_of(first, "finishReason")
    why = f"the prompt was blocked ({blocked})" if blocked else f"it finished with {finished or 'no reason'}"
    raise ServiceError(
        f"{name} answered without text: {why}", "Change the prompt.", reason=blocked or finished
    )
