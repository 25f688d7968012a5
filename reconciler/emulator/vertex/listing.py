"""Lists: pages of what is in a location, the newest first, which no document says."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.paging import read_page
from reconciler.emulator.vertex.filters import parse_filter
from reconciler.emulator.vertex.names import location_of
from reconciler.emulator.vertex.records import IS_HERE, Resource

R = TypeVar("R", bound=Resource)


def list_page(
    call: Call,
    kind: type[R],
    parameters: Mapping[str, str],
    *,
    key: str,
    columns: Mapping[str, str],
    where: str,
    show: Callable[[R], dict[str, Any]],
    **values: str,
) -> Reply:
    """Return one page.

    Args:
        call: the request.
        kind: the records that are listed.
        parameters: the query.
        key: what the answer calls the list.
        columns: the fields that a filter may name, and what they are in SQL.
        where: the SQL condition for what is listed of the location.
        show: makes the JSON of a record.
        values: the values in *where*, but for `:now`.
    """
    wanted, here = parameters.get("filter", ""), location_of(call)
    page = read_page(parameters, key, wanted, *values.values(), *here, default=100)
    filtered, filter_values = parse_filter(wanted, columns)
    rows = call.database.find(
        kind,
        f"{IS_HERE} AND {where} AND (:place = 0 OR seq < :place) AND ({filtered})",
        order="seq DESC",
        limit=page.size + 1,
        now=call.now,
        place=page.place,
        **here._asdict(),
        **values,
        **filter_values,
    )
    return Reply(payload=page.answer(key, rows, show, lambda row: row.seq))
