"""`import`: look at a live model, and record it under a declared address. Nothing is trained."""

from __future__ import annotations

from reconciler.errors import UsageError
from reconciler.model import Live
from reconciler.observe import digest_live_data, parse_handle
from reconciler.operation import Operation
from reconciler.plan.facts import Observed
from reconciler.plan.rows.adoption import imported
from reconciler.records import resolve
from reconciler.state.values import Record, State


def import_model(operation: Operation, name: str, id: str) -> tuple[Record, Live]:
    """Adopt a live model under a declared address.

    Args:
        operation: with the manifests.
        name: KIND/NAME or NAME of a manifest.
        id: the live model's id or resource name.

    Raises:
        UsageError: no manifest declares it, or the model does not exist.
        PlanError: it is recorded already, or the model is not what the manifest declares.
    """
    desired = {want.address: want for want in operation.loaded.desired}
    address = resolve(
        name,
        desired,
        "no manifest declares",
        "Write its manifest first: what it declares is compared with the live model",
    )
    operation.state()  # another's state is refused before any call
    provider = operation.provider(address)
    live = provider.get(parse_handle(provider, id))
    if live is None:
        raise UsageError(
            f"{id} does not exist at {operation.context.endpoint}",
            "Check the id, the project and location, and the credential",
        )
    (there,) = digest_live_data(provider, [(desired[address], live)])
    records: list[Record] = []

    def adopt(state: State) -> State:
        desired = operation.measured(state)
        want = next(one for one in desired if one.address == address)
        seen = Observed(live={want.address.kind: {live.id: live}})
        world = operation.world_of(state, seen, desired)
        record = imported(world, want, live, there)
        records.append(record)
        context = operation.context
        stack = operation.loaded.stack.name
        return state.with_names(stack=stack, service=context.service, project=context.project).put(record)

    operation.edit(adopt)
    return records[-1], live
