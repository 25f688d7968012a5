"""What others wrote, fit to be shown: without control characters, credentials or training texts.

Rule: a foreign text is cleared before anybody reads it, so that no message, state or log can hold what must
not be shown, or drive a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from reconciler.errors import BODY_LIMIT

_HIDDEN = "[hidden]"
_SHORTEST = 6
"""Characters: shorter texts say nothing of anybody, and would take words out of the message itself."""
_PIECE = 16
"""Characters that a message and a training text hardly have in common by chance."""
_CHUNK = 1_000_000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_QUOTED = re.compile(r"""(?<!\w)(["'`])(?!.{0,5}\1(?!\w)).*?(?:\1(?!\w)|…$)|“[^”]{6,}”?|«[^»]{6,}»?""")


def make_printable(text: str, limit: int = BODY_LIMIT) -> str:
    """A foreign text on one line, without control or direction characters, cut at `limit`."""
    shown = re.sub(r"\s+", " ", _SURROGATES.sub("\ufffd", _UNPRINTABLE.sub(" ", text))).strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def hide_echoes(body: bytes, texts: Iterable[str]) -> bytes:
    """A reply's body with "[hidden]" for each of these texts that it repeats, however JSON writes them.

    Texts of less than six characters stay: they say nothing of anybody.
    """
    whole = body.decode(errors="replace")
    shown = hide_secrets(
        whole, sorted({one for one in texts if len(one) >= _SHORTEST}, key=len, reverse=True)
    )
    return body if shown == whole else shown.encode()


def hide_secrets(message: str, secrets: Iterable[str]) -> str:
    """The message with "[hidden]" for each of these texts, written as it is or as JSON quotes it.

    A text that is part of another comes after it.
    """
    for text in secrets:
        quoted = (json.dumps(text, ensure_ascii=as_ascii, allow_nan=False) for as_ascii in (True, False))
        for form in (text, *(one[1:-1] for one in quoted)):
            if form in message:
                message = message.replace(form, _HIDDEN)
    return message


def hide_quotes(reason: str) -> str:
    """Why a training failed, without what stands in quotation marks: it may be of the training data."""
    return _QUOTED.sub(_HIDDEN, make_printable(reason))


def hide_texts(message: str, texts: Iterable[str]) -> str:
    """The message without what it has in common with these texts: a whole text, or a piece of one."""
    pieces = [message[at : at + _PIECE] for at in range(len(message) - _PIECE + 1)]
    spans: list[tuple[int, int]] = []
    for chunk in _join_chunks(texts):
        common = {piece for piece in set(pieces) if piece in chunk}
        spans += [(at, at + _PIECE) for at, piece in enumerate(pieces) if piece in common]
        for text in {one for one in chunk.split("\0") if _SHORTEST <= len(one) < _PIECE and one in message}:
            spans += [(one.start(), one.end()) for one in re.finditer(re.escape(text), message)]
    shown, end = "", 0
    for start, stop in sorted(spans):
        if start > end or not shown:
            shown += message[end:start] + _HIDDEN
        end = max(end, stop)
    return shown + message[end:]


def _join_chunks(texts: Iterable[str]) -> Iterator[str]:
    """The texts as messages show them, joined into a few long ones."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(make_printable(text, len(text) + 1))
        size += len(text)
        if size > _CHUNK:
            yield "\0".join(chunk)
            chunk, size = [], 0
    yield "\0".join(chunk)
