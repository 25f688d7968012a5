"""Writes pairs in canonical form with msgspec, which escapes the same characters as json.

It takes half of the time of `identity.encode_example`, and a test holds both equal.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field
from msgspec.json import Encoder


class WrittenPair(Struct, gc=False):
    """A pair, with its keys in the order in which `identity.encode_example` writes them."""

    output: str
    text_input: str = field(name="textInput")


_ENCODER = Encoder()


def encode_pairs(inputs: Iterable[str], outputs: Iterable[str]) -> bytes:
    """Write pairs as `identity.encode_example` does, each with a line end.

    Raises:
        UnicodeEncodeError: a text has half of a surrogate pair.
    """
    return _ENCODER.encode_lines(list(map(WrittenPair, outputs, inputs)))
