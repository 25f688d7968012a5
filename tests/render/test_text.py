"""Plans, drift, errors and events as text."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.difference import FieldChange
from reconciler.errors import Diagnostic, Severity
from reconciler.events import Completed, Detached, Event, Failed, Progress, Started, Uploading, Verb
from reconciler.plan.case import RETRY_ADVICE
from reconciler.plan.change import Action, Bill, Drift, Plan, Reason
from reconciler.plan.inputs import Context
from reconciler.plan.steps import ReportFailure
from reconciler.render.terminal import UNLIMITED, count_cells, escape
from reconciler.render.text.errors import render_errors
from reconciler.render.text.events import render_event
from reconciler.render.text.plan import render_drift, render_plan
from reconciler.render.words import summarize_plan
from tests.limits import examples
from tests.render import plans
from tests.render.strategies import SECRET, drifts, events, texts
from tests.render.strategies import plans as any_plan

_LEAD = 36
"""The most cells before a value: indentation, symbol, name and equals sign."""

SGR = re.compile(r"\x1b\[[0-9;]*m")
BIG = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def whole(lines: Iterable[str]) -> str:
    """The lines as a terminal gets them."""
    return "\n".join(lines)


def fits(line: str, width: int) -> bool:
    """Whether the line fits, or contains a word that must stay whole (an id, a path)."""
    longest = max((count_cells(word) for word in line.split(" ")), default=0)
    return count_cells(line) <= width or longest > width - _LEAD


@BIG
@given(any_plan, st.sampled_from([0, 60, 80, 100]), st.booleans())
def test_any_plan_fits_and_steers_nothing(plan: Plan, width: int, colour: bool) -> None:  # noqa: FBT001
    """For any text of a manifest or a service, lines fit, only our colours are left, and no data leaks."""
    lines = list(render_plan(plan, colour=colour, width=width))
    for line in lines:
        plain = SGR.sub("", line) if colour else line
        assert escape(plain) == plain
    plain_lines = [SGR.sub("", line) for line in lines]
    assert [line for line in plain_lines if width != UNLIMITED and not fits(line, width)] == []
    assert SECRET not in whole(lines)
    summary = summarize_plan(plan)
    assert " ".join(plain_lines).endswith(summary)
    assert width != UNLIMITED or plain_lines[-1] == summary  # a script reads it from a pipe


@BIG
@given(st.lists(drifts, max_size=3), st.sampled_from([60, 100]))
def test_any_drift_fits_and_steers_nothing(found: list[Drift], width: int) -> None:
    """A drift report is as harmless as a plan."""
    lines = list(render_drift(found, plans.CONTEXT, colour=False, width=width))
    assert [line for line in lines if escape(line) != line] == []
    assert [line for line in lines if not fits(line, width)] == []


@given(events)
def test_any_event_is_one_harmless_line(event: Event) -> None:
    """An event is one line that cannot control a terminal."""
    line = render_event(event, colour=False)
    assert line is None or escape(line) == line
    coloured = render_event(event, colour=True)
    assert line == (coloured and SGR.sub("", coloured))


@given(
    st.lists(
        st.builds(Diagnostic, texts, texts, st.none() | texts, st.none() | st.integers(1, 99)), max_size=3
    )
)
def test_any_error_is_harmless(found: list[Diagnostic]) -> None:
    """A service's answer cannot control the terminal that shows it."""
    for width in (0, 60):
        lines = list(render_errors(found, colour=False, width=width))
        assert [line for line in lines if escape(line) != line] == []


def test_a_plan_begins_with_endpoint_project_credential_and_stack() -> None:
    """Their names are never cut. In a pipe the first line has them all, because scripts read it."""
    said = "https://generativelanguage.googleapis.com, project tuned-prod, access token, stack search-k3x9"
    for width in (40, 60, 80, 200, UNLIMITED):
        lines = list(render_plan(plans.SMALL, colour=False, width=width))
        assert " ".join(lines[: lines.index("")]) == said
    assert next(render_plan(plans.SMALL, colour=False, width=UNLIMITED)) == said


def test_nothing_is_printed_for_what_does_not_change() -> None:
    """A model that does not change is not shown, and neither is one of which only the record changes."""
    text = whole(render_plan(plans.EVERYTHING, colour=False))
    assert "steady-99999999" not in text
    assert "TunedModel/refreshed" not in text


def test_no_changes_is_two_lines() -> None:
    """A plan without changes is short."""
    lines = list(render_plan(plans.NOTHING, colour=False, width=100))
    assert [line for line in lines if line] == [
        "https://generativelanguage.googleapis.com, project tuned-prod, access token, stack search-k3x9",
        "No changes. 1 model is as declared.",
    ]


