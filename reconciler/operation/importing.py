"""`import`: record a live model under the address of a manifest. Nothing is trained."""

from __future__ import annotations

from reconciler.errors import UsageError
from reconciler.model.live import Live
from reconciler.observe import digest_live_data, parse_handle
from reconciler.operation import Operation
from reconciler.plan.facts import Observed
from reconciler.plan.rows.adoption import record_import
from reconciler.records import resolve
from reconciler.state.values import Record, State


def import_model(operation: Operation, name: str, id: str) -> tuple[Record, Live]:
    """Adopt the live model with this id or resource name, under the address that NAME or KIND/NAME declares.

    Raises:
        UsageError: no manifest declares the address, or the model does not exist.
        PlanError: the address is recorded already, or the model is not what the manifest declares.
    """
    declared = {desired.address: desired for desired in operation.loaded.desired}
    advice = "Write its manifest first: what it declares is compared with the live model"
    address = resolve(name, declared, advice)
    operation.read_state()  # a state that is not ours is refused before any call
    provider = operation.find_provider(address)
    live = provider.get(parse_handle(provider, id))
    if live is None:
        raise UsageError(
            f"{id} does not exist at {operation.context.endpoint}",
            "Check the id, the project and location, and the credential",
        )
    (live_data,) = digest_live_data(provider, [(declared[address], live)])
    records: list[Record] = []

    def adopt(state: State) -> State:
        everything = operation.measure_desired(state)
        desired = next(model for model in everything if model.address == address)
        observed = Observed(live={address.kind: {live.id: live}})
        facts = operation.build_world(state, observed, everything)
        record = record_import(facts, desired, live, live_data)
        records.append(record)
        return operation.add_names(state).put(record)

    operation.edit(adopt)
    return records[-1], live
