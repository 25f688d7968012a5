"""Shows values that may hold a secret: an address without its login, however it was mistyped.

Rule: if in doubt, leave it out. The reader can look at the setting; a log keeps what it is given for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from reconciler.bounds import CREDENTIALS
from reconciler.errors import NotJSONError
from reconciler.strictjson import loads_answer

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:/{1,2}"
LEFT_OUT = "…"


def hide_login(address: str) -> str:
    """Make an address safe for a message: without login, query, fragment and control characters.

    Everything before the last "@" is taken for a login where "//" or ":" stands before it, so that a
    password with "/", "#" or "?" in it is left out too, and so is one in a text that is not an address.
    """
    text = CONTROLS.sub("", address)
    before, at, rest = text.rpartition("@")
    if at and (":" in before or "//" in before):
        scheme = re.match(_SCHEME, before)
        text = f"{scheme[0] if scheme else ''}{LEFT_OUT}@{rest}"
    elif text.lstrip()[:1] in {"{", "["}:
        return LEFT_OUT  # a document, not an address
    return re.split(r"[?#]", text, maxsplit=1)[0]


def has_login(address: str) -> bool:
    """Return whether `hide_login` removes a login."""
    return f"{LEFT_OUT}@" in hide_login(address) and LEFT_OUT not in address


_SHORTEST = 8
"""Characters. A shorter text is not a strong secret, and hiding it would remove words from messages."""


def find_secrets(values: Iterable[str]) -> tuple[str, ...]:
    """Find the texts in some settings' values that no message may contain, the longest first."""
    found = {text for value in values for text in _split_secret(value) if len(text) >= _SHORTEST}
    return tuple(sorted(found, key=len, reverse=True))


def _split_secret(value: str) -> Iterator[str]:
    """Yield a value, its lines, the texts in its JSON, and the login of its address."""
    value = value.strip()
    yield value
    yield from (line.strip() for line in re.split(r"\r|\n|\\r|\\n", value))
    before, at, _ = value.rpartition("@")
    if at and ":" in before:
        login = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:/{1,2}", "", before)
        yield from (login, unquote(login), *(unquote(part) for part in login.split(":", 1)[1:]))
    if value[:1] in {"{", "["}:
        try:
            yield from _find_texts(loads_answer(value.encode(errors="replace"), most=CREDENTIALS))
        except NotJSONError:
            yield from re.findall(r'"([^"\\]*)"', value)


def _find_texts(document: object) -> Iterator[str]:
    if isinstance(document, str):
        yield from re.split(r"[\r\n]+", document)
    elif isinstance(document, Mapping):
        for value in document.values():
            yield from _find_texts(value)
    elif isinstance(document, list):
        for item in document:
            yield from _find_texts(item)
