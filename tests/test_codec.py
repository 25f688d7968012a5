"""The codec: how it tells values apart, and what it refuses to write and read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Struct, field

from reconciler.codec import decode, encode
from reconciler.codec.readers import (
    WrongValueError,
    read_count,
    read_member,
    read_number,
    read_scalar,
    read_scalars,
)
from reconciler.errors import Diagnostic, Severity
from reconciler.model.data import DataSet, Example, Layout
from reconciler.model.live import Status
from reconciler.model.names import Address, Attributes, Count, Name, Unknown
from reconciler.plan.change import Bill
from reconciler.state.values import Record, Verdict
from tests.limits import examples
from tests.render import plans


def test_defaults_are_left_out() -> None:
    """A document holds only the keys that somebody set, so it stays small and old ones stay readable."""
    assert encode(Record(Address("T", "x"))) == {"address": "T/x"}
    assert decode(Record, {"address": "T/x"}) == Record(Address("T", "x"))


def test_a_diagnostic_is_an_object_without_its_defaults() -> None:
    """It is a named tuple, and not written as a list."""
    problem = Diagnostic("it is wrong", file="m.yaml", line=3, severity=Severity.WARNING)
    document = {"summary": "it is wrong", "file": "m.yaml", "line": 3, "severity": "warning"}
    assert encode(problem) == document


def test_inline_examples_are_never_written() -> None:
    """The codec never writes training data."""
    assert encode(DataSet("d", 1, 2, inline=(Example("a", "b"),))) == {
        "digest": "d",
        "examples": 1,
        "characters": 2,
    }


def test_the_layout_of_a_file_comes_back() -> None:
    """A plan file keeps which columns of a data file were read."""
    data = DataSet("d", 1, 2, file="d.csv", layout=Layout("question", "answer", delimiter=";"))
    written = encode(data)
    assert written == {
        "digest": "d",
        "examples": 1,
        "characters": 2,
        "file": "d.csv",
        "layout": {"text_input": "question", "output": "answer", "delimiter": ";"},
    }
    assert decode(DataSet, written) == data


def test_a_record_comes_back() -> None:
    """A record with nested models, data and permissions survives writing and reading."""
    assert decode(Record, encode(plans.RECORD_FULL)) == plans.RECORD_FULL


def test_an_unknown_type_is_a_defect() -> None:
    """A value without a JSON form is refused at once and not written as its repr."""
    with pytest.raises(TypeError, match="set"):
        encode({"x": {1}})


def test_a_hint_without_a_form_is_a_defect() -> None:
    """A new type of field is refused until the decoder knows it."""

    class Odd(Struct, frozen=True):
        members: frozenset[int] = frozenset()

    with pytest.raises(TypeError, match="frozenset"):
        decode(Odd, {"members": []})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_number_that_json_has_not(number: float) -> None:
    """NaN and infinity are refused."""
    document = {"examples": 1, "characters": 1, "epochs": 1, "batch": 1, "steps": 1, "price": number}
    with pytest.raises(WrongValueError, match="price: should be a finite number"):
        decode(Bill, document)


class Create(Struct, frozen=True):
    """A step with fields."""

    id: str
    generation: int = 0


class SetPermissions(Struct, frozen=True):
    """A step that holds nothing."""


Step: TypeAlias = Annotated[Create | SetPermissions, "step"]


class Program(Struct, frozen=True):
    """Steps in every place where a union can stand."""

    steps: tuple[Step, ...] = ()
    last: Step | None = None
    by_address: Mapping[Address, tuple[Step | None, ...]] = field(default_factory=dict)


PROGRAM = Program(
    (Create("m-1"), SetPermissions()), Create("m-2", 3), {Address("T", "x"): (SetPermissions(), None)}
)


def test_a_union_is_told_apart_by_its_class() -> None:
    """Each member is written with its class name and comes back as that class."""
    document = encode(PROGRAM)
    assert document == {
        "steps": [{"step": "create", "id": "m-1"}, {"step": "set_permissions"}],
        "last": {"step": "create", "id": "m-2", "generation": 3},
        "by_address": {"T/x": [{"step": "set_permissions"}, None]},
    }
    assert decode(Program, document) == PROGRAM


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ({"id": "m-1"}, r"steps: step: is missing"),
        ({"step": "delete"}, 'steps: step: should be one of create, set_permissions, not "delete"'),
        ({"step": ["create"]}, r'steps: step: should be one of create, set_permissions, not \["create"\]'),
        ({"step": "create"}, r"steps: id: is missing"),
        ({"step": "set_permissions", "id": "m-1"}, r"steps: id: is not a key that this version knows"),
        ("create", 'steps: should be an object, not "create"'),
    ],
)
def test_a_member_is_read_as_strictly_as_any_class(step: object, problem: str) -> None:
    """A step of another version is refused with its place, and never read as another step."""
    with pytest.raises(WrongValueError, match=problem):
        decode(Program, {"steps": [step]})


def test_a_union_that_nothing_tells_apart_is_a_defect() -> None:
    """A union of two classes without a tag is refused."""
    with pytest.raises(TypeError, match="no JSON form"):
        decode(Untold, {"member": {"id": "m-1"}})


def test_a_field_that_hides_the_tag_is_a_defect() -> None:
    """A member with a field named like the tag is refused when the codec is made."""
    with pytest.raises(TypeError, match="told apart by 'id'"):
        encode(Hidden(Create("m-1")))


class Hidden(Struct, frozen=True):
    """Its union is told apart by a key that a member has as a field."""

    member: Annotated[Create | SetPermissions, "id"]


class Untold(Struct, frozen=True):
    """Its union has no tag."""

    member: Create | SetPermissions | None


@pytest.mark.parametrize(
    ("read", "value", "problem"),
    [
        (read_count, -1, "should be a whole number from 0, not -1"),
        (read_count, True, "should be a whole number from 0, not true"),
        (read_count, 2**63, "is too large for a whole number"),
        (read_number, "1", "should be a number"),
        (read_number, False, "should be a number, not false"),
        (read_number, math.inf, "should be a finite number"),
        (read_scalar, None, "should be text, a number or a list of them, not null"),
        (read_scalars, [{}], "should be text, a number or a list of them"),
        (read_member(Verdict), None, "should be text"),
        (read_member(Verdict), "well", "should be one of passed, failed, unknown, not"),
    ],
)
def test_a_reader_refuses_what_it_does_not_take(
    read: Callable[[object], object], value: object, problem: str
) -> None:
    """The error says what the reader takes and what was there."""
    with pytest.raises(WrongValueError) as refused:
        read(value)
    assert str(refused.value).startswith(problem)


def test_a_reader_takes_what_it_says() -> None:
    """Values within the bounds are read, and a list becomes a tuple, which nobody can change."""
    assert read_count(2**63 - 1) == 2**63 - 1
    assert read_number(1) == 1.0
    assert read_scalars([1, "a", True, 0.5]) == (1, "a", True, 0.5)
    assert read_member(Verdict)("failed") is Verdict.FAILED
    assert read_member(Verdict, or_null=True)(None) is None


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A part that msgspec converts."""

    id: Name
    share: float | None = None
    unknown: Unknown = field(default_factory=dict)


