"""Page tokens: where the next page begins, and of which question.

The place is a key and not a count, so pages do not shift when items come and go between them. The
token is opaque, and only good for the parameters that gave it; the page size may change.
"""

import base64
import binascii
import hashlib

from reconciler.emulator.errors import invalid

_DIGEST, _PLACE = 6, 6


def encode(after: int, *question: str) -> str:
    """Return the token for the items after *after*."""
    place = after.to_bytes(_PLACE)
    return base64.urlsafe_b64encode(_digest(place, question) + place).decode()


def decode(token: str, *question: str) -> int:
    """Return the place that *token* holds, 0 when there is none; a foreign token is a 400."""
    if not token:
        return 0
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    digest, place = raw[:_DIGEST], raw[_DIGEST:]
    if len(place) != _PLACE or digest != _digest(place, question):
        raise invalid("Invalid page token.")
    return int.from_bytes(place)


def _digest(place: bytes, question: tuple[str, ...]) -> bytes:
    asked = "\x00".join(question).encode()
    return hashlib.blake2b(place + asked, digest_size=_DIGEST).digest()
