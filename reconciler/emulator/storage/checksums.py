"""CRC-32C and MD5 of an object, in base64 as Cloud Storage gives them.

CRC-32C is the remainder of the bytes, read as a polynomial over GF(2), modulo a fixed polynomial. 64 KiB of
them are one big integer here, which is halved again and again by folding its upper part onto the lower one,
until little is left. That takes some shifts of big integers, instead of a loop over bytes.
"""

import base64
import functools
import hashlib

_POLYNOMIAL = 0x11EDC6F41
_PIECE = 64 * 1024
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def compute_crc32c(content: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of *content*."""
    # The bits go in mirrored, and the first 32 inverted. The remainder comes out mirrored and inverted too.
    remainder = 0xFFFFFFFF
    for start in range(0, len(content), _PIECE):
        piece = content[start : start + _PIECE].translate(_MIRRORED)
        value = (int.from_bytes(piece) << 32) ^ (remainder << (len(piece) * 8))
        remainder = _fold(value, len(piece) * 8 + 32)
    return int(f"{remainder:032b}"[::-1], 2) ^ 0xFFFFFFFF


def _fold(value: int, size: int) -> int:
    """Return the remainder of *value*, which has at most *size* bits."""
    while size > 256:
        low = size // 2
        upper, value = value >> low, value & ((1 << low) - 1)
        value ^= _multiply(upper, _raise_x(low))
        size = max(low, size - low + 32)
    return _reduce(value)


def write_crc32c(content: bytes) -> str:
    """Return the CRC-32C as the metadata of an object has it."""
    return base64.b64encode(compute_crc32c(content).to_bytes(4)).decode()


def write_md5(content: bytes) -> str:
    """Return the MD5 as the metadata of an object has it."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _multiply(value: int, factor: int) -> int:
    """Return the carry-less product of *value* and a short *factor*."""
    product, shift = 0, 0
    while factor:
        if factor & 1:
            product ^= value << shift
        factor, shift = factor >> 1, shift + 1
    return product


@functools.cache
def _raise_x(exponent: int) -> int:
    """Return x to the *exponent*, modulo the polynomial."""
    if exponent < 32:
        return 1 << exponent
    root = _raise_x(exponent // 2)
    return _reduce(_multiply(root, root) << exponent % 2)


def _reduce(value: int) -> int:
    while (excess := value.bit_length() - 33) >= 0:
        value ^= _POLYNOMIAL << excess
    return value
