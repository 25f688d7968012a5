"""Starting the emulator, inside a command or as a server: the error says what is missing or in the way."""

from __future__ import annotations

import os
import signal

import pytest
import requests

from reconciler.emulator.server import run_emulator
from tests.cli.harness import ROOT, Project, model
from tests.limits import repeats

INSIDE, SERVER = ("plan", "--emulator"), ("emulator", "--port", "0", "--data", "state/emulator.sqlite3")


@pytest.mark.parametrize("command", [INSIDE, SERVER], ids=["inside", "server"])
@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'h11'\", name='h11')",
            "Python package h11 is not installed",
        ),
        *repeats(
            ("from click import nothing_there", "cannot import name 'nothing_there' from 'click'"),
            ("import click.nothing_there", "No module named 'click.nothing_there'"),
        ),
    ],
    ids=["missing", "another version", "another layout"],
)
def test_packages(project: Project, command: tuple[str, ...], broken: str, says: str) -> None:
    """Only an absent package is called missing. Any other import error is shown unchanged."""
    project.declare(model("one"))
    shadow = project.write("shadow/uvicorn/__init__.py", broken + "\n").parents[1]
    result = project.run(
        *command, expect=1, environ={"PYTHONPATH": os.pathsep.join((str(shadow), str(ROOT)))}
    )
    assert says in result.err
    assert ("is not installed" in result.err) is ("is not installed" in says)
    assert "Reinstall reconciler with its dependencies: run pip install . in its source folder." in result.err
    assert not (project.root / "state").exists()


@pytest.mark.parametrize("command", [INSIDE, SERVER], ids=["inside", "server"])
def test_a_file_that_is_not_the_emulators(project: Project, command: tuple[str, ...]) -> None:
    """A data file of another program is named in the error and left unchanged."""
    project.declare(model("one"))
    file = project.write("state/emulator.sqlite3", "somebody's notes, and no database at all\n" * 20)
    before = file.read_bytes()
    assert "state/emulator.sqlite3" in project.run(*command, expect=1).err
    assert file.read_bytes() == before


def test_no_folder_for_the_data(project: Project) -> None:
    """A file in place of the state's folder is an error that names it."""
    project.declare(model("one"))
    project.write("state", "")
    assert "state/emulator.sqlite3: File exists" in project.run(*INSIDE, expect=1).err


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan"])
def test_how_long_a_training_takes_is_a_number(project: Project, seconds: str) -> None:
    """An invalid RECONCILER_EMULATOR_SECONDS is refused by name before anything starts."""
    project.declare(model("one"))
    refused = project.run(*INSIDE, expect=1, environ={"RECONCILER_EMULATOR_SECONDS": seconds})
    assert f"RECONCILER_EMULATOR_SECONDS={seconds} is not" in refused.err
    assert not (project.root / "state").exists()


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan", "inf", "1e12"])
def test_the_server_refuses_what_is_no_time(project: Project, seconds: str) -> None:
    """--training-seconds is refused by name if it is no number or more than the clock can handle."""
    refused = project.run("emulator", "--port", "0", "--training-seconds", seconds, expect=1)
    assert "--training-seconds" in refused.err
    assert "internal error" not in refused.err


@pytest.mark.parametrize(
    "days", ["2027-05-19", "gemini-3.5-flash", "gemini-3.5-flash=May 19", "a=2027-02-30", "a=1969-12-31"]
)
def test_the_day_of_a_base_model_is_a_day(project: Project, days: str) -> None:
    """An invalid RECONCILER_EMULATOR_RETIRES is refused by name, with an example, before anything starts."""
    project.declare(model("one"))
    refused = project.run(*INSIDE, expect=1, environ={"RECONCILER_EMULATOR_RETIRES": f"b=2027-01-01,{days}"})
    assert f"RECONCILER_EMULATOR_RETIRES=b=2027-01-01,{days} is not a list of days by model" in refused.err
    assert "gemini-3.5-flash=2027-05-19" in refused.err
    assert not (project.root / "state").exists()


