"""Compares the whole output of every format with a file that a person has read."""

from __future__ import annotations

import pytest

from reconciler.plan.change import Action
from tests.render import plans
from tests.render.goldens import FOLDER, GOLDENS


@pytest.mark.parametrize("name", GOLDENS)
def test_output_is_the_golden_file(name: str) -> None:
    """An output cannot change unnoticed."""
    assert GOLDENS[name]() == (FOLDER / name).read_text(encoding="utf-8")


def test_every_golden_is_made() -> None:
    """No golden file outlives the output that it shows."""
    assert {path.name for path in FOLDER.iterdir()} == set(GOLDENS)


def test_the_representative_plan_has_every_action() -> None:
    """A new action cannot be added without being shown in the goldens."""
    assert {change.action for change in plans.EVERYTHING.changes} == set(Action)
