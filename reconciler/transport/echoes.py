"""What a refusal repeats of the request that it refuses: credentials and training texts are taken out.

Rule: applied to the reply before anybody reads it, so that no message, state or log can hold them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.transport.exchange import Reply

_CREDENTIALS = ("authorization", "x-goog-api-key")
_SHORTEST = 6
"""Characters: shorter texts say nothing of anybody, and would take words out of the message itself."""
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
        for form in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
            if form in body:
                body = body.replace(form, "[hidden]")
    return reply if body == whole else replace(reply, body=body.encode())


def _credentials(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if name.lower() in _CREDENTIALS:
            yield value.rpartition(" ")[2]


def _examples(content: bytes) -> Iterator[str]:
    for found in _TEXTS.finditer(content):
        text = str(json.loads(found[1])).strip()
        if len(text) >= _SHORTEST:
            yield text
