"""What a command may do with what is remembered of data, and the name of the file that remembers it."""

from __future__ import annotations

from enum import Flag, auto

NAME = "data-cache.json"


class Use(Flag):
    """What a command may do with what is remembered."""

    NOTHING = 0
    READ = auto()
    WRITE = auto()
