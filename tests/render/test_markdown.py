"""Pull-request comments stay within the limit and are harmless, whatever is in them."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.plan.change import Action, Drift, Plan
from reconciler.render.markdown import render_drift_comment, render_plan_comment
from reconciler.render.words import name_subject, summarize_plan
from tests.limits import examples
from tests.render import plans
from tests.render.strategies import SECRET, drifts
from tests.render.strategies import plans as any_plan

BIG = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def folded(text: str) -> list[str]:
    """List the titles of the folded details."""
    return re.findall(r"<summary><b>(.*?)</b>", text)


@BIG
@given(any_plan, st.integers(0, 6000))
def test_never_over_the_limit(plan: Plan, limit: int) -> None:
    """A comment is never refused for its length, and never holds training data."""
    text = render_plan_comment(plan, max_chars=limit)
    assert len(text) <= limit
    assert SECRET not in text


@BIG
@given(st.lists(drifts, max_size=5), st.integers(0, 3000))
def test_drift_never_over_the_limit(found: list[Drift], limit: int) -> None:
    """A drift comment is never refused for its length."""
    assert len(render_drift_comment(found, plans.CONTEXT, max_chars=limit)) <= limit


@BIG
@given(any_plan)
def test_blocks_are_whole(plan: Plan) -> None:
    """For any name or note, every details element and every fence is closed."""
    text = render_plan_comment(plan, max_chars=3000)
    outside = re.sub(r"^(`{3,})diff\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert outside.count("<details>") == outside.count("</details>")
    assert "\n```" not in outside
    tags = set(re.findall(r"<[^>]*>", outside))
    assert tags - {"<details>", "</details>", "<summary>", "</summary>", "<b>", "</b>"} <= {
        outside.split("\n")[0]
    }


@BIG
@given(any_plan)
def test_nobody_is_mentioned(plan: Plan) -> None:
    """Outside of code, an at sign never precedes a word, so nobody's text mentions anybody."""
    text = render_plan_comment(plan)
    outside = re.sub(r"^(`{3,})diff\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert re.search(r"(?<![A-Za-z0-9])@[A-Za-z0-9]", outside) is None


@pytest.mark.parametrize(
    ("wild", "tame"),
    [
        ("a|b", "a&#124;b"),
        ("<img src=x>", "&#60;img src=x&#62;"),
        ("`x`", "\\`x\\`"),
        ("*b* _i_ [l](u) ~~s~~", "\\*b\\* \\_i\\_ \\[l\\](u) \\~\\~s\\~\\~"),
        ("see @team", "see @\u200bteam"),
        ("a\nb", "a\\\\nb"),
        ("&lt;", "&#38;lt;"),
        ("$x$", "&#36;x&#36;"),
    ],
)
def test_text_of_others_is_only_text(wild: str, tame: str) -> None:
    """Markup, tables, HTML, formulas and mentions in a note are shown literally."""
    text = render_plan_comment(replace(plans.SMALL, notes=(wild,)))
    assert f"Note: {tame}\n" in text


def test_the_marker_is_the_first_line_and_stable() -> None:
    """A bot always finds its comment again, and no stack's name ends the marker early."""
    assert (
        render_plan_comment(plans.EVERYTHING).splitlines()[0] == "<!-- reconciler:plan stack=search-k3x9 -->"
    )
    assert render_plan_comment(plans.NOTHING).splitlines()[0] == "<!-- reconciler:plan stack=search-k3x9 -->"
    odd = replace(plans.NOTHING, context=replace(plans.CONTEXT, stack="x--> <b>"))
    assert render_plan_comment(odd).splitlines()[0] == "<!-- reconciler:plan stack=x-b- -->"
    assert render_drift_comment([], plans.CONTEXT).startswith("<!-- reconciler:drift stack=search-k3x9 -->\n")


def test_the_most_dangerous_comes_first() -> None:
    """Deletions and replacements are read even by those who stop early."""
    shown = [html.unescape(name) for name in folded(render_plan_comment(plans.EVERYTHING))]
    order = [
        next(one.action for one in plans.CHANGES if name_subject(one) == name and not one.deposed)
        for name in shown
    ]
    assert order[0] is Action.DELETE
    assert order.index(Action.CREATE) > max(i for i, action in enumerate(order) if action is Action.REPLACE)
    assert order[-3:] == [Action.ADOPT, Action.MOVE, Action.FORGET]


def test_the_summary_survives_any_cut() -> None:
    """If the marker and the summary fit, they are always shown."""
    for limit in (300, 600, 2000, 60_000):
        assert summarize_plan(plans.EVERYTHING) in render_plan_comment(plans.EVERYTHING, max_chars=limit)


def test_a_tiny_limit_leaves_the_beginning() -> None:
    """Where not even the marker and the summary fit, the comment is cut after so many characters."""
    whole = render_plan_comment(plans.EVERYTHING)
    for limit in (0, 1, 40):
        assert render_plan_comment(plans.EVERYTHING, max_chars=limit) == whole[:limit]


def test_what_was_cut_is_named() -> None:
    """Every model either has its details or is named as left out."""
    for limit in (1500, 2500, 4000, 6000):
        text = render_plan_comment(plans.EVERYTHING, max_chars=limit)
        sentence = text.rsplit("\n\n", 1)[1]
        assert re.match(r"Cut to fit\. .*The details of \d+ models are left out: ", sentence)
        for change in plans.EVERYTHING.changes:
            if change.is_change:
                named = str(change.address) in folded(text) or str(change.address) in sentence
                assert named or re.search(r"\band [0-9,]+ more$", sentence), (limit, change.address)


@pytest.mark.thorough
def test_ten_thousand_models_are_cut_to_the_limit() -> None:
    """A huge plan is a comment that can be posted, with the count of what is missing."""
    many = Plan(tuple(plans.create(f"m{index}") for index in range(10_000)), context=plans.CONTEXT)
    text = render_plan_comment(many)
    assert 50_000 < len(text) <= 60_000
    assert re.search(r"… and 9,\d{3} more$", text)


def test_a_plan_without_changes_is_short() -> None:
    """If nothing changes, there is no table and nothing folded."""
    text = render_plan_comment(plans.NOTHING)
    assert text.splitlines()[2] == "**No changes. 1 model is as declared.**"
    assert "|" not in text
    assert "<details>" not in text
