"""Find the model that a person means by an id, a resource name, or the last part of a resource name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reconciler.model.live import Live


def strip_project(name: str) -> str:
    """Remove the project from a resource name. A project may be named by its id or by its number."""
    return re.sub(r"^projects/[^/]+/", "", name)


def is_name_of(said: str, id: str, name: str) -> bool:
    """Return whether `said` may mean the model with this id and resource name.

    Two names that differ only in their projects may mean the same model, if one of them has the id of the
    project and the other its number.
    """
    if "/" not in said:
        return said in {id, name.rpartition("/")[2]}
    if said == name:
        return True
    is_numbered = [text.split("/")[:2][-1].isdigit() for text in (said, name)]
    return is_numbered[0] != is_numbered[1] and strip_project(said) == strip_project(name)


def index_by_name(live: Iterable[Live]) -> dict[str, str]:
    """Map every id, resource name and end of a name to the id of its live model. An id comes first."""
    models = tuple(live)
    found = {model.id: model.id for model in models}
    for model in models:
        for key in (model.name, model.name.rpartition("/")[2], strip_project(model.name)):
            found.setdefault(key, model.id)
    return found


def find_named(said: str, index: Mapping[str, str], live: Mapping[str, Live]) -> Live | None:
    """Find the live model that `said` means.

    Args:
        said: an id or a resource name.
        index: the result of `index_by_name`.
        live: id to model.
    """
    model = live.get(index.get(said, index.get(strip_project(said), "")))
    return model if model is not None and is_name_of(said, model.id, model.name) else None
