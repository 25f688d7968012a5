"""The live display, drawn into a string by a clock that stands still."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.events import (
    Billed,
    Completed,
    Detached,
    Event,
    Failed,
    Progress,
    Skipped,
    Started,
    Uploading,
    Verb,
)
from reconciler.render.live import LiveLines, LiveProgress
from reconciler.render.terminal import count_cells
from tests.limits import examples
from tests.render import plans
from tests.render.strategies import events

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """A display without a thread or a real clock. It returns what was drawn last."""

    def __init__(
        self, *, width: int = 80, height: int = 24, colour: bool = False, unicode: bool = True
    ) -> None:
        self.stream = io.StringIO()
        self.now = 100.0
        self.display = LiveProgress(
            stream=self.stream,
            width=width,
            height=height,
            clock=lambda: self.now,
            colour=colour,
            unicode=unicode,
            is_automatic=False,
        )

    def after(self, *happened: Event) -> list[str]:
        """Handle the events. Return the lines drawn at the end, the permanent ones first."""
        with self.display:
            for event in happened:
                self.display.handle(event)
            self.stream.seek(0)
            self.stream.truncate()
            self.display.refresh()
            drawn = self.stream.getvalue()
        return [line.rstrip() for line in CONTROL.sub("", drawn).replace("\r", "").split("\n")]

    def permanent(self, *happened: Event) -> str:
        """Handle the events. Return what stays on the terminal when the display has ended."""
        with self.display:
            for event in happened:
                self.display.handle(event)
        return CONTROL.sub("", self.stream.getvalue()).replace("\r", "")


def progress(name: str, percent: float, **changes: float) -> Progress:
    """A training at some percent."""
    return Progress(
        plans.address(name), f"{name}-1", percent, 15, 38, 2, 1.23456, changes.get("elapsed", 80.0), 120.0
    )


def test_a_training_has_a_line() -> None:
    """A line shows name, bar, percent, step, epoch, loss, elapsed and remaining time."""
    lines = Screen(width=100).after(Started(plans.address("x"), Verb.CREATE), progress("x", 50))
    assert lines[0] == "x ██████████░░░░░░░░░░  50%  step 15/38  epoch 2  loss 1.235  1m20s  2m00s left"
    assert lines[1] == "1 model at work. Ctrl-C stops only the wait."


def test_unknown_progress_has_no_bar() -> None:
    """The service tells no percentage of a tuning job or a copy, so the line says what goes on."""
    copying = Progress(plans.address("y"), "y-1", elapsed=5.0, operation=Verb.COPY)
    training = Progress(plans.address("x"), "x-1", elapsed=80.0)
    for width, room in ((100, 20), (60, 10)):
        lines = Screen(width=width).after(training, copying)
        assert lines[:2] == [f"x {'training':{room}}  1m20s", f"y {'copying':{room}}     5s"]


def test_ascii_bars() -> None:
    """A terminal without Unicode gets ASCII."""
    (line, *_) = Screen(width=100, unicode=False).after(progress("x", 25))
    assert line.startswith("x #####...............  25%")


def test_time_goes_on_between_polls() -> None:
    """Between events, the elapsed time grows and the remaining time shrinks with the clock."""
    screen = Screen(width=100)
    with screen.display:
        screen.display.handle(progress("x", 50))
        screen.now += 30
        screen.display.refresh()
    assert "1m50s  1m30s left" in screen.stream.getvalue()


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_lines_fit(width: int) -> None:
    """A narrow terminal shows fewer figures in the same layout. The percentage stays longest."""
    long = "a-name-as-long-as-names-may-be-"
    lines = Screen(width=width).after(progress(long, 50), progress("x", 100))
    assert max(map(count_cells, lines)) <= width
    if width >= 60:
        assert "  50%  " in lines[0]
        assert "2m00s left" in lines[0]


def test_more_models_than_rows() -> None:
    """A screen of 12 lines shows what fits and counts the rest."""
    lines = Screen(height=12).after(*(progress(f"m{index}", index) for index in range(20)))
    assert len(lines) <= 12
    assert "… and 12 more" in lines
    assert lines[-1].startswith("20 models at work")


def test_what_ends_stays() -> None:
    """Finished, failed and skipped models leave a line behind, and no row."""
    left = Screen(width=200).permanent(
        progress("x", 50),
        Completed(plans.address("x"), Verb.CREATE, "x-1", 90.0),
        Failed(plans.address("y"), Verb.CREATE, "boom", "Retry."),
        Skipped(plans.address("z"), Verb.CHECK, "unknown", unfinished=True),
        Detached("interrupt", (plans.address("w"),)),
    )
    assert "TunedModel/x: trained after 1m30s [x-1]\n" in left
    assert "TunedModel/y: create failed: boom. Retry.\n" in left
    assert "TunedModel/z: not checked: unknown\n" in left
    assert "Resume with: reconciler wait\n" in left


def test_counts_in_the_last_line() -> None:
    """The last line counts what is at work, what was trained, what was copied and what failed."""
    lines = Screen().after(
        progress("w", 1),
        Completed(plans.address("x"), Verb.CREATE),
        Completed(plans.address("x"), Verb.PROMOTE),
        Completed(plans.address("z"), Verb.REPLACE),
        Completed(plans.address("v"), Verb.COPY),
        Failed(plans.address("y"), Verb.CREATE, "boom"),
    )
    assert lines[-1] == "1 model at work, 2 trained, 1 copied, 1 failed. Ctrl-C stops only the wait."


def test_stages_after_the_training_are_words() -> None:
    """While a candidate is checked its line says so instead of a bar."""
    lines = Screen().after(progress("x", 99), Started(plans.address("x"), Verb.CHECK))
    assert lines[0] == "x running its checks"


def test_markup_is_text() -> None:
    """Brackets in a service's answer are not interpreted as rich's markup."""
    left = Screen(width=200).permanent(Failed(plans.address("x"), Verb.CREATE, "[red]no[/red] [/] :smile:"))
    assert "[red]no[/red] [/] :smile:" in left


def test_what_ended_is_said_once_and_in_words() -> None:
    """A replacement is not called "replace done", and passed checks are reported only once."""
    left = Screen(width=200).permanent(
        Completed(plans.address("x"), Verb.CHECK, "x-2", detail="2 passed"),
        Completed(plans.address("x"), Verb.REPLACE, "x-2", 90.0),
    )
    assert "TunedModel/x: checked [x-2]: 2 passed\nTunedModel/x: replaced after 1m30s [x-2]\n" in left


def test_what_stays_is_broken_at_spaces() -> None:
    """A line that is longer than the terminal continues below, indented. Its ids and commands stay whole."""
    done = Completed(plans.address("number-generator"), Verb.CREATE, "number-generator-n5ee2y2q", 3.0)
    assert Screen(width=60).permanent(done).split("\n")[:2] == [
        "TunedModel/number-generator: trained after 3s",
        "    [number-generator-n5ee2y2q]",
    ]
    failed = Failed(plans.address("x"), Verb.CREATE, "see https://example.com/a/very/long/address now")
    assert "https://example.com/a/very/long/address" in Screen(width=20).permanent(failed)


@pytest.mark.parametrize("colour", [False, True])
def test_escapes_of_others_do_not_reach_the_terminal(colour: bool) -> None:  # noqa: FBT001
    """An escape sequence inside an error is shown, not obeyed."""
    screen = Screen(width=200, colour=colour)
    left = screen.permanent(Failed(plans.address("x"), Verb.CREATE, "\x1b]0;owned\x07"))
    assert "\x1b]0;owned" not in screen.stream.getvalue()
    assert "\\x1b]0;owned\\x07" in left


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(events, max_size=8), st.sampled_from([20, 60, 100]))
def test_any_events_fit(happened: list[Event], width: int) -> None:
    """No order of events breaks the display or makes it wider than the terminal."""
    assert max(map(count_cells, Screen(width=width).after(*happened))) <= width


def test_nothing_to_show_draws_nothing() -> None:
    """Without a training there is no display."""
    assert "".join(Screen().after()) == ""


def test_use_outside_of_the_display_is_harmless() -> None:
    """An event after the end changes nothing and prints nothing."""
    screen = Screen()
    screen.display.handle(Completed(plans.address("x"), Verb.CREATE))
    screen.display.refresh()
    assert screen.stream.getvalue() == ""


def test_an_upload_has_a_line_until_it_is_done() -> None:
    """An upload has a bar, percent and size above the models at work. A finished upload is removed."""
    screen = Screen(width=100)
    with screen.display:
        screen.display.handle(Uploading("a[red].jsonl", 75 * 2**20, 300 * 2**20))
        screen.display.handle(Uploading("b.jsonl", 5, 10))
        screen.display.handle(Uploading("b.jsonl", 10, 10))
    lines = screen.after(progress("x", 50))
    assert lines[0] == "█████░░░░░░░░░░░░░░░ Uploading a[red].jsonl: 25% of 300 MB"
    assert lines[1].startswith("x ██████████")
    assert lines[2].startswith("1 model at work")


def test_a_bill_stays_and_the_training_goes_on() -> None:
    """What was billed is a line that stays. The checks that follow keep their row."""
    billed = Billed(plans.address("x"), "x-1", 900)
    assert "TunedModel/x: billed [x-1]: 900 tokens\n" in Screen(width=100).permanent(billed)
    assert Screen(width=100).after(progress("x", 50), billed)[0].startswith("x ██████████")


def test_a_display_that_was_never_started_ends_quietly() -> None:
    """An error before the first line must not be hidden by another one."""
    display = Screen().display
    display.__exit__(None, None, None)
    assert Screen().permanent(Completed(plans.address("a"), Verb.CREATE, "a-1", 60.0)) != ""


def draw(*lines: str, width: int = 40, height: int = 10) -> list[str]:
    """Return the lines of a display of changing lines, as they were drawn last."""
    stream = io.StringIO()
    shown = LiveLines(
        stream=stream,
        width=width,
        height=height,
        draw=lambda room: [f"{room}", *lines],
        colour=False,
        is_automatic=False,
    )
    shown.refresh()  # this does nothing before the display begins
    with shown:
        stream.seek(0)
        stream.truncate()
        shown.refresh()
        drawn = stream.getvalue()
    return [line.rstrip() for line in CONTROL.sub("", drawn).replace("\r", "").split("\n")]


def test_changing_lines_are_told_how_many_there_is_room_for() -> None:
    """One line less than the terminal has, for the cursor. What they say is drawn as it is."""
    assert draw("[red] is no markup", "\x1b[31mred\x1b[0m") == ["9", "[red] is no markup", "red"]


def test_a_changing_line_that_is_too_long_is_folded() -> None:
    """A name stays whole and readable, and the display knows how many lines it takes."""
    assert draw(f"endpoint {'x' * 60}") == ["9", "endpoint", "x" * 40, "x" * 20]


def test_changing_lines_are_taken_away_at_the_end() -> None:
    """The caller prints what is to stay."""
    stream = io.StringIO()
    shown = LiveLines(stream=stream, width=40, height=10, draw=lambda _room: ["one"], is_automatic=False)
    with shown:
        shown.refresh()
    assert stream.getvalue().rindex("\x1b[2K") > stream.getvalue().rindex("one")
    shown.__exit__(None, None, None)  # to end it a second time does nothing
