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
from reconciler.emulator.errors import ApiError, ArgumentError
from reconciler.emulator.paging import read_page
from reconciler.emulator.protojson import to_camel
from reconciler.emulator.vertex.filters import parse_filter
from reconciler.emulator.vertex.records import Location, Resource

MODEL_NAME = r"projects/[^/]+/locations/[^/]+/models/(?P<model>[^/@]+)(?:@(?P<version>[^/@]+))?"
_TIMES = {"createTime": "born", "updateTime": "max(born, coalesce(updated, 0))"}
_IS_HERE = "project = :project AND location = :location"
R = TypeVar("R", bound=Resource)


def read_location(call: Call) -> Location:
    """Return the location in the path of a call."""
    return Location(make_project_number(call.path["project"]), call.path["location"])


def read_location_of(name: str) -> Location:
    """Return the location of a resource name."""
    _, project, _, location, *_ = name.split("/")
    return Location(make_project_number(project), location)


def make_permission_error(permission: str, name: str) -> ApiError:
    """Return the 403 of a *permission* that is missing on the resource *name*, which may not exist either."""
    resource = f"//aiplatform.googleapis.com/{name}"
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "IAM_PERMISSION_DENIED",
        "domain": "aiplatform.googleapis.com",
        "metadata": {"permission": permission, "resource": name},
    }
    text = f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
    return ApiError(403, text, details=(info,))


def make_id() -> str:
    """Return a number as the service chooses one: 19 digits, within 63 bits."""
    return str(10**18 + secrets.randbelow(8 * 10**18))


def make_project_number(project: str) -> str:
    """Return the number of a project from its id or number."""
    if re.fullmatch(r"[0-9]+", project):
        return project
    digest = hashlib.blake2b(project.encode(), digest_size=8).digest()
    return str(10**11 + int.from_bytes(digest) % (9 * 10**11))


def find_all(
    call: Call,
    kind: type[R],
    where: str,
    /,
    *,
    at: Location | None = None,
    order: str = "rowid",
    limit: int = -1,
    **values: Any,
) -> list[R]:
    """Return what exists in a location and fits the SQL *where*; `:now` is the time.

    The location is *at*, or that of the call.
    """
    here = (at or read_location(call))._asdict()
    where = f"{_IS_HERE} AND {kind.EXISTS} AND {where}"
    return call.database.find(kind, where, order=order, limit=limit, now=call.now, **here, **values)


def find_one(call: Call, kind: type[R], name: str, where: str, missing: str, /, **values: Any) -> R:
    """Return a record of the call's location. If there is none, the 404 is *missing* with the full *name*."""
    found = find_all(call, kind, where, limit=1, **values)
    if not found:
        raise ApiError(404, missing.format(read_location(call).write_name(name)))
    return found[0]


def draw(seed: str, number: int) -> int:
    """Return one of the numbers from 0 up to *number*; it is always the same for a *seed*."""
    return int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest()) % number


def list_page(
    call: Call,
    kind: type[R],
    key: str,
    columns: Mapping[str, str],
    where: str,
    *,
    show: Callable[[Call, R], dict[str, Any]],
    **values: Any,
) -> Reply:
    """Answer a list method with one page, the newest first; no document says in which order.

    The answer calls the list *key*, and *show* makes the JSON of a record. *where* is the SQL condition for
    what is listed, with *values* as its parameters. *columns* has the SQL of each field that can be filtered.
    If the call has `order_by`, a page begins at a count of items; otherwise it begins after an item.
    """
    wanted, order_by = call.parameters.get("filter", ""), call.parameters.get("order_by", "")
    page = read_page(
        call.parameters, key, wanted, order_by, *values.values(), *read_location(call), default=100
    )
    filtered, filter_values = parse_filter(wanted, columns)
    order = _parse_order(order_by, columns)
    rows = find_all(
        call,
        kind,
        f"{where} AND (:place = 0 OR seq < :place) AND ({filtered})",
        order=f"{order}seq DESC",
        limit=(page.place if order else 0) + page.size + 1,
        place=0 if order else page.place,
        **values,
        **filter_values,
    )
    shown = _read_mask(call)

    def show_masked(row: R) -> dict[str, Any]:
        return {name: value for name, value in show(call, row).items() if not shown or name in shown}

    if order:
        rows = rows[page.place :]
        return Reply(payload=page.answer(key, rows, show_masked, lambda _: page.place + page.size))
    return Reply(payload=page.answer(key, rows, show_masked, lambda row: row.seq))


def _parse_order(text: str, columns: Mapping[str, str]) -> str:
    """Return an `order_by` as SQL with a comma at its end; '' if there is none, a 400 if it is not one."""
    known = {**_TIMES, "displayName": columns.get("displayName", "")}
    terms = []
    for term in filter(str.strip, text.split(",")):
        name, *direction = term.split()
        if not known.get(to_camel(name)) or direction not in ([], ["desc"], ["asc"]):
            raise ArgumentError(f"Invalid order_by: {text[:120]}", field="order_by")
        terms.append(f"{known[to_camel(name)]} {' '.join(direction)}, ")
    return "".join(terms)


def _read_mask(call: Call) -> set[str]:
    """Return the top fields that a `read_mask` names; none for all."""
    paths = call.parameters.get("read_mask", "").split(",")
    names = {to_camel(path.strip().partition(".")[0]) for path in paths if path.strip()}
    return set() if "*" in names else names
