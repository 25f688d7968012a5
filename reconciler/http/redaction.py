"""What a service repeats of what it was sent: credentials and training texts are taken out.

Rule: applied before anybody reads it, so that no message, state or log can hold them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.http.connection import Reply
from reconciler.http.errors import printable

_HIDDEN = "[hidden]"
_CREDENTIALS = ("authorization", "x-goog-api-key")
_SHORTEST = 6
"""Characters: shorter texts say nothing of anybody, and would take words out of the message itself."""
_PIECE = 16
"""Characters that a message and a training text hardly have in common by chance."""
_CHUNK = 1_000_000
_QUOTED = re.compile(r"""(?<!\w)(["'`])(?!.{0,5}\1(?!\w)).*?(?:\1(?!\w)|…$)|“[^”]{6,}”?|«[^»]{6,}»?""")
_TEXTS = re.compile(rb'"(?:textInput|output|text)":\s*("(?:[^"\\]|\\.)*")')


def unechoed(reply: Reply, headers: Mapping[str, str], content: bytes | None) -> Reply:
    """The same reply with "[hidden]" for what it repeats.

    Args:
        reply: an error's.
        headers: of the request, credentials among them.
        content: of the request, JSON.
    """
    body = whole = reply.body.decode(errors="replace")
    for text in sorted({*_credentials(headers), *_examples(content or b"")}, key=len, reverse=True):
        for form in (
            text,
            json.dumps(text, allow_nan=False)[1:-1],
            json.dumps(text, ensure_ascii=False, allow_nan=False)[1:-1],
        ):
            if form in body:
                body = body.replace(form, _HIDDEN)
    return reply if body == whole else replace(reply, body=body.encode())


def _credentials(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if name.lower() in _CREDENTIALS:
            secret = value.rpartition(" ")[2]
            if len(secret) >= _SHORTEST:
                yield secret


def _examples(content: bytes) -> Iterator[str]:
    for found in _TEXTS.finditer(content):
        text = str(json.loads(found[1])).strip()
        if len(text) >= _SHORTEST:
            yield text


def unquoted(reason: str) -> str:
    """Why a training failed, without what stands in quotation marks: it may be of the training data."""
    return _QUOTED.sub(_HIDDEN, printable(reason))


def hidden(message: str, texts: Iterable[str]) -> str:
    """The message without what it has in common with these texts: a whole one, or a piece of one."""
    pieces = [message[at : at + _PIECE] for at in range(len(message) - _PIECE + 1)]
    spans: list[tuple[int, int]] = []
    for chunk in _chunks(texts):
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


def _chunks(texts: Iterable[str]) -> Iterator[str]:
    """The texts as messages show them, joined into a few long ones."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(printable(text, len(text) + 1))
        size += len(text)
        if size > _CHUNK:
            yield "\0".join(chunk)
            chunk, size = [], 0
    yield "\0".join(chunk)
