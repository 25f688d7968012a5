"""Pairs in a manifest are measured quickly as all rows are, or left to what can say what is wrong."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.datasets.measured_rows import measure_rows
from reconciler.datasets.pairs import PAIRS
from reconciler.datasets.plain_pairs import INPUT_LIMIT, OUTPUT_LIMIT, measure_plain_pairs
from reconciler.datasets.survey import warn_of
from reconciler.model.data import Example
from reconciler.problems import Place, Problems
from tests.limits import examples

TEXTS = st.one_of(
    st.sampled_from(["", "a", "b", 'so "', "é", "\ud800", "x" * OUTPUT_LIMIT, "x" * (OUTPUT_LIMIT + 1)]),
    st.sampled_from(["y" * INPUT_LIMIT, "y" * (INPUT_LIMIT + 1)]),
    st.text(max_size=5),
)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.builds(Example, TEXTS, TEXTS), min_size=1, max_size=6), st.sampled_from([10, 100, 10**6]))
def test_plain_pairs_are_measured_alike(pairs: list[Example], most: int) -> None:
    """What is measured quickly has the same digest and counts, and neither a fault nor a warning."""
    quick = measure_plain_pairs(pairs, most)
    problems = Problems()
    found = measure_rows(((Place("x"), pair) for pair in pairs), PAIRS, problems, "example")
    is_told = bool(problems) or bool(list(warn_of(found.survey))) or found.size > most
    if quick is None:
        assert is_told or found.survey.duplicates.count
        return
    assert not is_told
    assert (quick.digest, quick.examples, quick.characters) == (
        found.digest,
        found.examples,
        found.characters,
    )
    assert quick.inline == tuple(pairs)
