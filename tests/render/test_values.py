"""Values in words."""

from __future__ import annotations

import pytest
from hypothesis import given

from reconciler.identity import to_float32
from reconciler.model.names import Value
from reconciler.render.values import format_number, format_value
from tests.render.strategies import floats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7, "0.7"),
        (to_float32(0.7), "0.7"),
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
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        ("true", '"true"'),
        (40, "40"),
        (0.7, "0.7"),
        ((123, "a", False), '[123, "a", false]'),
        ((), "[]"),
    ],
)
def test_value(value: Value, text: str) -> None:
    """A value is written as in a manifest, so a boolean is not taken for a number or a text."""
    assert format_value(value) == text


@given(floats)
def test_number_is_the_same_float32(value: float) -> None:
    """Two values that the service tells apart never look the same."""
    assert to_float32(float(format_number(value))) == to_float32(value)
