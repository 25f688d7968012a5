"""Long-running operations: begin, get, list, wait, cancel, delete.

What an operation does happens at its end, on the clock. Only one works on a resource at a time.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from reconciler.emulator import faults
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError, failed_precondition
from reconciler.emulator.gemini.progress import SECOND, six_digits
from reconciler.emulator.vertex.listing import page
from reconciler.emulator.vertex.messages import NOTHING, WAIT
from reconciler.emulator.vertex.names import full_name, new_id, place
from reconciler.emulator.vertex.records import Operation, Records
from reconciler.emulator.vertex.versions import HERE

_CANCELLED = {"code": 1, "message": "The operation was cancelled."}
_TYPES = "type.googleapis.com/google.cloud.aiplatform."


def begin(
    call: Call,
    records: Records,
    verb: str,
    target: str,
    parent: str,
    *,
    effect: Mapping[str, Mapping[str, list[int]]],
) -> dict[str, Any]:
    """Begin an operation and return it.

    Args:
        call: the request.
        records: where it is kept.
        verb: "delete" or "undeploy".
        target: what it works on, such as "models/1@2".
        parent: what its name begins with, such as "models/1", or nothing.
        effect: the column that gets the time of its end, and the rows by table.
    """
    here = place(call)
    busy = "target = :target AND ended > :now"
    others = records.find(Operation, f"{HERE} AND {busy}", target=target, now=call.now, **here)
    if others:
        kind = "Endpoint" if target.startswith("endpoints/") else "Model"
        name = full_name(here["project"], here["location"], target)
        raise failed_precondition(
            f'There are other operations running on the {kind} "{name}". '
            f"Operation(s) are: {', '.join(_name(other) for other in others)}."
        )
    ended = call.now + round(call.settings.vertex_operation_seconds * SECOND)
    error = faults.operation_failure(call.store, f"{verb} {target}")
    operation = Operation(
        id=new_id(),
        **here,
        parent=parent,
        target=target,
        verb=verb,
        effect={column: dict(rows) for column, rows in effect.items()},
        created=call.now,
        ended=ended,
        error=dict(error) if error else None,
    )
    records.add(operation)
    if error is None:
        _schedule(records, operation, ended)
    call.effect = True
    return _shown(call, operation)


def done_at_once(call: Call, kind: str, parent: str, response: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation that is over when it is answered, which the documents allow; it is not kept.

    Args:
        call: the request.
        kind: "CreateEndpoint" or "DeployModel".
        parent: what its name begins with.
        response: what it made, with its type's name under "@type".
    """
    here, now = place(call), six_digits(call.now)
    types = f"{_TYPES}{call.version}."
    return {
        "name": full_name(here["project"], here["location"], f"{parent}/operations/{new_id()}"),
        "metadata": {
            "@type": f"{types}{kind}OperationMetadata",
            "genericMetadata": {"createTime": now, "updateTime": now},
        },
        "done": True,
        "response": {**response, "@type": types + response["@type"]},
    }


def get(call: Call) -> Reply:
    """operations.get."""
    call.parameters()
    return Reply(payload=_shown(call, _find(call)))


def wait(call: Call) -> Reply:
    """operations.wait: answers at once, which the documents allow; the clock may stand still."""
    call.parameters("timeout")
    call.message(WAIT)
    return Reply(payload=_shown(call, _find(call)))


def list_operations(call: Call) -> Reply:
    """operations.list, of a location or of one resource; the newest first."""
    parameters = call.parameters("filter", "page_size", "page_token", "return_partial_success")
    if parameters.get("filter"):
        raise ApiError(501, "The emulator does not filter operations.")
    return page(
        call,
        Operation,
        parameters,
        key="operations",
        columns={},
        where="(:parent = '' OR parent = :parent)",
        shown=lambda operation: _shown(call, operation),
        parent=_parent(call),
    )


def cancel(call: Call) -> Reply:
    """operations.cancel: what was not done is not done; nothing for one that is over."""
    call.parameters()
    call.message(NOTHING)
    operation, records = _find(call), Records(call.store.connection)
    if operation.ended > call.now:
        records.put(dataclasses.replace(operation, ended=call.now, error=_CANCELLED))
        _schedule(records, operation, None)
        call.effect = True
    return Reply(payload={})


def delete(call: Call) -> Reply:
    """operations.delete: forget it; it goes on."""
    call.parameters()
    Records(call.store.connection).discard(_find(call))
    call.effect = True
    return Reply(payload={})


def _schedule(records: Records, operation: Operation, time: int | None) -> None:
    for column, rows in operation.effect.items():
        records.schedule(column, time, rows)


def _parent(call: Call) -> str:
    kind = call.path.get("collection")
    return f"{kind}/{call.path['parent'].partition('@')[0]}" if kind else ""


def _find(call: Call) -> Operation:
    here, parent = place(call), _parent(call)
    where = f"id = :id AND {HERE} AND (:parent = '' OR parent = :parent OR target = :parent)"
    found = Records(call.store.connection).find(
        Operation, where, id=call.path["operation"], parent=parent, **here
    )
    if not found:
        name = full_name(here["project"], here["location"], f"operations/{call.path['operation']}")
        raise ApiError(404, f"Operation {name} is not found.")
    return found[0]


def _name(operation: Operation) -> str:
    rest = f"{operation.parent}/" if operation.parent else ""
    return full_name(operation.project, operation.location, f"{rest}operations/{operation.id}")


def _shown(call: Call, operation: Operation) -> dict[str, Any]:
    """Return the Operation as it is now."""
    version, now = call.version, call.now
    over = operation.ended <= now
    kind = "UndeployModelOperationMetadata" if operation.verb == "undeploy" else "DeleteOperationMetadata"
    answer: dict[str, Any] = {
        "name": _name(operation),
        "metadata": {
            "@type": f"{_TYPES}{version}.{kind}",
            "genericMetadata": {
                "createTime": six_digits(operation.created),
                "updateTime": six_digits(operation.ended if over else operation.created),
            },
        },
    }
    if not over:
        return answer
    if operation.error:
        return {**answer, "done": True, "error": operation.error}
    nothing = "type.googleapis.com/google.protobuf.Empty"
    made = f"{_TYPES}{version}.UndeployModelResponse" if operation.verb == "undeploy" else nothing
    return {**answer, "done": True, "response": {"@type": made}}