def test_a_plan_without_header_starts_with_content() -> None:
    """Without a header there is neither a context line, nor a legend, nor a blank line."""
    lines = list(render_plan(plans.SMALL, colour=False, show_header=False))
    assert lines[0].startswith("  + TunedModel/number-generator will be trained")
    assert "train: create a model" not in whole(lines)


def test_the_legend_has_only_what_is_used() -> None:
    """A plan of one create explains one symbol."""
    text = whole(render_plan(plans.SMALL, colour=False))
    assert "  + train: create a model" in text
    assert "delete" not in text


def test_data_is_counts_and_digests() -> None:
    """A change of data shows both digests, both counts, and that it forces a training."""
    text = whole(render_plan(Plan((plans.REPLACE,)), colour=False, width=100))
    assert "~ training_data = 15 -> 18 examples (a1b2c3d4 -> e5f6a7b8) # forces replacement" in text


def test_colours_are_terraforms() -> None:
    """Green is new, yellow changes, red is deleted."""
    text = whole(render_plan(plans.EVERYTHING, colour=True))
    assert "\x1b[32m  +\x1b[0m" in text
    assert "\x1b[33m  ~\x1b[0m" in text
    assert "\x1b[31m  -\x1b[0m" in text


def test_long_texts_show_where_they_differ() -> None:
    """The cut keeps the difference of two long texts, not their common beginning."""
    old, new = "counts up " * 20 + "slowly", "counts up " * 20 + "quickly"
    change = replace(plans.UPDATE, fields=(FieldChange("description", old, new),))
    text = whole(render_plan(Plan((change,)), colour=False, width=70))
    assert 'slowly"' in text
    assert '-> "' in text
    assert 'quickly"' in text


def test_long_values_stand_below_each_other() -> None:
    """Two long lists are cut on a line each, so that both can be compared from their beginnings."""
    before, after = tuple(range(100, 130)), tuple(range(200, 230))
    change = replace(plans.UPDATE, fields=(FieldChange("reader_project_numbers", before, after),))
    lines = list(render_plan(Plan((change,)), colour=False, width=60, show_header=False))
    assert lines[3:5] == [
        "      ~ reader_project_numbers = [100, 101, 102, 103, 104, …",
        "                                 -> [200, 201, 202, 203, 20…",
    ]


def test_a_resource_name_is_never_cut() -> None:
    """It gets a line of its own where it has no room beside its field, because people copy it."""
    old, new = (f"projects/123/locations/us/models/{number * 19}@1" for number in "12")
    field = FieldChange("source", old, new, forces_replacement=True)
    change = replace(plans.UPDATE, fields=(field, FieldChange("base_model", None, new)))
    lines = list(render_plan(Plan((change,)), colour=False, width=60, show_header=False))
    assert lines[3:9] == [
        "      ~ source     =",
        f'          "{old}"',
        f'          -> "{new}"',
        "          # forces replacement",
        "      + base_model =",
        f'          "{new}"',
    ]


def test_what_is_blocked_is_not_called_failed() -> None:
    """Nothing was tried. What it waits for is said once."""
    text = whole(render_plan(plans.COPIES, colour=False, width=UNLIMITED))
    assert "  ! blocked: nothing is done until what it depends on is there\n" in text
    assert "failed" not in text
    assert "\n      error: it is away\n" in text


def test_a_remark_is_never_cut() -> None:
    """A field that forces a replacement says so, however narrow the terminal and long the value."""
    change = replace(
        plans.REPLACE,
        fields=(
            FieldChange("base_model", "models/" + "a" * 90, "models/" + "b" * 90, forces_replacement=True),
        ),
    )
    for width in (40, 60, 80, 200, 0):
        assert "# forces replacement" in whole(render_plan(Plan((change,)), colour=False, width=width))


def test_a_failure_says_what_to_do() -> None:
    """A failed training shows the operation's error and what to do."""
    text = whole(render_plan(Plan((plans.FAILED,)), colour=False, width=0))
    assert "error: 13 INTERNAL: the training diverged at step 12: mean loss is not a number" in text
    assert "--retry-failed" in text


def test_a_change_without_reason_and_place_is_its_title_alone() -> None:
    """An unknown fact leaves no empty line."""
    bare = replace(plans.DELETE, reason=Reason.NONE, place="")
    lines = list(render_plan(Plan((bare,)), colour=False, show_header=False))
    assert lines == ["  - TunedModel/retired will be deleted: retired-55555555", "", "Plan: 1 to delete."]


