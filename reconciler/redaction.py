"""Redacts foreign texts: removes control characters, credentials and training texts.

Rule: redact a foreign text before it is used, so that no message, state or log can reveal a secret or control
a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from reconciler.errors import BODY_LIMIT

_HIDDEN = "[hidden]"
_SHORTEST = 6
"""Characters. Shorter texts reveal nothing, and hiding them would remove words of the message itself."""
_PIECE = 16
"""Characters that a message and a training text rarely have in common by chance."""
_CHUNK = 1_000_000
_UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+"
_SURROGATES = r"[\ud800-\udfff]"
_QUOTED = r"""(?<!\w)(["'`])(?!.{0,5}\1(?!\w)).*?(?:\1(?!\w)|…$)|“[^”]{6,}”?|«[^»]{6,}»?"""


def make_printable(text: str, limit: int = BODY_LIMIT) -> str:
    """Put a foreign text on one line, without control or direction characters, cut at `limit`."""
    shown = re.sub(r"\s+", " ", re.sub(_SURROGATES, "\ufffd", re.sub(_UNPRINTABLE, " ", text))).strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def hide_echoes(body: bytes, texts: Iterable[str]) -> bytes:
    """Replace these texts in a reply's body by "[hidden]", however JSON writes them.

    Texts of less than six characters stay: they reveal nothing.
    """
    whole = body.decode(errors="replace")
    shown = hide_secrets(
        whole, sorted({text for text in texts if len(text) >= _SHORTEST}, key=len, reverse=True)
    )
    return body if shown == whole else shown.encode()


def hide_secrets(message: str, secrets: Iterable[str]) -> str:
    """Replace these texts in a message by "[hidden]", also as JSON quotes them.

    A text that is part of another must come after it.
    """
    for text in secrets:
        quoted = (json.dumps(text, ensure_ascii=as_ascii, allow_nan=False) for as_ascii in (True, False))
        for form in (text, *(written[1:-1] for written in quoted)):
            if form in message:
                message = message.replace(form, _HIDDEN)
    return message


def hide_quotes(reason: str) -> str:
    """Redact quotations from the reason of a failure, because they may be training data."""
    return re.sub(_QUOTED, _HIDDEN, make_printable(reason))


def hide_texts(message: str, texts: Iterable[str]) -> str:
    """Redact what a message has in common with these texts: a whole text, or a piece of one."""
    pieces = [message[at : at + _PIECE] for at in range(len(message) - _PIECE + 1)]
    spans: list[tuple[int, int]] = []
    for chunk in _join_chunks(texts):
        common = {piece for piece in set(pieces) if piece in chunk}
        spans += [(at, at + _PIECE) for at, piece in enumerate(pieces) if piece in common]
        short = (text for text in chunk.split("\0") if _SHORTEST <= len(text) < _PIECE)
        for text in {text for text in short if text in message}:
            spans += [(match.start(), match.end()) for match in re.finditer(re.escape(text), message)]
    shown, end = "", 0
    for start, stop in sorted(spans):
        if start > end or not shown:
            shown += message[end:start] + _HIDDEN
        end = max(end, stop)
    return shown + message[end:]


def _join_chunks(texts: Iterable[str]) -> Iterator[str]:
    """Join the texts, as messages show them, into a few long ones."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(make_printable(text, len(text) + 1))
        size += len(text)
        if size > _CHUNK:
            yield "\0".join(chunk)
            chunk, size = [], 0
    yield "\0".join(chunk)