class Converted(Struct, frozen=True, forbid_unknown_fields=True):
    """A field of every type that msgspec converts."""

    id: Name
    count: Count = 0
    whole: int | None = None
    flag: bool = False
    status: Status | None = None
    values: Attributes = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    part: Part | None = None
    unknown: Unknown = field(default_factory=dict)


class Read(Converted, frozen=True, forbid_unknown_fields=False):
    """The same fields. The readers read it, because it does not forbid unknown ones."""


_odd: st.SearchStrategy[object] = st.sampled_from(
    [
        "",
        "x",
        "ACTIVE",
        0,
        1,
        -1,
        2**63,
        1.0,
        0.5,
        True,
        None,
        [],
        {},
        [1, "x"],
        [[]],
        {"a": 1},
        {"a": [1.5, True]},
    ]
)
_parts = st.dictionaries(st.sampled_from(["id", "share", "unknown", "more"]), _odd)
_keys = ["id", "count", "whole", "flag", "status", "values", "parts", "part", "unknown", "more"]
_documents = st.dictionaries(st.sampled_from(_keys), _odd | _parts | st.lists(_parts, max_size=2)).map(
    lambda found: {"id": "x", **found}
)


@settings(max_examples=examples(1000), deadline=None)
@given(_documents)
@example({"id": "x", "unknown": {}})
@example({"id": "x", "part": {"id": "y", "unknown": {"a": "1"}}})
def test_what_msgspec_converts_is_what_the_readers_read(document: dict[str, object]) -> None:
    """The same values with the same types, the same unknown keys, and the same refusals."""
    outcomes = []
    for kind in (Converted, Read):
        try:
            outcomes.append(repr(decode(kind, document)).partition("(")[2])
        except WrongValueError as wrong:
            outcomes.append(str(wrong))
    assert outcomes[0] == outcomes[1]
