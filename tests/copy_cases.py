"""Reads what a case file says about copies: see `casefiles`.

copies: {support: {source: TunedModel/bot}}       a manifest; `state:` instead of `source:` names an address
                                                  of another state
made_from: {support: projects/1/…/models/m@1}     the source in the digest of the id support.0
sources: {TuningJob/bot: {text: …} | {why: …, refused: true}}   what that other state records
recorded_copies, live_copies                      as recorded and live; `source` is what was copied
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from reconciler.formats import parse_duration
from reconciler.model.checks import Check
from reconciler.model.desired import Desired, Lifecycle, StateSource
from reconciler.model.endpoint import Serving
from reconciler.model.live import Live, Status
from reconciler.model.names import Address, Attributes
from reconciler.plan.copies import CopySource, SourceFault
from reconciler.plan.facts import Observed
from reconciler.providers.vertex.fields import MODEL_COPY
from reconciler.state.values import RecordedModel, Verdict
from tests import formula, worlds

KIND = MODEL_COPY.name
STATE = "gs://acme-dev/models"
KEYS = {"copies", "made_from", "sources", "recorded_copies", "live_copies"}


def address(name: str) -> Address:
    """The address of a copy."""
    return Address(KIND, name)


def id_of(name: str, generation: int, source: str, stack: str) -> str:
    """The id that design 2.6 gives to a copy, by the independent formula."""
    return formula.identity(name, formula.copy_digest(source=source, generation=generation, stack=stack))


def want(name: str, body: Mapping[str, Any]) -> Desired:
    """A manifest of a copy."""
    elsewhere = StateSource(STATE, "default", Address.parse(body["state"])) if "state" in body else None
    keep = parse_duration(body["keep_deposed"]) if "keep_deposed" in body else None
    return Desired(
        address(name),
        {"source": str(elsewhere or body["source"]), **_place(body)},
        (),
        lifecycle=Lifecycle(keep_deposed=None if keep is None else timedelta(seconds=keep)),
        checks=tuple(Check(*pair) for pair in body.get("checks", ())),
        file=f"manifests/{name}.yaml",
        line=1,
        imports=body.get("import", ""),
        moved_from=address(body["moved_from"]) if "moved_from" in body else None,
        serving=Serving(**body["serving"]) if "serving" in body else None,
        elsewhere=elsewhere,
    )


def _place(body: Mapping[str, Any]) -> Attributes:
    return {"metadata.location": body["location"]} if "location" in body else {}


def record_model(body: Mapping[str, Any], id: str) -> RecordedModel:
    """A copy as it is recorded."""
    status = Status(body.get("status", "ACTIVE")) if body.get("status") != "pending" else None
    is_active = status is Status.ACTIVE
    name = "" if status is None else worlds.deployable(id).partition("@")[0]
    served = worlds.CREATED if is_active and body.get("promoted", True) else ""
    return RecordedModel(
        id,
        name=name,
        digest=worlds.digest(id),
        formula=2,
        source=body["source"],
        sent={"source": body["source"], **_place(body)},
        status=status,
        started=worlds.CREATED,
        create_time=worlds.CREATED if name else "",
        completed=worlds.CREATED if is_active else "",
        promoted=served,
        deposed=body.get("deposed", ""),
        kept_until=body.get("kept_until", ""),
        verdict=Verdict(body.get("verdict", "")),
        error=body.get("error", ""),
        model=worlds.deployable(id) if is_active else "",
    )


def live(body: Mapping[str, Any], id: str) -> Live:
    """A copy as the service shows it."""
    status = Status(body.get("status", "ACTIVE"))
    return Live(
        id,
        worlds.deployable(id).partition("@")[0],
        status,
        {"source": body["source"], **_place(body)},
        create_time=worlds.CREATED,
        error=body.get("error", ""),
        deployable=worlds.deployable(id) if status is Status.ACTIVE else "",
    )


def add_sources(observed: Observed, bodies: Mapping[str, Mapping[str, Any]]) -> Observed:
    """Add what the other state records of the sources."""
    sources: dict[StateSource, CopySource | SourceFault] = {}
    for text, body in bodies.items():
        place = StateSource(STATE, "default", Address.parse(text))
        if "text" in body:
            sources[place] = CopySource(**{**body, "verdict": Verdict(body.get("verdict", ""))})
        else:
            sources[place] = SourceFault(body["why"], "Look there.", is_refused=body.get("refused", False))
    return replace(observed, sources=sources)
