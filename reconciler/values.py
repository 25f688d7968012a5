"""Dataclasses whose methods are written when the first object of a class is made.

`dataclasses` writes and compiles six methods for each class when its module is imported. That was a third of
the time of a short command, which makes objects of few of the two hundred classes. Here `dataclasses` does
this later. Rule: a class behaves as one of `dataclasses`, which a test checks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["adjust", "dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """Make a dataclass, see `dataclasses.dataclass`."""
        return (lambda given: _make(given, options)) if cls is None else _make(cls, options)


_T = TypeVar("_T")


def adjust(value: _T, **fields: object) -> _T:
    """Return an object with other values of these fields: the same object if it has these already.

    `dataclasses.replace` takes longer for a class with many fields than comparing some of them.
    """
    if all(getattr(value, name) == new for name, new in fields.items()):
        return value
    return dataclasses.replace(value, **fields)  # type: ignore[type-var]  # _T is a dataclass


_WRITTEN = ("__init__", "__repr__", "__eq__", "__hash__", "__lt__", "__le__", "__gt__", "__ge__")
_twins: dict[type, Callable[[], type]] = {}
"""What builds the twin of a class: it has the same fields, and all methods."""


class _Unwritten:
    """Stands for `__init__` until somebody asks for it. `write` puts the methods into the class."""

    def __init__(self, write: Callable[[], Any]) -> None:
        self._write = write

    def __get__(self, instance: object, owner: type) -> Any:
        return self._write().__get__(instance, owner)


def _make(cls: type, options: dict[str, bool]) -> Any:
    own = {name: value for name, value in vars(cls).items() if name not in {"__dict__", "__weakref__"}}
    fields_only = {**options, "init": False, "repr": False, "eq": False, "order": False, "frozen": False}
    make: Any = dataclasses.dataclass
    made = make(**fields_only)(cls)
    built: list[type] = []

    def build_twin() -> type:
        if not built:
            bases = tuple(_twins[base]() if base in _twins else base for base in cls.__bases__)
            twin = type(cls)(cls.__name__, bases, own)
            built.append(make(**options)(twin))
        return built[0]

    def write() -> Any:
        twin = vars(build_twin())
        for name in _WRITTEN:
            if name in twin:
                setattr(made, name, twin[name])
        return twin.get("__init__")

    _twins[made] = build_twin
    if options.get("init", True):
        made.__init__ = _Unwritten(write)
    else:  # nothing tells when the first object is made
        write()
    if options.get("frozen", False):
        _freeze(made)
    return made


def _freeze(made: Any) -> None:
    """Refuse to change an object, and let it be copied all the same."""

    def refuse(self: object, name: str, what: str) -> None:
        if type(self) is made or name in made.__dataclass_fields__:
            raise dataclasses.FrozenInstanceError(f"cannot {what} field {name!r}")

    def set_attribute(self: object, name: str, value: object) -> None:
        refuse(self, name, "assign to")
        super(made, self).__setattr__(name, value)

    def delete_attribute(self: object, name: str) -> None:
        refuse(self, name, "delete")
        super(made, self).__delattr__(name)

    made.__setattr__, made.__delattr__ = set_attribute, delete_attribute
    if "__slots__" in vars(made):
        made.__getstate__, made.__setstate__ = _get_state, _set_state


def _get_state(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[object]) -> None:
    _ = type(self).__init__  # it may be the first object of its class, and needs its methods
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