def test_a_failure_without_a_known_reason_still_advises() -> None:
    """The operation may be gone. Then there is no empty error line, and the advice is the same."""
    lines = list(
        render_plan(
            Plan((replace(plans.FAILED, place="", steps=(ReportFailure("", RETRY_ADVICE),)),)),
            colour=False,
            width=0,
        )
    )
    assert "      its training failed" in lines
    assert not [line for line in lines if "error:" in line]
    assert "--retry-failed" in whole(lines)


def test_much_drift_is_brief_in_a_plan() -> None:
    """A plan names ten findings and where to see the rest."""
    lines = list(render_plan(Plan((), drift=(plans.CHANGED,) * 25), colour=False))
    assert "    … and 15 more: reconciler drift" in lines


def test_what_is_no_drift_does_not_stand_under_drift() -> None:
    """A deposed model that is kept, or a base that is retired, differs from nothing that was recorded."""
    note = list(render_plan(Plan((), drift=(plans.UNMANAGED,)), colour=False))
    assert "Notes, which do not count as drift (1 finding):" in note
    assert not [line for line in note if line.startswith("Live differs")]
    both = list(render_plan(Plan((), drift=(plans.UNMANAGED, plans.CHANGED)), colour=False))
    assert both.index("Live differs from what was recorded (1 finding):") < both.index(note[1])


def test_many_waiting_models_are_brief() -> None:
    """A thousand models in training take a dozen lines."""
    waiting = tuple(replace(plans.WAIT, address=plans.address(f"m{index}")) for index in range(1000))
    lines = list(render_plan(Plan(waiting), colour=False))
    assert len(lines) < 20
    assert "    … and 990 more" in lines


def test_the_bill_has_a_total_and_marks_estimates() -> None:
    """Several trainings are summed. An assumed default is marked and explained."""
    text = whole(render_plan(plans.EVERYTHING, colour=False, width=100))
    total = next(line for line in text.splitlines() if line.startswith("  total"))
    assert total.split() == ["total", "74", "264*", "23,668*", "0.18", "USD*"]
    assert "* estimated: a default of the service was assumed" in text
    assert "? no known price: 1 training is not in the sum" in text


def test_a_bill_without_prices_has_no_price_column() -> None:
    """Nothing is said about money that nobody configured."""
    unpriced = plans.create(bill=Bill(15, 640, 5, 2, 38))
    text = whole(render_plan(Plan((unpriced, plans.create("other", bill=None))), colour=False, width=100))
    assert "price" not in text
    assert "15       5      2     38       3,200" in text


def test_selection_is_warned_of() -> None:
    """A plan with --target or --exclude says that it is a part of what is declared."""
    assert "this plan is a part of" in whole(render_plan(plans.EVERYTHING, colour=False, width=0))
    assert "this plan is a part of" not in whole(render_plan(plans.SMALL, colour=False, width=0))


def test_a_plan_of_nowhere_has_no_header() -> None:
    """A plan without a context does not pretend to have one."""
    assert list(render_plan(Plan(()), colour=False)) == [summarize_plan(Plan(()))]
    assert (
        next(render_plan(Plan((), context=Context(endpoint="x")), colour=False))
        == "x, no project, no credential"
    )


@pytest.mark.parametrize(
    ("diagnostic", "first"),
    [
        (Diagnostic("0 is below 1", file="a.yaml", line=14, column=7), "a.yaml:14:7: error: 0 is below 1"),
        (Diagnostic("odd", file="a.yaml", line=2, severity=Severity.WARNING), "a.yaml:2: warning: odd"),
        (Diagnostic("locked"), "Error: locked"),
        (Diagnostic("locked", address="TunedModel/x"), "Error: TunedModel/x: locked"),
        (Diagnostic("TunedModel/x is locked", address="TunedModel/x"), "Error: TunedModel/x is locked"),
    ],
)
def test_error_places_come_first(diagnostic: Diagnostic, first: str) -> None:
    """An editor can jump to the place; without one the line says that it is an error."""
    assert list(render_errors([diagnostic], colour=False)) == [first]


def test_error_lines_keep_line_breaks_and_count() -> None:
    """A message of several lines keeps its lines, indented. Several errors are counted."""
    lines = list(render_errors([Diagnostic("a\nb", "c\nd"), Diagnostic("e")], colour=False))
    assert lines == ["Error: a", "    b", "    c", "    d", "Error: e", "", "2 errors."]


