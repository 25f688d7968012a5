"""Pages of a list, and the tokens of the next page.

A token holds the place where the next page begins. The place is a key and not a count, so pages do not
shift when items are added or deleted meanwhile. A token is valid only with the parameters of the request that
returned it; only the page size may change.
"""

import base64
import binascii
import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from reconciler.emulator.errors import ApiError, ArgumentError

_DIGEST, _PLACE = 6, 6
_MOST = 1000
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of a list, as a request asks for it.

    Attributes:
        size: how many items it has at most.
        place: what the token says, 0 on the first page.
        question: the parameters that the token belongs to.
    """

    size: int
    place: int
    question: tuple[str, ...]

    def answer(
        self, key: str, rows: Sequence[T], show: Callable[[T], Any], place_of: Callable[[T], int]
    ) -> dict[str, Any]:
        """Return the answer of a list method, which calls the list *key*.

        *rows* are the items from the place on: one more than the size, if there is one more. *show* makes the
        JSON of an item, and *place_of* returns the place at which a page after it begins.
        """
        answer: dict[str, Any] = {key: [show(row) for row in rows[: self.size]]} if rows else {}
        token = self.make_next_token(rows, place_of)
        return {**answer, "nextPageToken": token} if token else answer

    def make_next_token(self, rows: Sequence[T], place_of: Callable[[T], int]) -> str:
        """Return the token of the page after *rows*, '' if this is the last one."""
        if len(rows) <= self.size:
            return ""
        return encode_token(place_of(rows[self.size - 1]), self.question)


def read_page(parameters: Mapping[str, str], *question: str, default: int) -> Page:
    """Return the page that `page_size` and `page_token` ask for; a 400 for a token of another question."""
    size = _read_size(parameters.get("page_size", "0"))
    place = _decode_token(parameters.get("page_token", ""), question)
    return Page(min(size or default, _MOST), place, question)


def encode_token(place: int, question: tuple[str, ...]) -> str:
    """Return the token of the page that begins at *place*."""
    raw = place.to_bytes(_PLACE)
    return base64.urlsafe_b64encode(_compute_digest(raw, question) + raw).decode()


def _decode_token(token: str, question: tuple[str, ...]) -> int:
    if not token:
        return 0
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    digest, place = raw[:_DIGEST], raw[_DIGEST:]
    if len(place) != _PLACE or digest != _compute_digest(place, question):
        raise ArgumentError("Invalid page token.")
    return int.from_bytes(place)


def _compute_digest(place: bytes, question: tuple[str, ...]) -> bytes:
    text = "\x00".join(question).encode()
    return hashlib.blake2b(place + text, digest_size=_DIGEST).digest()


def _read_size(text: str) -> int:
    size = int(text) if re.fullmatch(r"-?[0-9]{1,10}", text) else None
    if size is None or not -(2**31) <= size < 2**31:
        raise ArgumentError(f"Invalid value at 'page_size' (TYPE_INT32), \"{text[:40]}\"")
    if size < 0:
        raise ApiError(400, "page_size must not be negative.")
    return size
