"""CRC-32C and MD5 of an object, in base64 as Cloud Storage gives them.

CRC-32C is the remainder of the bytes, as a polynomial over GF(2), modulo a polynomial. The bytes
are one big integer here, and are halved by folding the upper part onto the lower until 32 bits are
left: some thirty shifts of big integers, instead of a loop over bytes.
"""

import base64
import hashlib

_POLYNOMIAL = 0x11EDC6F41
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc32c(content: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of *content*."""
    # Bits go in mirrored, the first 32 inverted; the remainder comes out the same way.
    size = len(content) * 8 + 32
    value = int.from_bytes(content.translate(_MIRRORED)) << 32
    value ^= 0xFFFFFFFF << (size - 32)
    while size > 256:
        low = size // 2
        upper, value = value >> low, value & ((1 << low) - 1)
        value ^= _times(upper, _power(low))
        size = max(low, size - low + 32)
    return int(f"{_remainder(value):032b}"[::-1], 2) ^ 0xFFFFFFFF


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
