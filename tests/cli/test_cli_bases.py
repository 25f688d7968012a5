"""Base models that retire: what validate, plan, drift, show, report and bases say about them.

Every test sets the day by RECONCILER_TODAY, so no result depends on today's date.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cli.harness import Project, model, stack
from tests.cli.test_tuning_job import job, write_data

SOON = {"RECONCILER_TODAY": "2027-03-01"}
"""A day within 90 days, and not within 60, before the end of gemini-3.1-flash-lite and gemini-3.5-flash."""
NEAR = {"RECONCILER_TODAY": "2027-04-01"}
"""A day within 60 days before their end."""
FAR = {"RECONCILER_TODAY": "2026-12-01"}
WARNING = (
    "TuningJob/bot stands on gemini-3.1-flash-lite, which retires not before 7 May 2027, in 67 days at the "
    "earliest (according to documents read on 28 November 2026)"
)
OFFER = "gemini-3.5-flash can be tuned instead; it retires not before 19 May 2027."


@pytest.fixture
def project(project: Project) -> Project:
    """A project with Vertex AI on the emulator, and a data file."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.environ["RECONCILER_LAG_SECONDS"] = "1"
    project.service.control("settings", {"vertex_operation_seconds": 0.05, "vertex_cancel_seconds": 0.05})
    write_data(project)
    return project


def join_lines(text: str) -> str:
    """The text without its line breaks, as a reader reads it."""
    return " ".join(text.split())


def test_validate_warns_of_a_floor_within_ninety_days(project: Project) -> None:
    """The warning has the date, the days left, the source and a replacement. A day earlier there is none."""
    project.declare(stack("s"), job())
    warned = project.run("validate", environ=SOON)
    assert f"{WARNING}" in join_lines(warned.err)
    assert OFFER in join_lines(warned.err)
    assert "1 model in 1 file: all valid.\n" in warned.out
    assert "stands on" not in project.run("validate", environ=FAR).all
    (diagnostic,) = project.run("validate", "--json", environ=SOON).json()["diagnostics"]
    assert (diagnostic["severity"], diagnostic["summary"], diagnostic["detail"]) == (
        "warning",
        WARNING,
        OFFER,
    )
    assert diagnostic["range"]["filename"] == "manifests/models.yaml"


def test_plan_warns_in_every_format_and_never_refuses(project: Project) -> None:
    """Text, Markdown and the event stream give the same warning. After the training there is none."""
    project.declare(stack("s"), job())
    assert f"Note: {WARNING}. {OFFER}" in join_lines(project.plan(environ=SOON).out)
    comment = project.plan("--format", "markdown", environ=SOON).out
    assert (
        "Note: TuningJob/bot stands on gemini-3.1-flash-lite, which retires not before 7 May 2027" in comment
    )
    records = project.plan("--json", environ=SOON).records()
    warnings = [record for record in records if record["type"] == "diagnostic"]
    assert [(warning["@level"], warning["@message"]) for warning in warnings] == [
        ("warn", f"Warning: {WARNING}. {OFFER}")
    ]
    project.apply(environ=SOON)
    assert "Note:" not in project.plan(environ=SOON).out


def test_a_saved_plan_is_bound_to_no_day(project: Project) -> None:
    """An approved plan may be applied later, even if its base model is closer to its end by then."""
    project.declare(stack("s"), job())
    project.plan("--out", "p.plan", environ=SOON)
    assert f"Note: {WARNING}" in join_lines(project.run("show", "p.plan", environ=NEAR).out)
    assert "1 trained" in project.run("apply", "p.plan", environ=NEAR).out


def test_the_stack_corrects_the_table(project: Project) -> None:
    """The Stack can set a later date or another replacement, and `tunable: false` refuses the base model."""
    said: dict[str, Any] = {"name": "gemini-3.1-flash-lite", "retires": "2027-09-30"}
    project.declare(stack("s", base_models=[said]), job())
    assert "stands on" not in project.run("validate", environ=SOON).all
    late = {"RECONCILER_TODAY": "2027-09-29"}
    said["replacement"] = "gemini-9"
    project.declare(stack("s", base_models=[said]), job())
    warned = join_lines(project.run("validate", environ=late).err)
    assert "which retires on 30 September 2027, in 1 day (according to manifests/models.yaml:" in warned
    assert "gemini-9 can be tuned instead." in warned
    project.declare(stack("s", base_models=[{"name": "gemini-3.1-flash-lite", "tunable": False}]), job())
    assert "which cannot be tuned (according to manifests/models.yaml:" in project.run("validate").err
    refused = project.plan(expect=1)
    assert (
        "TuningJob/bot: gemini-3.1-flash-lite cannot be tuned (according to manifests/models" in refused.err
    )
    assert "gemini-3.5-flash can be tuned instead" in join_lines(refused.err)


def test_the_list_of_the_stack_is_still_read(project: Project) -> None:
    """`tunable_base_models` refuses all others except those that `base_models` marks as tunable."""
    project.declare(stack("s", tunable_base_models=["gemini-3.5-flash"]), job())
    assert "Base models that are: gemini-3.5-flash" in project.plan(expect=1).err
    allowed = [{"name": "gemini-3.1-flash-lite", "tunable": True}]
    project.declare(stack("s", tunable_base_models=["gemini-3.5-flash"], base_models=allowed), job())
    assert "Plan: 1 to train." in project.plan().out