def test_the_days_of_base_models_are_set_for_each_api(project: Project) -> None:
    """Each API's retirement days can be added or removed, and stay in the emulator's file."""
    project.declare(model("one"))
    days = "gemini-3.5-flash=2027-05-19, models/gemini-2.5-pro=2026-12-01, gemini-2.5-pro="
    environ = {"RECONCILER_EMULATOR_RETIRES": days, "RECONCILER_EMULATOR_SECONDS": "0.5"}
    project.run(*INSIDE, expect=0, environ=environ)
    with run_emulator(data=project.root / "state/emulator.sqlite3") as emulator:
        shown = requests.get(f"{emulator.url}/emulator/settings", timeout=5).json()
    assert shown["training_seconds"] == 0.5
    assert shown["retires"]["models/gemini-2.5-pro"] == "2026-12-01"
    assert shown["retires"]["models/gemini-3.5-flash"] == "2026-10-08"
    assert shown["vertex_retires"]["gemini-3.5-flash"] == "2027-05-19"
    assert shown["vertex_retires"]["gemini-2.5-flash"] == "2026-10-20"
    assert "gemini-2.5-pro" not in shown["vertex_retires"]


def test_every_setting_of_the_emulator_can_be_set_inside(project: Project) -> None:
    """RECONCILER_EMULATOR_SETTINGS takes what its control plane takes, and the settings stay in its file."""
    project.declare(model("one"))
    settings = '{"vertex_deploy_seconds": 2, "vertex_copy_grants": [], "vertex_retires": {"a": "2027-01-01"}}'
    environ = {
        "RECONCILER_EMULATOR_SETTINGS": settings,
        "RECONCILER_EMULATOR_SECONDS": "0.5",
        "RECONCILER_EMULATOR_RETIRES": "b=2027-02-02",
    }
    project.run(*INSIDE, expect=0, environ=environ)
    with run_emulator(data=project.root / "state/emulator.sqlite3") as emulator:
        shown = requests.get(f"{emulator.url}/emulator/settings", timeout=5).json()
    assert (shown["vertex_deploy_seconds"], shown["vertex_copy_grants"]) == (2, [])
    assert (shown["vertex_retires"]["a"], shown["vertex_retires"]["b"]) == ("2027-01-01", "2027-02-02")
    assert shown["training_seconds"] == 0.5


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("fast", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ('{"colour": 1}', "No such setting: colour."),
        ('{"vertex_deploy_seconds": -1}', "vertex_deploy_seconds must be a number of seconds, 0 or more."),
        ('{"vertex_retires": 7}', "vertex_retires must be an object of days by model"),
    ],
)
def test_a_wrong_setting_of_the_emulator_is_refused(project: Project, settings: str, told: str) -> None:
    """It is refused by the variable's name, with the reason."""
    project.declare(model("one"))
    refused = project.run(*INSIDE, expect=1, environ={"RECONCILER_EMULATOR_SETTINGS": settings})
    assert "RECONCILER_EMULATOR_SETTINGS" in refused.err
    assert told in refused.err


def test_a_retired_base_is_refused_inside(project: Project) -> None:
    """The embedded emulator trains no model on a base that RECONCILER_EMULATOR_RETIRES has retired."""
    project.declare(model("one"))
    environ = {"RECONCILER_EMULATOR_RETIRES": "models/gemini-1.0-pro-001=2026-01-01"}
    refused = project.run(*INSIDE, expect=1, environ=environ)
    assert "gemini-1.0-pro-001" in refused.err + refused.out


def test_the_server_says_how_to_use_both_apis(project: Project) -> None:
    """The printed line can be pasted into a shell."""
    with project.start("emulator", "--port", "0") as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        export = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert export.endswith(f"export GOOGLE_GEMINI_BASE_URL={url} GOOGLE_VERTEX_BASE_URL={url}\n")
    assert process.returncode == 0


def test_the_state_too_is_kept_in_the_emulator(project: Project) -> None:
    """With STORAGE_EMULATOR_HOST the emulator keeps a gs:// state, so a team can try it on one machine."""
    project.declare(model("one"))
    there = {"RECONCILER_STATE": "gs://team-state/models", "STORAGE_EMULATOR_HOST": project.service.url}
    project.run("apply", "--auto-approve", expect=0, environ=there)
    assert "TunedModel/one" in project.run("state", "list", expect=0, environ=there).out
    assert "No changes." in project.run("plan", expect=0, environ=there).out
    assert not (project.root / "state").exists()
    kept = project.service.call("GET", "storage/v1/b/team-state/o")["items"]
    assert sorted(object["name"] for object in kept) == ["models/default.json", "models/default.lock"]


@pytest.mark.parametrize("host", ["a\x1b[31m\u2066", "a..b", "x" * 300, "\udcff"])
def test_a_host_that_is_none_is_refused(project: Project, host: str) -> None:
    """An invalid host name is an error of the option, and its control characters are escaped."""
    result = project.run("emulator", "--port", "0", "--host", host, expect=1)
    assert "cannot listen on" in result.err
    assert "\x1b" not in result.err
