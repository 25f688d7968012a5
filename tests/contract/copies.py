"""A bench for copies: the provider of ModelCopy on an emulator that copies only when told to."""

from __future__ import annotations

from typing import Any

from reconciler.http import Transport
from reconciler.providers import Handle, Provider
from reconciler.providers.vertex.bucket import Bucket
from reconciler.providers.vertex.copies import CopyProvider
from reconciler.providers.vertex.fields import LOCATION, PROJECT
from reconciler.providers.vertex.provider import VertexProvider
from reconciler.providers.vertex.regions import Regions
from tests.contract.provider import EXAMPLES, TUNING_JOB, Sample
from tests.fakes import unfenced

DEV, PROD, PLACE = "dev", "prod", "us"
MODEL_COPY = Sample(
    kind="ModelCopy",
    attributes={LOCATION: PLACE, PROJECT: PROD},
    data="",
    epochs="",
    parent="",
    change={},
    history=True,
    source="source",
    early=False,
)
GONE = {
    "status": 404,
    "body": {"error": {"code": 404, "status": "NOT_FOUND", "message": "The Model does not exist."}},
}
"""A fault: the answer about a model that does not show yet."""


def tune(transport: Transport, finish: Any, id: str = "source-aaaaaaaa", **fields: Any) -> str:
    """Tune a model in the project DEV and the location `us`. Return its name with its version."""
    regions = Regions(
        project=DEV, location="us-central1", open=lambda _: transport, base_url=transport.base_url
    )
    provider = VertexProvider(regions, Bucket(regions, "gs://data", lambda _line: None))
    attributes = {**TUNING_JOB.attributes, **fields}
    made = provider.create(
        TUNING_JOB.want(attributes),
        id,
        str(attributes["base_model"]),
        {TUNING_JOB.data: EXAMPLES},
        fence=unfenced,
    )
    finish()
    found = provider.get(Handle(id, made.name))
    assert found is not None
    return found.deployable


def open_copies(transport: Transport, **settings: Any) -> Provider:
    """The provider of copies, as a new process would open it."""
    regions = Regions(
        project=DEV, location="us-central1", open=lambda _: transport, base_url=transport.base_url
    )
    places = settings.pop("places", frozenset({(PROD, PLACE)}))
    return CopyProvider(regions, places=places, declared=frozenset({"numbers"}), **settings)
