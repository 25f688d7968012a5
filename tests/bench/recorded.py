"""Makes a Stack of many trained models: its state, and the models in the stand-in.

    python -m tests.bench.recorded FOLDER URL

The state is what an apply leaves. It is computed with the plan's own steps, because an apply of ten thousand
models takes minutes, and is measured elsewhere. An apply afterwards records the times that the service tells.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from reconciler.cli.apis import list_kinds
from reconciler.manifests.loading import load
from reconciler.model.names import Attributes
from reconciler.plan.change import Plan
from reconciler.plan.recording import expect_outcome, recorded_after
from reconciler.plan.steps import Create
from reconciler.providers import Accepted
from reconciler.providers.gemini.codec import create_body
from reconciler.state import file
from reconciler.state.values import Record, State
from tests.worlds import KIND, make_plan, world

STARTED = "2026-11-01T00:00:00Z"


def record_all(plan: Plan) -> Iterator[Record]:
    """Yield the record of each address after all of the plan's steps have succeeded."""
    for change in plan.changes:
        record = Record(change.address)
        for step in change.steps:
            outcome = expect_outcome(step)
            if isinstance(step, Create):
                name = f"tunedModels/{change.id}"
                outcome = Accepted(name, f"{name}/operations/1", 12, STARTED)
            record = recorded_after(step, record, outcome, STARTED)
        yield record


def make_body(attributes: Attributes) -> dict[str, Any]:
    """Return what a create sends, without examples: the service never shows them."""
    return dict(create_body(attributes, str(attributes["base_model"]), ()))


def main(folder: Path, url: str) -> None:
    """Write the state into the folder, and create the models."""
    loaded = load([str(folder / "manifests")], kinds=list_kinds(), variables={})
    desired = [replace(one, manifest=os.path.relpath(one.file, folder)) for one in loaded.desired]
    bases = frozenset(str(one.attributes["base_model"]) for one in desired)
    plan = make_plan(world(desired, stack=loaded.stack, tunable={KIND: bases}))
    records = {record.address: record for record in record_all(plan)}
    state = State(lineage="4d1f9b4e-6a55-4f04-9a3c-000000000001", serial=1, resources=records)
    (folder / "state").mkdir(exist_ok=True)
    state = state.with_names(stack=loaded.stack.name, service="emulator")
    (folder / "state" / "default.json").write_bytes(file.dumps(replace(state, workspace="default")))
    entries = [
        {"id": change.id, "body": make_body(change.after)}
        for change in plan.changes
        if change.after is not None
    ]
    request = urllib.request.Request(f"{url}/bench/models", data=json.dumps(entries).encode())
    with urllib.request.urlopen(request, timeout=600) as answer:
        answer.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
