"""Orders the tests so that those that take long begin first.

`--dist worksteal` deals each worker an equal piece of the list, and each begins its piece at the front. A
long test at the end of a piece would run alone, after all the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TypeVar

Test = TypeVar("Test")


def deal_early(early: Sequence[Test], others: Sequence[Test], workers: int) -> list[Test]:
    """Order all tests so that the piece of each worker begins with its share of the early ones."""
    ordered: list[Test] = []
    rest = iter(others)
    left = len(early) + len(others)
    for worker in range(workers):
        size = left // (workers - worker)
        left -= size
        share = early[worker::workers]
        ordered += [*share, *islice(rest, max(size - len(share), 0))]
    return [*ordered, *rest]