def test_drift_tells_it_sixty_days_before(project: Project) -> None:
    """Drift notes the date and the days left.

    It fails only if fail_on says so; retire_within sets how early.
    """
    project.declare(stack("s"), job())
    project.apply()
    assert project.run("drift", environ=SOON).out.endswith("No drift.\n")
    noted = project.run("drift", environ=NEAR)
    assert (
        "TuningJob/bot is tuned from a base model that retires in 36 days at the earliest (note)" in noted.out
    )
    assert "gemini-3.1-flash-lite retires not before 7 May 2027, in 36 days" in join_lines(noted.out)
    (entry,) = project.run("drift", "--json", environ=NEAR).json()["resource_drift"]
    assert {key: entry[key] for key in ("class", "retires", "or_later", "days_left")} == {
        "class": "base_retired",
        "retires": "2027-05-07",
        "or_later": True,
        "days_left": 36,
    }
    assert (
        "in 36 days at the earliest (note)" in project.run("drift", "--format", "markdown", environ=NEAR).out
    )
    early = {"retire_within": "90d"}
    project.declare(stack("s", drift=early), job())
    assert "in 67 days at the earliest (note)" in project.run("drift", environ=SOON).out
    project.declare(stack("s", drift={**early, "fail_on": ["base_retired"]}), job())
    assert "Drift: 1 base retired." in project.run("drift", environ=SOON, expect=2).out


def test_show_and_report_tell_the_date(project: Project) -> None:
    """`show` tells the date in text and JSON, and the report tells it for every model."""
    project.declare(stack("s"), job())
    project.apply()
    shown = project.run("show", "bot", environ=NEAR)
    assert "tuned from gemini-3.1-flash-lite, which retires not before 7 May 2027, in 36 days" in join_lines(
        shown.out
    )
    document = project.run("show", "bot", "--json", environ=NEAR).json()["base_model"]
    assert document | {"said": ""} == {
        "name": "gemini-3.1-flash-lite",
        "retires": "2027-05-07",
        "or_later": True,
        "days_left": 36,
        "replacement": "gemini-3.5-flash",
        "said": "",
    }
    page = project.run("report", environ=NEAR).out
    assert 'gemini-3.1-flash-lite<br><span class="wait">retires not before 7 May 2027</span>' in page


def test_bases_lists_ours_first(project: Project) -> None:
    """Declared and recorded base models come first, each on its own row. The rest of the table follows."""
    project.declare(stack("s"), job(), job("next", base_model="gemini-3.5-flash"))
    project.apply("--target", "bot")
    project.declare(stack("s"), job("next", base_model="gemini-3.5-flash"))
    told = project.run("bases", environ=NEAR).out
    lines = told.splitlines()
    assert lines[0] == "Base models on 1 April 2027, as documents read on 28 November 2026 say."
    assert [line for line in lines if line and not line.startswith(" ")][1:] == ["TuningJob", "TunedModel"]
    assert [re.split("  +", line.strip()) for line in lines[4:8]] == [
        ["gemini-3.1-flash-lite", "yes", "not before 7 May 2027", "36 days", "gemini-3.5-flash"],
        ["TuningJob/bot"],
        ["gemini-3.5-flash", "yes", "not before 19 May 2027", "48 days", "gemini-3.5-flash-lite"],
        ["TuningJob/next"],
    ]
    rows = project.run("bases", "--json", environ=NEAR).json()["base_models"]
    used = {row["name"]: row["addresses"] for row in rows if row["addresses"]}
    assert used == {"gemini-3.5-flash": ["TuningJob/next"], "gemini-3.1-flash-lite": ["TuningJob/bot"]}
    assert {row["kind"] for row in rows} == {"TuningJob", "TunedModel"}


def test_bases_needs_neither_manifests_nor_state_nor_a_service(project: Project) -> None:
    """`bases` prints the table in an empty folder. A note names each source that could not be read."""
    project.service.forget_log()
    for file in (project.root / "manifests").iterdir():
        file.unlink()
    (project.root / "manifests").rmdir()
    alone = project.run("bases")
    assert "gemini-3.5-flash-lite" in alone.out
    assert alone.err == ""
    project.declare(
        stack("s", base_models=[{"name": "mine", "retires": "2028-01-31"}]), model("x", spec={"a": 1})
    )
    broken = project.run("bases", environ={"RECONCILER_STATE": "https://127.0.0.1:9/state"})
    assert "The manifests are left out, because they are not valid" in broken.err
    assert "The state is left out, because it cannot be read" in broken.err
    assert "\n  mine                         yes   31 January 2028  428 days\n" in broken.out
    project.write("manifests/stack.yaml", "apiVersion: reconciler/v1\nkind: Stack\nspec: 7\n")
    assert "gemini-3.5-flash" in project.run("bases").out
    project.run("bases", "--state", "https://127.0.0.1:9/state", expect=1)
    project.run("bases", "nowhere", expect=1)
    assert project.service.log() == []


def test_a_day_that_is_none_is_refused(project: Project) -> None:
    """The error for an invalid RECONCILER_TODAY names the variable."""
    refused = project.run("bases", environ={"RECONCILER_TODAY": "2027-02-30"}, expect=1)
    assert "RECONCILER_TODAY=2027-02-30 is not a date" in refused.err
    records = project.run("bases", "--json", environ={"RECONCILER_TODAY": "soon"}, expect=1)
    assert "RECONCILER_TODAY" in json.loads(records.out.splitlines()[0])["@message"]
