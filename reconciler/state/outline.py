"""Reads of a state's document which models it records and whose they are, in a fiftieth of the time of all.

Rule: no plan is made from an outline. It only tells early which services may be asked for their lists.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.json import Decoder

from reconciler.state.values import VERSION, State


class Outline(Struct, frozen=True):
    """What a document says without its records.

    Attributes:
        head: everything but records and costs.
        kinds: of the recorded models.
    """

    head: State
    kinds: frozenset[str]


class _Line(Struct):
    address: str


class _Document(Struct):
    version: int
    stack: str
    service: str
    project: str
    resources: list[_Line]


_OUTLINE = Decoder(_Document)


def read_outline(data: bytes) -> Outline | None:
    """Read the outline of a document. None if it is not a document of a version that this program reads."""
    try:
        found = _OUTLINE.decode(data)
    except ValueError:
        return None
    if found.version > VERSION:
        return None
    head = State(stack=found.stack, service=found.service, project=found.project)
    return Outline(head, frozenset(line.address.partition("/")[0] for line in found.resources))
