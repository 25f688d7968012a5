"""Counts, times and values in words."""

from __future__ import annotations

import pytest
from hypothesis import given

from reconciler.identity import float32
from reconciler.render.formats import counted, duration, number
from tests.render.strategies import floats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7, "0.7"),
        (float32(0.7), "0.7"),
        (0.001, "0.001"),
        (1.0, "1"),
        (1e-7, "1e-07"),
        (1e300, "1e+300"),
        (16777217.0, "16777217"),
        (0.1 + 2**-25, "0.10000003"),
    ],
)
def test_number(value: float, text: str) -> None:
    """A float is shown as a manifest would write it, although the service keeps float32."""
    assert number(value) == text


@given(floats)
def test_number_is_the_same_float32(value: float) -> None:
    """Two values that the service tells apart never look the same."""
    assert float32(float(number(value))) == float32(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (7500, "2h05m"),
        (float("inf"), "0s"),
        (-3, "0s"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    """Two units at most, and no nonsense for nonsense."""
    assert duration(seconds) == text


def test_counted() -> None:
    """A noun follows its count."""
    assert [counted(0, "model"), counted(1, "model"), counted(1204, "model")] == [
        "0 models",
        "1 model",
        "1,204 models",
    ]
