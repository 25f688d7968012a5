"""The outline says what the whole document says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.state.file import dumps, loads
from reconciler.state.outline import read_outline
from reconciler.state.values import VERSION, State

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "state").iterdir())


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_it_agrees_with_the_document(path: Path) -> None:
    """Names and kinds are those that `loads` finds, in every version."""
    state = loads(path.read_bytes(), place="")
    found = read_outline(path.read_bytes())
    assert found is not None
    assert (found.head.stack, found.head.service, found.head.project) == (
        state.stack,
        state.service,
        state.project,
    )
    assert found.kinds == {address.kind for address in state.resources}


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", b'{"version": 1, "resources": [1]}', b'{"format_version": "1.2"}']
)
def test_nonsense_has_none(data: bytes) -> None:
    """What is no state has no outline. Reading the whole says why."""
    assert read_outline(data) is None


def test_a_newer_version_has_none() -> None:
    """A document that `loads` refuses for its version has no outline."""
    document: dict[str, Any] = json.loads(dumps(State(lineage="one")))
    assert read_outline(json.dumps(document).encode()) is not None
    document["version"] = VERSION + 1
    assert read_outline(json.dumps(document).encode()) is None
