"""Long-running operations: get, list, wait, cancel, delete, and how the other methods begin them.

What an operation does happens at its end, on the clock. Only one works on a resource at a time.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.emulator import faults
from reconciler.emulator.call import Call, Reply, show_operation
from reconciler.emulator.clock import SECOND, format_time
from reconciler.emulator.database import Record
from reconciler.emulator.errors import ApiError, PreconditionError
from reconciler.emulator.vertex import lookup, messages, quota
from reconciler.emulator.vertex.records import Operation

_CANCELLED = {"code": 1, "message": "The operation was cancelled."}
# The google.rpc.Code of an HTTP status.
_CODES = {400: 3, 403: 7, 404: 5, 409: 6}
_EMPTY = "type.googleapis.com/google.protobuf.Empty"


class Kind(NamedTuple):
    """A kind of operation: the type of its metadata, the type of its response, '' for an empty message."""

    metadata: str
    response: str = ""


_KINDS = {
    "create": Kind("CreateEndpointOperationMetadata", "Endpoint"),
    "deploy": Kind("DeployModelOperationMetadata", "DeployModelResponse"),
    "undeploy": Kind("UndeployModelOperationMetadata", "UndeployModelResponse"),
    "mutate": Kind("MutateDeployedModelOperationMetadata", "MutateDeployedModelResponse"),
    "copy": Kind("CopyModelOperationMetadata", "CopyModelResponse"),
    "delete": Kind("DeleteOperationMetadata"),
}


def begin(
    call: Call,
    verb: str,
    target: str,
    parent: str,
    *,
    effect: Mapping[str, Sequence[Record]],
    seconds: float,
    response: Mapping[str, Any] | None = None,
    error: ApiError | None = None,
) -> Reply:
    """Begin an operation that takes so many *seconds*, and answer with it.

    *target* is what it works on, and *parent* what its name begins with. *effect* has, by column, the records
    where its end is written. The *response* is answered at the end, or an *error*.
    """
    check_idle(call, target)
    quota.check_submission(call)
    failure = faults.take_operation_failure(call.database, f"{verb} {target}")
    if error:
        failure = {"code": _CODES[error.code], "message": error.message, "details": list(error.details)}
    rows: dict[str, dict[str, list[int]]] = {}
    for column, records in effect.items():
        for record in records:
            rows.setdefault(column, {}).setdefault(record.TABLE, []).append(record.seq)
    operation = Operation(
        id=lookup.make_id(),
        **lookup.read_location(call)._asdict(),
        parent=parent,
        target=target,
        verb=verb,
        effect=rows,
        created=call.now,
        ended=call.now + round(seconds * SECOND),
        error=failure,
        response=dict(response) if response else None,
    )
    call.database.add(operation)
    if failure is None:
        _write_effect(call, operation, operation.ended)
    return Reply(payload=_show(call, operation))


def check_idle(call: Call, target: str) -> None:
    """Raise a 400 while another operation works on the *target*."""
    if others := lookup.find_all(call, Operation, "target = :target AND ended > :now", target=target):
        kind = "Endpoint" if target.startswith("endpoints/") else "Model"
        name = lookup.read_location(call).write_name(target)
        raise PreconditionError(
            f'There are other operations running on the {kind} "{name}". '
            f"Operation(s) are: {', '.join(other.name for other in others)}."
        )


def get(call: Call) -> Reply:
    """Answer operations.get."""
    return Reply(payload=_show(call, _find_operation(call)))


def wait(call: Call) -> Reply:
    """Answer operations.wait, at once: the documents allow it, and the clock may stand still."""
    call.read_message(messages.WAIT)
    return Reply(payload=_show(call, _find_operation(call)))


def list_operations(call: Call) -> Reply:
    """Answer operations.list of a location or of one resource, the newest first."""
    if call.parameters.get("filter"):
        raise ApiError(501, "The emulator does not filter operations.")
    where = "(:parent = '' OR parent = :parent)"
    return lookup.list_page(call, Operation, "operations", {}, where, show=_show, parent=_read_parent(call))


def cancel(call: Call) -> Reply:
    """Answer operations.cancel: what has not happened yet will not; one that is done stays as it is."""
    call.read_message(messages.NOTHING)
    operation = _find_operation(call)
    if operation.ended > call.now:
        call.database.update(dataclasses.replace(operation, ended=call.now, error=_CANCELLED))
        _write_effect(call, operation, None)
    return Reply(payload={})


def delete(call: Call) -> Reply:
    """Answer operations.delete: the operation is forgotten, but goes on."""
    call.database.delete(_find_operation(call))
    return Reply(payload={})


def _write_effect(call: Call, operation: Operation, time: int | None) -> None:
    """Write when the effect of an operation happens, None for never."""
    for column, tables in operation.effect.items():
        for table, rows in tables.items():
            for seq in rows:
                query = f"UPDATE {table} SET {column} = :time WHERE seq = :seq"  # noqa: S608
                call.database.execute(query, time=time, seq=seq)


def _read_parent(call: Call) -> str:
    collection = call.path.get("collection")
    return f"{collection}/{call.path['parent'].partition('@')[0]}" if collection else ""


def _find_operation(call: Call) -> Operation:
    operation_id = call.path["operation"]
    where = "id = :id AND (:parent = '' OR parent = :parent OR target = :parent)"
    name, missing = f"operations/{operation_id}", "Operation {} is not found."
    return lookup.find_one(call, Operation, name, where, missing, id=operation_id, parent=_read_parent(call))


def _show(call: Call, operation: Operation) -> dict[str, Any]:
    """Return the Operation as it is now."""
    kind = _KINDS[operation.verb]
    is_running = operation.ended > call.now
    metadata: dict[str, Any] = {
        "@type": _write_type(call, kind.metadata),
        "genericMetadata": {
            "createTime": format_time(operation.created),
            "updateTime": format_time(operation.created if is_running else operation.ended),
        },
    }
    if operation.verb == "deploy":
        end = "FAILED_TO_DEPLOY" if operation.error else "SUCCESSFULLY_DEPLOYED"
        metadata["deploymentStage"] = "STARTING_DEPLOYMENT" if is_running else end
    if is_running:
        return show_operation(operation.name, metadata)
    response = _write_type(call, kind.response) if kind.response else _EMPTY
    answer = {"@type": response, **(operation.response or {})}
    return show_operation(operation.name, metadata, error=operation.error, response=answer)


def _write_type(call: Call, name: str) -> str:
    return f"type.googleapis.com/google.cloud.aiplatform.{call.version}.{name}"
