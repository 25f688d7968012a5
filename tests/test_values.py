"""A class whose methods are written late behaves as one of dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import operator
import pickle
import re
import types
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import pytest

from reconciler import model, values

OPTIONS: tuple[dict[str, bool], ...] = (
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "order": True},
    {"frozen": True, "slots": True, "kw_only": True},
    {"frozen": True},
    {"slots": True},
    {"slots": True, "eq": False},
    {"eq": False, "kw_only": True},
    {"init": False},
    {"repr": False, "unsafe_hash": True},
    {},
)
ORDERS: tuple[Callable[[Any, Any], object], ...] = (operator.lt, operator.le, operator.gt, operator.ge)


def _make(decorator: Any, options: dict[str, bool]) -> Any:
    class Pair:
        """Two values, and what follows from them."""

        KINDS: ClassVar = ("a", "b")

        first: int
        second: str = "x"
        third: list[int] = dataclasses.field(default_factory=list, compare=False)
        fourth: int = dataclasses.field(default=4, repr=False)
        fifth: int = dataclasses.field(default=5, init=False)

        @property
        def total(self) -> int:
            """The sum of the numbers."""
            return self.first + self.fourth

    Pair.__qualname__ = "Pair"
    return decorator(**options)(Pair)


def _tell(act: Callable[[], object]) -> object:
    """Tell what comes of a call: its result, or its error."""
    try:
        found = act()
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is compared
        return type(error), str(error)
    return found


def _use(pair: Any) -> list[object]:
    """Use a class in every way that dataclasses promise."""
    one = _tell(lambda: pair(first=1))
    if not isinstance(one, pair):
        return [one, "__eq__" in vars(pair)]
    other, near = pair(first=2, second="y", third=[3]), pair(first=1, third=[5], fourth=4)
    return [
        re.sub("0x[0-9a-f]+", "", repr(one)), one.total, one.fifth, one.third, near.third, pair.KINDS,
        one == near, one == other, one != other, one == object(), one.__eq__(5),
        _tell(lambda: hash(one) == hash(near)), _tell(lambda: hash(one) == hash(other)),
        *(_tell(partial(compare, one, other)) for compare in ORDERS),
        _tell(lambda: setattr(one, "first", 9)), _tell(lambda: delattr(one, "second")),
        isinstance(_tell(lambda: setattr(one, "sixth", 6)), tuple),
        [(field.name, field.type, field.compare) for field in dataclasses.fields(pair)],
        dataclasses.asdict(other), repr(dataclasses.replace(other, first=7)).partition("(")[2],
        pair.__match_args__, pair.__doc__, str(inspect.signature(pair)),
        [getattr(copy.copy(other), name) for name in ("first", "second", "third", "fourth", "fifth")],
        copy.deepcopy(other).third, hasattr(other, "__dict__"),
    ]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) or "none")
def test_it_behaves_as_a_dataclass(options: dict[str, bool]) -> None:
    """Whatever is done with a class and its objects, the result is the same, with each option that we use."""
    late, early = _make(values.dataclass, options), _make(dataclasses.dataclass, options)
    assert _use(late) == _use(early)


def test_its_signature_is_known_before_an_object_is_made() -> None:
    """Who asks for the parameters of a class gets those that it has."""
    late, early = _make(values.dataclass, OPTIONS[0]), _make(dataclasses.dataclass, OPTIONS[0])
    assert inspect.signature(late) == inspect.signature(early)


def test_methods_are_written_when_the_first_object_is_made() -> None:
    """A class without objects costs nothing but its fields."""
    late = _make(values.dataclass, OPTIONS[0])
    assert not isinstance(vars(late)["__init__"], types.FunctionType)
    assert "__eq__" not in vars(late)
    assert late(1) == late(1)
    assert isinstance(vars(late)["__init__"], types.FunctionType)


@values.dataclass(frozen=True, slots=True)
class Base:
    """A value."""

    first: int

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("negative")


@values.dataclass(frozen=True, slots=True)
class More(Base):
    """A value, and another."""

    second: int = 2

    def __repr__(self) -> str:
        return "more"


class Plain(Base):
    """A class of its own that begins as the value does."""

    def __init__(self) -> None:
        super().__init__(5)
        self.noted = True


def test_classes_inherit() -> None:
    """A dataclass has the fields of its base, whichever is used first, and another class can build on one."""
    assert Plain().first == 5
    assert Plain().noted
    assert repr(More(1)) == "more"
    assert (More(1, 3), More(1)) == (More(1, 3), More(first=1, second=2))
    assert repr(Base(1)) == "Base(first=1)"
    assert Base(1) != More(1)
    with pytest.raises(ValueError, match="negative"):
        More(-1)
    plain = Plain()
    del plain.noted
    assert not hasattr(plain, "noted")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'first'"):
        Plain().first = 6  # type: ignore[misc]


def test_objects_can_be_sent() -> None:
    """A frozen object comes out of pickle as it went in."""
    assert pickle.loads(pickle.dumps(More(1, 3))) == More(1, 3)  # noqa: S301 -- its own bytes


def test_an_object_that_was_sent_may_be_the_first_of_its_class() -> None:
    """Another process may send an object before this one makes any. It is compared and shown all the same."""
    late = _make(values.dataclass, OPTIONS[0])
    sent = [object.__new__(late) for _ in range(2)]
    for one in sent:
        one.__setstate__([1, "x", [], 4, 5])
    assert sent[0] == sent[1]
    assert "first=1" in repr(sent[0])


def test_it_can_be_used_without_options() -> None:
    """The decorator may stand without brackets."""

    @values.dataclass
    class Single:
        """One value."""

        value: int

    assert Single(1) == Single(1)


def test_the_core_uses_it() -> None:
    """Every class of the model is made so."""
    made = [one for one in vars(model).values() if isinstance(one, type) and dataclasses.is_dataclass(one)]
    assert len(made) > 20
    assert {*made} <= values._twins.keys()


def test_adjusting_makes_an_object_only_if_something_differs() -> None:
    """An object that has the values already is returned itself, and another one is left as it was."""
    value = More(1, 3)
    assert values.adjust(value, first=1, second=3) is value
    assert values.adjust(value, first=1, second=4) == More(1, 4)
    assert value == More(1, 3)
