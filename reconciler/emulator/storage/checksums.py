"""CRC-32C and MD5 of an object, in base64 as Cloud Storage gives them.

CRC-32C is the remainder of the bytes, as a polynomial over GF(2), modulo a polynomial. The bytes
are big integers here, 64 KiB each, and are halved by folding the upper part onto the lower until
little is left: some shifts of big integers, instead of a loop over bytes.
"""

import base64
import functools
import hashlib

_POLYNOMIAL = 0x11EDC6F41
_PIECE = 64 * 1024
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc32c(content: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of *content*."""
    # Bits go in mirrored, the first 32 inverted; the remainder comes out the same way.
    remainder = 0xFFFFFFFF
    for start in range(0, len(content), _PIECE):
        piece = content[start : start + _PIECE].translate(_MIRRORED)
        value = (int.from_bytes(piece) << 32) ^ (remainder << (len(piece) * 8))
        remainder = _folded(value, len(piece) * 8 + 32)
    return int(f"{remainder:032b}"[::-1], 2) ^ 0xFFFFFFFF


def _folded(value: int, size: int) -> int:
    """Return the remainder of *value*, which has at most *size* bits."""
    while size > 256:
        low = size // 2
        upper, value = value >> low, value & ((1 << low) - 1)
        value ^= _times(upper, _power(low))
        size = max(low, size - low + 32)
    return _remainder(value)


def crc32c_text(content: bytes) -> str:
    """Return the CRC-32C as the object's metadata has it."""
    return base64.b64encode(crc32c(content).to_bytes(4)).decode()


def md5_text(content: bytes) -> str:
    """Return the MD5 as the object's metadata has it."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _times(value: int, factor: int) -> int:
    """Return the carry-less product of *value* and a short *factor*."""
    product, shift = 0, 0
    while factor:
        if factor & 1:
            product ^= value << shift
        factor, shift = factor >> 1, shift + 1
    return product


@functools.cache
def _power(exponent: int) -> int:
    """Return x to the *exponent*, modulo the polynomial."""
    result = 1
    for bit in f"{exponent:b}":
        result = _remainder(_times(result, result))
        if bit == "1":
            result = _remainder(result << 1)
    return result


def _remainder(value: int) -> int:
    while (excess := value.bit_length() - 33) >= 0:
        value ^= _POLYNOMIAL << excess
    return value
