"""Counts, durations, times and field names as text, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from reconciler.formats import (
    add_seconds,
    count_noun,
    format_age,
    format_duration,
    format_period,
    format_share,
    format_time,
    parse_duration,
    parse_time,
    shorten,
    to_camel_case,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (7500, "2h05m"),
        (float("inf"), "0s"),
        (-3, "0s"),
    ],
)
def test_format_duration(seconds: float, text: str) -> None:
    """A duration has at most two units, and an impossible one is written as 0s."""
    assert format_duration(seconds) == text


def test_count_noun() -> None:
    """The noun agrees with its count."""
    assert [count_noun(0, "model"), count_noun(1, "model"), count_noun(1204, "model")] == [
        "0 models",
        "1 model",
        "1,204 models",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("90s", 90), ("50m", 3000), ("1.5h", 5400), ("7d", 604_800), ("0s", 0), ("1h30m", 5400)),
        *(("", None), ("90", None), ("h", None), ("30m1h", None), ("1h1h", None), ("-1s", None)),
        *(("1 h", None), ("5ms", None), ("1e3s", None), ("\u0663s", None), ("9" * 30 + "s", None)),
    ],
)
def test_parse_duration(text: str, seconds: float | None) -> None:
    """Units go from the longest to the shortest, and anything else is no duration."""
    assert parse_duration(text) == seconds


def test_the_longest_duration_is_a_timedelta() -> None:
    """No accepted duration overflows a timedelta."""
    seconds = parse_duration("99999999.9d99999999h99999999m99999999s")
    assert seconds is not None
    assert timedelta(seconds=seconds) > timedelta(days=99_999_999)


def test_a_time_is_written_in_utc_and_read_back() -> None:
    """A time is written as RFC 3339 with Z, whatever its zone was."""
    moment = datetime(2026, 11, 22, 20, 0, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2026-11-22T18:00:05Z"
    assert format_time(moment, timespec="microseconds") == "2026-11-22T18:00:05.999999Z"
    assert parse_time("2026-11-22T18:00:05.999999Z") == moment


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(text: str) -> None:
    """An invalid time of a service or of an older state is read as None."""
    assert parse_time(text) is None


def test_a_time_without_a_zone_is_in_utc() -> None:
    """A time without a zone, as services sometimes send, is read as UTC."""
    assert parse_time("2026-11-22T18:00:00") == datetime(2026, 11, 22, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("top_k", "topK"),
        ("tuning_task.hyperparameters.learning_rate", "tuningTask.hyperparameters.learningRate"),
        ("labels", "labels"),
        ("reader_project_numbers", "readerProjectNumbers"),
    ],
)
def test_camel_case(path: str, written: str) -> None:
    """Each step of a path is converted for itself."""
    assert to_camel_case(path) == written


def test_a_long_text_is_cut() -> None:
    """A text within the limit stays unchanged, and a longer one ends in an ellipsis."""
    assert [shorten(text, 3) for text in ("", "abc", "abcd")] == ["", "abc", "abc…"]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (90, "90s"), (120, "2m"), (3600, "1h"), (86_400, "24h"), (172_800, "2d"), (604_800, "7d")],
)
def test_a_period_is_written_as_a_manifest_has_it(seconds: float, written: str) -> None:
    """In the largest unit that leaves no rest; a day is 24h, as its default is written."""
    assert format_period(seconds) == written


def test_seconds_are_added_to_a_time() -> None:
    """A text that is no time stays nothing, and no time is later than the year 9999."""
    assert add_seconds("2026-11-22T18:00:00Z", 90) == "2026-11-22T18:01:30Z"
    assert add_seconds("soon", 90) == ""
    assert add_seconds("2026-11-22T18:00:00Z", 1e12).startswith("9999-12-31T23:59:59")


@pytest.mark.parametrize(
    ("passed", "asked", "written"),
    [
        (46, 50, "46 of 50 (0.92)"),
        (999, 1000, "999 of 1,000 (0.99)"),
        (2, 2, "2 of 2 (1.00)"),
        (0, 0, "0 of 0"),
    ],
)
def test_a_share_is_never_rounded_up(passed: int, asked: int, written: str) -> None:
    """999 of 1,000 are not shown as all."""
    assert format_share(passed, asked) == written


def test_an_age_has_one_unit() -> None:
    """It is rounded down. Hours count up to two days, so that yesterday is told apart."""
    ages = {-1: "0s", 45.9: "45s", 60: "1m", 3599: "59m", 3600: "1h", 172_799: "47h", 172_800: "2d"}
    assert {seconds: format_age(seconds) for seconds in ages} == ages
    assert format_age(86_400 * 1234) == "1,234d"
