"""Limits of the tests: how long they wait, and how many random examples a property meets."""

from __future__ import annotations

import os
from typing import Any

import pytest

NET = 30.0
"""Seconds. A right program ends long before, on any machine. A wrong one takes minutes, or never ends."""


STRIDE = int(os.environ.get("MATRIX_STRIDE", "8"))
"""In `make test-all`, a slow crash matrix kills at every STRIDE-th point. 1 tries all points."""


def examples(most: int) -> int:
    """Return how many examples a property meets now: all of them with EXAMPLES=all, else a sixth.

    `make test-all` asks for all.
    """
    return most if os.environ.get("EXAMPLES") == "all" else max(most // 6, 5)


def repeats(*cases: Any) -> list[Any]:
    """Mark cases that only repeat what other cases of a test show. A case is a value or a tuple of values.

    `make test` leaves these cases out, and `make test-all` runs them.
    """
    rows = (case if isinstance(case, tuple) else (case,) for case in cases)
    return [pytest.param(*row, marks=pytest.mark.thorough) for row in rows]
