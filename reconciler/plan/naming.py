"""Which model a person means by a name: an id, the last part of a resource name, or the whole of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reconciler.model import Live


def strip_project(name: str) -> str:
    """A resource's name without its project, which has an id and a number."""
    return re.sub(r"^projects/[^/]+/", "", name)


def is_name_of(said: str, id: str, name: str) -> bool:
    """Whether `said` may mean the model of this id and resource name.

    Two names that differ in their projects alone may be of one model, where one of them has the project's id
    and the other its number.
    """
    if "/" not in said:
        return said in {id, name.rpartition("/")[2]}
    if said == name:
        return True
    one, other = (text.split("/")[:2] for text in (said, name))
    is_numbered = [pair[-1].isdigit() for pair in (one, other)]
    return is_numbered[0] != is_numbered[1] and strip_project(said) == strip_project(name)


def index_by_name(live: Iterable[Live]) -> dict[str, str]:
    """Every key under which a live model is looked for, to its id; an id wins over the end of a name."""
    models = tuple(live)
    found = {one.id: one.id for one in models}
    for one in models:
        for key in (one.name, one.name.rpartition("/")[2], strip_project(one.name)):
            found.setdefault(key, one.id)
    return found


def find_named(said: str, index: Mapping[str, str], live: Mapping[str, Live]) -> Live | None:
    """The live model that `said` means.

    Args:
        said: an id or a resource name.
        index: of `by_name`.
        live: id to model.
    """
    one = live.get(index.get(said, index.get(strip_project(said), "")))
    return one if one is not None and is_name_of(said, one.id, one.name) else None
