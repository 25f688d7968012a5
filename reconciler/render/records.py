"""A record as JSON, for `show ADDR --json`.

    {"address", "id", "serving", "candidate", "deposed", "prevent_destroy", "live"}

The record has the form of the state document. `live` is null if the service was not asked, or does not know
the model.
"""

from __future__ import annotations

from reconciler import bounds, strictjson
from reconciler.codec import encode
from reconciler.model import Live
from reconciler.state import file as state_file
from reconciler.state.values import Record, State


def build_record_document(record: Record, live: Live | None) -> dict[str, object]:
    """Build the document of a record and its live model."""
    document = strictjson.loads(state_file.dumps(State(lineage="-").put(record)), most=bounds.STATE)
    found: dict[str, object] = document["resources"][0]
    return {**found, "live": None if live is None else encode(live)}
