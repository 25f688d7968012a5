"""The tests that take long begin first, in each worker."""

from __future__ import annotations

import pytest

from tests.early import deal_early


@pytest.mark.parametrize(
    ("early", "others", "workers", "pieces"),
    [
        ("AB", "cdefg", 2, ["Acd", "Befg"]),
        ("ABC", "defgh", 2, ["ACde", "Bfgh"]),
        ("A", "bcdef", 3, ["Ab", "cd", "ef"]),
        ("", "abc", 2, ["a", "bc"]),
        ("AB", "", 1, ["AB"]),
    ],
)
def test_each_piece_begins_with_its_share(early: str, others: str, workers: int, pieces: list[str]) -> None:
    """The early tests are dealt out, each piece begins with its share, and no test is lost."""
    assert "".join(deal_early(early, others, workers)) == "".join(pieces)
