"""The row of a rollback that the state does not know, because the state is older than the rollback.

The stable endpoint still knows which model it calls. Rule: if the record has that model, it becomes the one
that serves. Going on to the declared model is then a change like any other, and must be approved.
"""

from __future__ import annotations

from msgspec.structs import replace

from reconciler.model.endpoint import Deployment
from reconciler.model.live import Live, Status
from reconciler.plan.case import Case
from reconciler.plan.rows.deposed import depose_model
from reconciler.state.values import Record


def find_lost_hold(case: Case) -> Record | None:
    """Return the record in which the model that the endpoint calls serves. None if there is no such rollback.

    A switch that the record knows is no lost rollback. Its deployment is recorded, or the record has a
    candidate or a model that is held back.
    """
    record = case.record
    called = _find_called(case)
    if called is None or record.serving is None or record.candidate is not None or record.held:
        return None
    past = next((model for model in record.deposed if _is_called(case.find_live(model), called)), None)
    if past is None or not past.promoted or _is_called(case.find_live(record.serving), called):
        return None
    others = tuple(model for model in record.deposed if model is not past)
    return replace(
        record,
        serving=replace(past, deposed="", kept_until=""),
        deposed=(*others, depose_model(case, record.serving)),
    )


def describe_lost_hold(record: Record) -> str:
    """Explain a record that `find_lost_hold` made."""
    endpoint, serving = record.endpoint, record.serving
    return (
        f"the endpoint {endpoint.id if endpoint else ''} sends its requests to "
        f"{serving.id if serving else ''}, after a rollback that this state does not record"
    )


def _find_called(case: Case) -> Deployment | None:
    """Return the deployment that gets all requests of the address's endpoint. None if this state made it."""
    endpoint = case.record.endpoint
    live = case.facts.observed.endpoints.get(endpoint.name) if endpoint is not None else None
    if endpoint is None or live is None or case.desired.serving is None:
        return None
    return next((one for one in live.deployments if one.traffic == 100 and one.id != endpoint.deployed), None)


def _is_called(live: Live | None, called: Deployment) -> bool:
    return live is not None and live.status is Status.ACTIVE and called.is_of(live.deployable)
