"""List calls: pages of what is in a location, the newest first, which no document says."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from reconciler.emulator.call import Call, Reply, page_size
from reconciler.emulator.paging import decode, encode
from reconciler.emulator.vertex.filters import condition
from reconciler.emulator.vertex.names import place
from reconciler.emulator.vertex.records import Records, Resource
from reconciler.emulator.vertex.versions import HERE

R = TypeVar("R", bound=Resource)


def page(
    call: Call,
    kind: type[R],
    parameters: Mapping[str, str],
    *,
    key: str,
    columns: Mapping[str, str],
    where: str,
    shown: Callable[[R], dict[str, Any]],
    **values: str,
) -> Reply:
    """Return one page.

    Args:
        call: the request.
        kind: what is listed.
        parameters: of the query, as `Call.parameters` gives them.
        key: what the answer calls the list.
        columns: what a filter may name, in SQL.
        where: which of the location's are listed, in SQL.
        shown: makes the JSON of one.
        values: what *where* names besides the time.
    """
    size, here = page_size(parameters, 100, 1000), place(call)
    wanted = parameters.get("filter", "")
    question = (key, wanted, *values.values(), here["project"], here["location"])
    before = decode(parameters.get("page_token", ""), *question)
    filtered, filter_values = condition(wanted, columns)
    after = "AND seq < :before" if before else ""
    found = Records(call.store.connection).find(
        kind,
        f"{HERE} AND {where} {after} AND ({filtered})",
        order="seq DESC",
        limit=size + 1,
        now=call.now,
        before=before,
        **here,
        **values,
        **filter_values,
    )
    answer: dict[str, Any] = {key: [shown(one) for one in found[:size]]}
    if len(found) > size:
        answer["nextPageToken"] = encode(found[size - 1].seq, *question)
    return Reply(payload=answer if found else {})
