"""A record as JSON, for `show ADDR --json`.

    {"address", "id", "serving", "candidate", "deposed", "prevent_destroy", "live", "base_model"}

The record has the form of the state document. `live` is null if the service was not asked, or does not know
the model. `base_model` is that of the serving model, or else of the candidate: name, retires, or_later,
days_left, replacement, and a sentence. A key that is not known is left out. An unknown base model is null.
"""

from __future__ import annotations

from reconciler import bounds, strictjson
from reconciler.codec import encode, encode_fields
from reconciler.model.live import Live
from reconciler.plan.base_models import BaseEnd
from reconciler.state import file as state_file
from reconciler.state.values import Record, State


def build_record_document(
    record: Record, live: Live | None, base: BaseEnd | None = None
) -> dict[str, object]:
    """Build the document of a record, its live model and its base model."""
    document = strictjson.loads(state_file.dumps(State(lineage="-").put(record)), most=bounds.STATE)
    found: dict[str, object] = document["resources"][0]
    end = None if base is None else encode_fields(base)
    return {**found, "live": None if live is None else encode(live), "base_model": end}
