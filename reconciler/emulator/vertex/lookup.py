"""What is in a location: single records, and the pages of lists."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.paging import read_page
from reconciler.emulator.vertex.filters import parse_filter
from reconciler.emulator.vertex.names import read_location
from reconciler.emulator.vertex.records import Resource

IS_ALIVE = "born <= :now AND (died IS NULL OR died > :now)"
_IS_HERE = "project = :project AND location = :location"
R = TypeVar("R", bound=Resource)


def find_here(
    call: Call, kind: type[R], where: str, /, *, order: str = "rowid", limit: int = -1, **values: object
) -> list[R]:
    """Return the records of the call's location for which the SQL *where* holds; `:now` is the time."""
    here = read_location(call)._asdict()
    where = f"{_IS_HERE} AND {where}"
    return call.database.find(kind, where, order=order, limit=limit, now=call.now, **here, **values)


def list_page(
    call: Call,
    kind: type[R],
    *,
    key: str,
    columns: Mapping[str, str],
    where: str,
    show: Callable[[R], dict[str, Any]],
    **values: str,
) -> Reply:
    """Answer a list method with one page, the newest first; no document says in which order.

    Args:
        call: the request.
        kind: the records that are listed.
        key: what the answer calls the list.
        columns: the fields that a filter may name, and what they are in SQL.
        where: the SQL condition for what is listed of the location.
        show: makes the JSON of a record.
        values: the values in *where*, but for `:now`.
    """
    wanted = call.parameters.get("filter", "")
    page = read_page(call.parameters, key, wanted, *values.values(), *read_location(call), default=100)
    filtered, filter_values = parse_filter(wanted, columns)
    rows = find_here(
        call,
        kind,
        f"{where} AND (:place = 0 OR seq < :place) AND ({filtered})",
        order="seq DESC",
        limit=page.size + 1,
        place=page.place,
        **values,
        **filter_values,
    )
    return Reply(payload=page.answer(key, rows, show, lambda row: row.seq))