def test_progress_says_what_is_known_and_no_more() -> None:
    """Unknown numbers are left out, not shown as zero."""
    known = Progress(plans.address("x"), "x-1", 40.0, 15, 38, 2, 1.5, 80.0, 120.0)
    assert render_event(known, colour=False) == (
        "TunedModel/x: training, 40%, step 15 of 38, epoch 2, mean loss 1.5, "
        "1m20s elapsed, about 2m00s left [x-1]"
    )
    unknown = Progress(plans.address("x"), "x-1", elapsed=5)
    assert render_event(unknown, colour=False) == "TunedModel/x: training, 5s elapsed [x-1]"


def test_an_upload_has_no_address() -> None:
    """The line names the data set. Several models may be trained on it."""
    event = Uploading("data/big.jsonl", 30 * 2**20, 100 * 2**20)
    assert render_event(event, colour=True) == "Uploading data/big.jsonl: 30% of 100 MB"


def test_detaching_from_nothing_says_nothing() -> None:
    """There is nothing to resume when nothing is in training."""
    assert render_event(Detached("no-wait"), colour=False) is None
    line = render_event(Detached("timeout", (plans.address("x"),)), colour=False)
    assert line == "The time is up: 1 model keeps training at the service. Resume with: reconciler wait"


def test_detaching_tells_trainings_from_copies_and_deployments() -> None:
    """A copy is not trained, and neither is a model that is being deployed to its endpoint."""
    first, second, third, fourth = (plans.address(name) for name in "abcd")
    event = Detached("interrupt", (first, second), copying=(third,), deploying=(fourth,))
    assert render_event(event, colour=False) == (
        "Interrupted: 2 models keep training, 1 copy is still being made and 1 deployment goes on at the "
        "service. Resume with: reconciler wait"
    )
    event = Detached("no-wait", copying=(first, second), deploying=(third, fourth))
    assert render_event(event, colour=False) == (
        "Not waiting: 2 copies are still being made and 2 deployments go on at the service. "
        "Resume with: reconciler wait"
    )


def test_failures_end_with_advice() -> None:
    """A full stop separates the error from the advice."""
    failed = Failed(plans.address("x"), Verb.UPDATE, "403 no", "Ask its owner.", "x-1", 2.0)
    assert (
        render_event(failed, colour=False)
        == "TunedModel/x: update failed after 2s [x-1]: 403 no. Ask its owner."
    )
    refused = render_event(Failed(plans.address("x"), Verb.PERMISSIONS, "403 no"), colour=False)
    assert refused == "TunedModel/x: setting permissions failed: 403 no."
    ended = render_event(Failed(plans.address("x"), Verb.CREATE, "diverged", training=True), colour=False)
    assert ended == "TunedModel/x: training failed: diverged."
    done = Completed(plans.address("x"), Verb.MOVE, detail="it was TunedModel/y")
    assert render_event(done, colour=False) == "TunedModel/x: moved: it was TunedModel/y"


def test_what_is_left_alone_for_a_reason_is_brief() -> None:
    """A few are named with their reasons, and the others are counted.

    So are fields removed from manifests.
    """
    noted = [replace(plans.NO_OP, address=plans.address(f"n{n}"), notes=("an odd one",)) for n in range(30)]
    lines = whole(render_plan(Plan(tuple(noted)), colour=False, width=120)).splitlines()
    assert "Left as they are (30):" in lines
    named = [line for line in lines if line.endswith(": an odd one")]
    assert 0 < len(named) < 30
    assert f"    … and {30 - len(named)} more" in lines
    one = whole(render_plan(Plan((noted[0],)), colour=False, width=120)).splitlines()
    assert "Left as it is (1):" in one
    fields = (FieldChange("description", "old", None),)
    dropped = [replace(plans.RECORD, address=plans.address(f"r{n}"), fields=fields) for n in range(30)]
    text = whole(render_plan(Plan(tuple(dropped)), colour=False, width=120))
    said = text.count(": description is no longer declared and ")
    assert 0 < said < 30
    assert f"\n  … and {30 - said} more" in text


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("event", [Started, Completed], ids=lambda kind: kind.__name__)
def test_every_verb_has_words(event: type[Started | Completed], verb: Verb) -> None:
    """The address comes before the words, and the id after them."""
    line = render_event(event(plans.address("a"), verb, "a-1"), colour=False)
    assert re.fullmatch(r"TunedModel/a: [a-z ]+ \[a-1\]", line or "")


def test_a_data_set_that_changed_is_listed_once() -> None:
    """A new model in place of a candidate with other data shows the change, and no second line."""
    change = replace(plans.REPLACE, action=Action.CREATE, fields=())
    lines = list(render_plan(replace(plans.SMALL, changes=(change,)), colour=False))
    assert sum("training_data" in line for line in lines) == 1
