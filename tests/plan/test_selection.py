"""What --target, --exclude and ADDR mean, in every command."""

from __future__ import annotations

import pytest

from reconciler.model.names import Address
from reconciler.plan.selection import Known, choose, list_unknown, warn_of_unlabelled

FAQ, FORM, JOB, GONE = (
    Address("TunedModel", "faq"),
    Address("TunedModel", "form"),
    Address("TuningJob", "faq"),
    Address("TunedModel", "gone"),
)
KNOWN: Known = {FAQ: {"team": "search"}, FORM: {"team": "sales", "tier": ""}, JOB: {}, GONE: None}


@pytest.mark.parametrize(
    ("targets", "excludes", "expected"),
    [
        ((), (), {FAQ, FORM, JOB, GONE}),
        (("faq",), (), {FAQ, JOB}),
        (("TunedModel/faq",), (), {FAQ}),
        (("TunedModel/*",), ("form",), {FAQ, GONE}),
        (("*/f*",), (), {FAQ, FORM, JOB}),
        (("team=s*",), (), {FAQ, FORM}),
        (("tier=",), (), {FORM}),
        (("team=*", "gone"), ("team=sales",), {FAQ, GONE}),
        ((), ("team=*",), {JOB, GONE}),
        (("faq",), ("faq",), set()),
    ],
)
def test_what_is_chosen(targets: tuple[str, ...], excludes: tuple[str, ...], expected: set[Address]) -> None:
    """A target adds and an exclude takes away, which wins. A label means only models declared with it."""
    assert choose(KNOWN, targets, excludes) == expected


def test_what_means_nothing_is_named_with_what_is_near() -> None:
    """Each such pattern is named once, and the empty one too."""
    found = {
        one.summary: one.detail
        for one in list_unknown(KNOWN, ("faq", "fax", "fax", "team=serach", "x=1", ""))
    }
    assert found == {
        "nothing is called fax": "Did you mean faq?",
        "nothing is called team=serach": "Did you mean team=search?",
        "nothing is called x=1": "Labels here: team=sales, team=search, tier=",
        "nothing is called ''": "No manifest declares it, and no record has it",
    }


def test_a_label_is_not_searched_for_where_no_manifest_has_one() -> None:
    """The advice says so, and names no label."""
    (unknown,) = list_unknown({GONE: None}, ("x=1",))
    assert unknown.detail == "No manifest has labels"


def test_a_selection_by_label_names_what_has_none() -> None:
    """It does so only if a label is asked for and a recorded model is not declared."""
    assert "TunedModel/gone" in warn_of_unlabelled(KNOWN, ("team=search",))
    assert warn_of_unlabelled(KNOWN, ("gone",)) == ""
    assert warn_of_unlabelled({FAQ: {"team": "search"}}, ("team=search",)) == ""
