"""The byte at which a line and column begin, as Terraform's diagnostics have it."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from reconciler.errors import Diagnostic

_LIMIT = 16 * 1024 * 1024
"""Bytes of the largest file that is read for it; larger ones are data, and have their line only."""


def find_byte_offset(diagnostic: Diagnostic) -> int:
    """Return the byte offset of a diagnostic, or 0 if the file cannot be read or has no such place."""
    lines = _split_lines(diagnostic.file or "")
    line, column = diagnostic.line or 1, diagnostic.column or 1
    if not 0 < line <= len(lines):
        return 0
    start, text = lines[line - 1]
    return start + len(text.decode(errors="replace")[: column - 1].encode())


@lru_cache(maxsize=8)
def _split_lines(file: str) -> list[tuple[int, bytes]]:
    """Return each line with its offset, or no line if the file cannot be read."""
    path = Path(file)
    try:
        if not path.is_file() or path.stat().st_size > _LIMIT:
            return []
        data = path.read_bytes()
    except (OSError, ValueError):
        return []
    lines = data.split(b"\n")
    return list(zip(accumulate((len(line) + 1 for line in lines), initial=0), lines, strict=False))
