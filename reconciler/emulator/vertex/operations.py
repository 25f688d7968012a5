"""Long-running operations: get, list, wait, cancel, delete, and how the other methods begin them.

What an operation does happens at its end, on the clock. Only one works on a resource at a time.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.emulator import faults
from reconciler.emulator.call import Call, Reply, show_operation
from reconciler.emulator.clock import SECOND, format_time
from reconciler.emulator.errors import ApiError, PreconditionError
from reconciler.emulator.vertex import lookup, messages
from reconciler.emulator.vertex.records import Operation, Product

_CANCELLED = {"code": 1, "message": "The operation was cancelled."}


def begin(
    call: Call, verb: str, target: str, parent: str, *, column: str, products: Sequence[Product]
) -> Reply:
    """Begin an operation, and answer with it. Its fields are those of the record.

    Its end is written in *column* of *products*, which are of one kind.
    """
    here = lookup.read_location(call)
    if others := lookup.find_all(call, Operation, "target = :target AND ended > :now", target=target):
        kind = "Endpoint" if target.startswith("endpoints/") else "Model"
        raise PreconditionError(
            f'There are other operations running on the {kind} "{here.write_name(target)}". '
            f"Operation(s) are: {', '.join(other.name for other in others)}."
        )
    error = faults.take_operation_failure(call.database, f"{verb} {target}")
    operation = Operation(
        id=lookup.make_id(),
        **here._asdict(),
        parent=parent,
        target=target,
        verb=verb,
        effect={column: {products[0].TABLE: [product.seq for product in products]}},
        created=call.now,
        ended=call.now + round(call.settings.vertex_operation_seconds * SECOND),
        error=error,
    )
    call.database.add(operation)
    if error is None:
        _write_effect(call, operation, operation.ended)
    return Reply(payload=_show(call, operation))


def answer_done(call: Call, kind: str, parent: str, response: Mapping[str, Any]) -> Reply:
    """Answer with an operation that is done already, which the documents allow. It is not kept.

    *kind* is "CreateEndpoint" or "DeployModel". *response* has the name of its type under "@type".
    """
    name = lookup.read_location(call).write_name(f"{parent}/operations/{lookup.make_id()}")
    metadata = _describe(call, f"{kind}OperationMetadata", call.now, call.now)
    response = {**response, "@type": _write_type(call, response["@type"])}
    return Reply(payload=show_operation(name, metadata, response=response))


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
    kind, response = "DeleteOperationMetadata", "type.googleapis.com/google.protobuf.Empty"
    if operation.verb == "undeploy":
        kind, response = "UndeployModelOperationMetadata", _write_type(call, "UndeployModelResponse")
    if operation.ended > call.now:
        metadata = _describe(call, kind, operation.created, operation.created)
        return show_operation(operation.name, metadata)
    metadata = _describe(call, kind, operation.created, operation.ended)
    return show_operation(operation.name, metadata, error=operation.error, response={"@type": response})


def _describe(call: Call, kind: str, created: int, updated: int) -> dict[str, Any]:
    """Return the metadata of an operation, of the type *kind*."""
    times = {"createTime": format_time(created), "updateTime": format_time(updated)}
    return {"@type": _write_type(call, kind), "genericMetadata": times}


def _write_type(call: Call, name: str) -> str:
    return f"type.googleapis.com/google.cloud.aiplatform.{call.version}.{name}"
