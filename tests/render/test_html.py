"""The HTML report: self-contained, escaped, and about every model."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.model.checks import Score
from reconciler.model.live import Live, Snapshot, Status
from reconciler.plan.base_models import BaseEnd
from reconciler.plan.change import Drift, DriftClass
from reconciler.plan.status import Condition, ModelStatus
from reconciler.render.html.curve import draw_loss_curve
from reconciler.render.html.page import render_report
from reconciler.state.values import Record, RecordedEstimate, State, Verdict
from tests.limits import examples
from tests.render import plans
from tests.render.strategies import drifts, records, texts

NOW = "2026-11-22T18:00:00Z"
TAGS = {
    *[
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "ul",
        "li",
        "b",
        "div",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
        "br",
    ],
    *[
        "section",
        "span",
        "dl",
        "dt",
        "dd",
        "code",
        "details",
        "summary",
        "svg",
        "line",
        "text",
        "polyline",
        "footer",
    ],
}


class Reader(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called at each element."""
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}

    def handle_data(self, data: str) -> None:
        """Called at each text."""
        self.text.append(data)


def read(page: str) -> Reader:
    """Parse the page as a browser does."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(records, max_size=3), st.lists(drifts, max_size=2), texts)
def test_nothing_of_others_is_markup(found: list[Record], drifted: list[Drift], text: str) -> None:
    """No name, note or error adds an element, a script, a handler or an address to fetch."""
    live = {
        one.address: Live(one.serving.id, text, Status.ACTIVE, {"description": text}, error=text)
        for one in found
        if one.serving
    }
    state = State(stack=text, workspace=text, resources={one.address: one for one in found})
    shown = [
        ModelStatus(one.address, Condition.FAILED, text, base=BaseEnd(text), reason=text) for one in found
    ]
    reader = read(render_report(state, shown, live, drifted, replace(plans.CONTEXT, endpoint=text), now=NOW))
    assert reader.tags <= TAGS
    names = {name for name, _ in reader.attributes}
    assert not {name for name in names if name.startswith("on")} | (
        names & {"src", "srcset", "style", "data"}
    )
    assert all(value.startswith("#m") for name, value in reader.attributes if name == "href")


def test_nothing_is_fetched() -> None:
    """The page has no address of any other resource, and forbids scripts and loading itself."""
    page = render_report(
        plans.STATE,
        plans.STATUS,
        {plans.RECORD_FULL.address: plans.LIVE},
        plans.DRIFTS,
        plans.CONTEXT,
        now=NOW,
    )
    assert "default-src 'none'" in page
    assert re.search(r"url\(|@import|<script|<link|<img", page) is None


def test_every_model_has_a_row_a_section_and_its_curve() -> None:
    """No recorded model is missing from the report. A model with snapshots has a curve."""
    page = render_report(
        plans.STATE, plans.STATUS, {plans.RECORD_FULL.address: plans.LIVE}, (), plans.CONTEXT, now=NOW
    )
    for record in plans.STATE.resources.values():
        anchor = f"m-TunedModel-{record.address.name}"
        rows = [model for model in plans.STATUS if model.address == record.address]
        assert page.count(f'href="#{anchor}"') == len(rows)
        assert page.count(f'id="{anchor}"') == 1
        for model in record.models:
            assert model.id in page
    assert page.count("<svg") == 1
    assert "No drift." in page


def test_conditions() -> None:
    """A row for each model has its condition in the words and with the tone that `status` gives it."""
    page = render_report(plans.STATE, plans.STATUS, {}, (), plans.CONTEXT, now=NOW)
    assert re.findall(r'data-label="condition">(.*?)<td', page) == [
        '<span class="good">serving</span>',
        '<span class="wait">held back</span><br><span class="soft">held back since then</span>',
        '<span class="wait">not started</span>',
        '<span class="wait">not recorded</span><br><span class="soft">the service has new-1a2b3c4d</span>',
        '<span class="good">serving</span>',
        '<span class="wait">training</span>',
        '<span class="good">serving</span>',
    ]
    assert (
        '<h3>TunedModel/back <span class="good">serving</span>, <span class="wait">held back</span></h3>'
        in page
    )
    tiles = re.findall(r"<li><b>(\d+)</b>([a-z ]+)", page)
    assert tiles == [
        ("5", "addresses"),
        ("3", "serving"),
        ("1", "training"),
        ("1", "not started"),
        ("1", "not recorded"),
        ("1", "held back"),
        ("1", "kept as deposed"),
        ("0", "drifted"),
    ]


def test_what_drift_explains_is_not_said_twice() -> None:
    """The reason of a condition is not beside it where the drift above tells it."""
    held = Drift(plans.address("back"), DriftClass.HELD_BACK, "back-44444444", detail="held back since then")
    page = render_report(plans.STATE, plans.STATUS, {}, (held,), plans.CONTEXT, now=NOW)
    assert page.count("held back since then") == 1


def test_a_row_tells_scores_cost_and_the_end_of_the_base_model() -> None:
    """It has the verdict and each score, the bill, and the end date in a colour for its meaning."""
    address, estimate = (
        plans.address("x"),
        RecordedEstimate(1_000, amount=0.01, currency="USD", token_price=9),
    )
    scores = (Score("data/held-out.jsonl", "a" * 64, 4, 5), Score("prompts", "b" * 64, 1, 1))
    model = replace(
        plans.model("x-1"), verdict=Verdict.PASSED, scores=scores, estimate=estimate, billed_tokens=1_100
    )
    state = State(resources={address: Record(address, serving=model)})
    verdict = '<span class="good">passed</span><br>data/held-out.jsonl 4 of 5 (0.80)<br>prompts 1 of 1 (1.00)'

    def find_cells(end: BaseEnd | None) -> dict[str, str]:
        shown = [ModelStatus(address, Condition.SERVING, "x-1", base=end)]
        page = render_report(state, shown, {}, (), plans.CONTEXT, now=NOW)
        return dict(re.findall(r'<td[^>]* data-label="([^"]+)">(.*?)(?=<td|</tr>)', page))

    cells = find_cells(None)
    assert (cells["checks"], cells["cost"], cells["base model"]) == (verdict, "0.0099 USD", "")
    ends = {
        BaseEnd("b"): "b",
        BaseEnd("b", "2027-05-19", or_later=True, days_left=171): (
            'b<br><span class="soft">retires not before 19 May 2027</span>'
        ),
        BaseEnd("b", "2026-12-01", days_left=9): 'b<br><span class="wait">retires 1 December 2026</span>',
        BaseEnd("b", "2026-11-01", days_left=-21): 'b<br><span class="bad">retired 1 November 2026</span>',
    }
    assert {end: find_cells(end)["base model"] for end in ends} == ends


def test_what_is_not_known_of_a_model_is_not_shown() -> None:
    """Without checks the cell is empty, and without attributes there is nothing to unfold."""
    address = plans.address("x")
    bare = State(
        resources={address: Record(address, serving=plans.model("x-1", sent={}, verdict=Verdict.NONE))}
    )
    shown = [ModelStatus(address, Condition.SERVING, "x-1")]
    page = render_report(bare, shown, {}, (), plans.CONTEXT, now=NOW)
    assert '<td data-label="checks"><td' in page
    assert "<details>" not in page
    full = State(resources={address: Record(address, serving=plans.model("x-1"))})
    assert "<summary>9 attributes</summary>" in render_report(full, shown, {}, (), plans.CONTEXT, now=NOW)


def test_every_cell_has_a_label() -> None:
    """A narrow page shows a table as a list, so each cell has the name of its column."""
    page = render_report(
        plans.STATE,
        plans.STATUS,
        {plans.RECORD_FULL.address: plans.LIVE},
        plans.DRIFTS,
        plans.CONTEXT,
        now=NOW,
    )
    labels = re.findall(r'<td[^>]* data-label="([^"]+)"', page)
    assert len(labels) == page.count("<td")
    assert set(labels) == set(re.findall(r"<th[^>]*>([^<]+)", page))


def test_an_empty_state_is_a_page() -> None:
    """If nothing is recorded, the report says so instead of showing an empty table."""
    page = render_report(State(), (), {}, (), plans.CONTEXT, now=NOW)
    assert "No model is declared or recorded." in page
    assert "<table" not in page


@given(
    st.lists(
        st.builds(Snapshot, st.integers(0, 10**6), st.integers(0, 99), st.floats(width=32)),
        min_size=2,
        max_size=500,
    ),
    texts,
)
def test_any_curve_is_drawn_within_its_picture(snapshots: list[Snapshot], title: str) -> None:
    """Every point of any curve is inside the picture, and there are no more points than can be seen."""
    svg = draw_loss_curve(snapshots, title=title)
    for points in re.findall(r'points="([^"]*)"', svg):
        pairs = [tuple(map(float, pair.split(","))) for pair in points.split()]
        assert len(pairs) <= 300
        assert all(0 <= x <= 640 and 0 <= y <= 200 for x, y in pairs)


def test_a_long_training_is_thinned() -> None:
    """Of ten thousand snapshots only as many as can be seen are drawn.

    The first and the last are among them.
    """
    svg = draw_loss_curve([Snapshot(step, step // 10, 10_000.0 - step) for step in range(10_000)], title="x")
    (points,) = re.findall(r'points="([^"]*)"', svg)
    assert len(points.split()) == 300
    assert points.split()[0] == "52.0,12.0"
    assert points.split()[-1].startswith("628.0,")
    assert svg.count('class="epoch"') <= 20


def test_a_curve_needs_two_points() -> None:
    """A single snapshot gives no curve."""
    assert draw_loss_curve(plans.SNAPSHOTS[:1], title="x") == ""
