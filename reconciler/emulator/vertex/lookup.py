"""Finds a call's project and location, and the records there: single ones, and the pages of lists.

Answers name a project by its number, whatever the request called it, as the real service does. There is no
directory of projects, so the number is made from the id.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError
from reconciler.emulator.paging import read_page
from reconciler.emulator.vertex.filters import parse_filter
from reconciler.emulator.vertex.records import Location, Resource

_IS_HERE = "project = :project AND location = :location"
R = TypeVar("R", bound=Resource)


def read_location(call: Call) -> Location:
    """Return the location in the path of a call."""
    return Location(_make_project_number(call.path["project"]), call.path["location"])


def make_id() -> str:
    """Return a number as the service chooses one: 19 digits, within 63 bits."""
    return str(10**18 + secrets.randbelow(8 * 10**18))


def _make_project_number(project: str) -> str:
    """Return the number of a project from its id or number."""
    if re.fullmatch(r"[0-9]+", project):
        return project
    digest = hashlib.blake2b(project.encode(), digest_size=8).digest()
    return str(10**11 + int.from_bytes(digest) % (9 * 10**11))


def find_all(
    call: Call, kind: type[R], where: str, /, *, order: str = "rowid", limit: int = -1, **values: object
) -> list[R]:
    """Return what exists in the call's location and fits the SQL *where*; `:now` is the time."""
    here = read_location(call)._asdict()
    where = f"{_IS_HERE} AND {kind.EXISTS} AND {where}"
    return call.database.find(kind, where, order=order, limit=limit, now=call.now, **here, **values)


def find_one(call: Call, kind: type[R], name: str, where: str, missing: str, /, **values: str) -> R:
    """Return a record of the call's location. If there is none, the 404 is *missing* with the full *name*."""
    found = find_all(call, kind, where, limit=1, **values)
    if not found:
        raise ApiError(404, missing.format(read_location(call).write_name(name)))
    return found[0]


def list_page(
    call: Call,
    kind: type[R],
    key: str,
    columns: Mapping[str, str],
    where: str,
    *,
    show: Callable[[Call, R], dict[str, Any]],
    **values: str,
) -> Reply:
    """Answer a list method with one page, the newest first; no document says in which order.

    The answer calls the list *key*, and *show* makes the JSON of a record. *where* is the SQL condition for
    what is listed, with *values* as its parameters. *columns* has the SQL of each field that can be filtered.
    """
    wanted = call.parameters.get("filter", "")
    page = read_page(call.parameters, key, wanted, *values.values(), *read_location(call), default=100)
    filtered, filter_values = parse_filter(wanted, columns)
    rows = find_all(
        call,
        kind,
        f"{where} AND (:place = 0 OR seq < :place) AND ({filtered})",
        order="seq DESC",
        limit=page.size + 1,
        place=page.place,
        **values,
        **filter_values,
    )
    return Reply(payload=page.answer(key, rows, lambda row: show(call, row), lambda row: row.seq))
