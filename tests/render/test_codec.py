"""The one codec: what it refuses to write and to read."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from reconciler.model import Address, DataSet, Example
from reconciler.plan.change import Bill
from reconciler.render.codec import CodecError, decode, encode
from reconciler.state.values import Record
from tests.render import plans


def test_defaults_are_left_out() -> None:
    """A document holds what somebody said, so it stays small and old ones stay readable."""
    assert encode(Record(Address("T", "x"))) == {"address": "T/x"}
    assert decode(Record, {"address": "T/x"}) == Record(Address("T", "x"))


def test_inline_examples_are_never_written() -> None:
    """Training data does not leave by this door."""
    assert encode(DataSet("d", 1, 2, inline=(Example("a", "b"),))) == {
        "digest": "d",
        "examples": 1,
        "characters": 2,
    }


def test_a_record_comes_back() -> None:
    """Records nest models, data and permissions; all of it returns."""
    assert decode(Record, encode(plans.RECORD_FULL)) == plans.RECORD_FULL


def test_an_unknown_type_is_a_defect() -> None:
    """What has no JSON form is refused at once, not written as its repr."""
    with pytest.raises(TypeError, match="set"):
        encode({"x": {1}})


def test_a_hint_without_a_form_is_a_defect() -> None:
    """A new sort of field cannot slip through the decoder unseen."""

    @dataclass(frozen=True)
    class Odd:
        members: frozenset[int] = frozenset()

    with pytest.raises(TypeError, match="frozenset"):
        decode(Odd, {"members": []})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_number_that_json_has_not(number: float) -> None:
    """NaN and infinity are no numbers of a plan."""
    document = {"examples": 1, "characters": 1, "epochs": 1, "batch": 1, "steps": 1, "price": number}
    with pytest.raises(CodecError, match="price: a number expected"):
        decode(Bill, document)
