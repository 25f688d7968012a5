"""Where a line and column lie in a file, in bytes, as Terraform's diagnostics say it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from reconciler.errors import Diagnostic

_LIMIT = 16 * 1024 * 1024
"""Bytes; in a larger file, which is data, the line has to do."""


def byte_of(diagnostic: Diagnostic) -> int:
    """The offset of the place, 0 where the file cannot be read (any more) or the place is not in it."""
    lines = _lines(diagnostic.file or "")
    line, column = diagnostic.line or 1, diagnostic.column or 1
    if not 0 < line <= len(lines):
        return 0
    start, text = lines[line - 1]
    return start + len(text.decode(errors="replace")[: column - 1].encode())


@lru_cache(maxsize=8)
def _lines(file: str) -> list[tuple[int, bytes]]:
    """Each line with its offset."""
    path = Path(file)
    try:
        if not path.is_file() or path.stat().st_size > _LIMIT:
            return []
        data = path.read_bytes()
    except (OSError, ValueError):
        return []
    found, start = [], 0
    for line in data.split(b"\n"):
        found.append((start, line))
        start += len(line) + 1
    return found
