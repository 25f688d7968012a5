"""What is wrong in one data file is told in a few lines."""

from __future__ import annotations

import pytest

from reconciler.datasets.complaints import Complaints
from reconciler.errors import ManifestError
from reconciler.problems import Place, Problems


def test_many_different_problems_have_an_end() -> None:
    """After 100 kinds of problem the rest of one file is only counted."""
    problems = Problems()
    complaints = Complaints("d.jsonl", problems)
    for number in range(300):
        complaints.error(Place("d.jsonl", number + 1), "x" * (number + 1), "Mend it.")
    complaints.close()
    with pytest.raises(ManifestError) as caught:
        problems.raise_if_any()
    assert len(caught.value.diagnostics) == 101
    assert caught.value.diagnostics[0].summary == "200 more problems in this file"
