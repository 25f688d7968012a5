"""Kinds and their base models."""

from __future__ import annotations

import pytest

from reconciler.kind import Base

RETIRED = "it retired on 2026-01-31, according to documents read on 2026-02-01"


@pytest.mark.parametrize(
    ("replacements", "today", "said"),
    [
        ((), "2026-01-30", ""),
        ((), "2026-02-01", RETIRED),
        (("b", "c"), "2026-01-30", "in its place: b, c"),
        (("b",), "2026-02-01", f"{RETIRED}; in its place: b"),
    ],
)
def test_the_fate_of_a_base_model(replacements: tuple[str, ...], today: str, said: str) -> None:
    """Its end, once it has come, and what can be tuned in its place."""
    model = Base("a", tunable=False, retires="2026-01-31", replacements=replacements, read="2026-02-01")
    assert model.describe_end(today) == said
