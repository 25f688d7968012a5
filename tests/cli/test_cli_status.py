"""`status`: the condition of every model, once and again and again (design 2.8)."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest

from tests.cli.harness import PAIRS, Project, finish, identity, model, until
from tests.cli.test_cli_deadline import LIST, hanging
from tests.cli.test_cli_terminal import on_terminal
from tests.lifecycle.crash_proxy import BEFORE


@pytest.fixture
def training(project: Project) -> Project:
    """A project with one model in training, at a service whose clock stands still."""
    project.declare(model("one"))
    project.service.freeze()
    project.apply("--no-wait")
    return project


def read_line(process: subprocess.Popen[str]) -> str:
    """Read a line of standard output."""
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_life(project: Project) -> None:
    """In each stage of its life a model has a condition, and a command that continues is named."""
    project.declare(model("one"))
    first = project.run("status", expect=0)
    assert first.out == ("address         condition\nTunedModel/one  not trained yet\n\n1 not trained yet.\n")
    assert first.err == "To train what is not trained yet: reconciler apply\n"
    assert not project.state_file.exists()
    project.service.freeze()
    project.apply("--no-wait")
    assert re.search(r"^TunedModel/one  training +0% ", project.run("status", expect=0).out, re.MULTILINE)
    project.service.advance()
    trained = project.run("status", expect=0)
    assert "TunedModel/one  trained, not promoted" in trained.out
    assert trained.err == "To promote what is trained: reconciler wait\n"
    project.run("wait", expect=0)
    serving = project.run("status", expect=0)
    assert re.search(
        rf"^TunedModel/one  serving .* tunedModels/{identity('one')}$", serving.out, re.MULTILINE
    )
    assert serving.err == ""


def test_json_is_one_document(training: Project) -> None:
    """A script reads conditions, percentages and endpoints. The endpoint is what `output` prints."""
    document = training.run("status", "--json", expect=0).json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", document["created"])
    (found,) = document["models"]
    assert (found["address"], found["condition"], found["percent"]) == ("TunedModel/one", "training", 0)
    assert found["examples"] == len(PAIRS)
    assert "endpoint" not in found
    training.service.advance()
    training.run("wait", expect=0)
    (found,) = training.run("status", "--json", expect=0).json()["models"]
    assert (found["condition"], found["endpoint"]) == ("serving", training.run("output", "one").out.strip())


def test_it_asks_for_one_list_and_polls_each_training_once(project: Project) -> None:
    """Permissions, base models and models that serve are not asked for, and the state is not written."""
    grants = [{"grantee_type": "GROUP", "email_address": "ml@example.com", "role": "READER"}]
    settled = [model(f"old{number}", permissions=grants) for number in range(3)]
    project.declare(*settled)
    project.apply()
    project.service.freeze()
    project.declare(*settled, *(model(f"new{number}", pairs=PAIRS[number:]) for number in range(4)))
    project.apply("--no-wait")
    before = project.state_file.read_bytes()
    project.service.forget_log()
    project.run("status", expect=0)
    lists = [path for method, path in project.service.sent() if path == "/v1beta/tunedModels"]
    polls = [path for method, path in project.service.sent() if path.startswith("/v1/tunedModels/new")]
    assert (len(lists), len(set(polls)), len(project.service.log())) == (1, 4, 5)
    assert project.state_file.read_bytes() == before


def test_a_selection_is_that_of_other_commands(project: Project) -> None:
    """An address, --target, --exclude and a file as PATH select. What matches nothing is an error."""
    project.declare(model("one"))
    project.declare(model("two"), file="manifests/two.yaml")

    def shown(*arguments: str) -> list[str]:
        document = project.run("status", "--json", *arguments, expect=0).json()
        return [found["address"].partition("/")[2] for found in document["models"]]

    assert shown() == ["one", "two"]
    assert shown("--target", "o*") == ["one"]
    assert shown("--exclude", "one") == ["two"]
    assert shown("manifests/two.yaml") == ["two"]
    assert shown("one") == shown("TunedModel/one") == ["one"]
    assert shown("*o", "manifests") == ["two"]
    assert shown("one", "two", "manifests") == ["one", "two"]
    for arguments in (("--target", "three"), ("three",)):
        assert "nothing is called three" in project.run("status", *arguments, expect=1).err


def test_without_a_model_it_says_so(project: Project) -> None:
    """Neither a manifest nor a record is an error for a command that only looks."""
    result = project.run("status", "--watch", expect=0)
    assert result.out == "No model is declared or recorded.\n"


def test_a_watch_ends_when_nothing_is_in_training(training: Project) -> None:
    """A pipe gets a table when something has changed, and not at each look."""
    with training.start("status", "-w") as process:
        assert read_line(process).startswith("address ")
        assert read_line(process).startswith("TunedModel/one  training")
        assert [read_line(process), read_line(process)] == ["\n", "1 training.\n"]
        looks = len(training.service.log())
        until(lambda: len(training.service.log()) >= looks + 4)
        training.service.advance()
        result = finish(process)
    assert result.code == 0, result.all
    blank, _, row, *_ = result.out.split("\n")
    assert blank == ""
    assert row.startswith("TunedModel/one  trained, not promoted")
    assert result.err == "To promote what is trained: reconciler wait\n"


def test_a_watch_with_json_prints_a_document_a_line(training: Project) -> None:
    """A program can follow the watch."""
    with training.start("status", "-w", "--json") as process:
        first = json.loads(read_line(process))
        training.service.advance()
        result = finish(process)
    assert result.code == 0, result.all
    last = json.loads(result.out.splitlines()[-1])
    assert [document["models"][0]["condition"] for document in (first, last)] == [
        "training",
        "trained, not promoted",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_watch(training: Project, number: int) -> None:
    """The watch exits 3, because the model is still in training. It names the command that waits."""
    with training.start("status", "-w") as process:
        read_line(process)
        result = finish(process, number)
    assert (result.code, result.err) == (3, "Still in training. To wait for the end: reconciler wait\n")


def test_the_time_of_a_watch_can_be_limited(training: Project) -> None:
    """--timeout ends the watch with 3 while a model is in training, even if a look hangs."""
    document, warning = training.run("status", "-w", "--json", "--timeout", "0.5s", expect=3).records()
    assert document["models"][0]["condition"] == "training"
    assert warning["diagnostic"]["summary"] == "Still in training. To wait for the end: reconciler wait"
    with hanging(training, LIST, BEFORE, 2):
        result = training.run("status", "-w", "--timeout", "1s")
    assert result.code == 3, result.all
    assert result.out.count("1 training.") == 1
    with hanging(training, LIST, BEFORE):
        result = training.run("status", "-w", "--timeout", "1s")
    assert result.code == 1
    assert "the time was up" in result.err


def test_a_watch_survives_a_failed_look(training: Project) -> None:
    """A service that fails for a moment does not end the watch."""
    with training.start("status", "-w") as process:
        read_line(process)
        training.service.fault({"method": "GET", "path": "/tunedModels", "status": 403})
        until(lambda: any(request["fault"] for request in training.service.log()))
        training.service.advance()
        assert finish(process).code == 0


@pytest.mark.early
def test_a_terminal_shows_one_table_that_is_redrawn(project: Project) -> None:
    """Each table is erased before the next one. The last one stays, with the command that continues."""
    project.declare(model("one"))
    project.service.settings(training_seconds=3)
    project.apply("--no-wait")
    code, text = on_terminal(project, "status", "--watch", answer=None)
    assert code == 0, text
    shown, _, last = text.rpartition("\x1b[2K")
    assert len(re.findall("TunedModel/one", shown)) > 1
    assert re.search(r"training.*\d+%", shown)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).split("\r\n")
    assert lines[0].split()[:2] == ["address", "condition"]
    assert lines[1].startswith("TunedModel/one  trained, not promoted")
    assert lines[2:5] == ["", "1 trained, not promoted.", "To promote what is trained: reconciler wait"]


def test_an_address_wins_over_a_path_of_its_name(project: Project) -> None:
    """A recorded address does, and a declared one. `./NAME` is the path, and so is any other name of one."""
    project.declare(model("one"))
    project.apply()
    project.declare(model("one"), model("two"))
    for name in ("one", "two", "free"):
        project.declare(model("other"), file=f"{name}/other.yaml")

    def list_shown(word: str) -> list[str]:
        shown = project.run("status", word, "--json", expect=0).json()["models"]
        return [found["address"] for found in shown]

    whole = ["TunedModel/one", "TunedModel/other"]  # what the folder declares, and what is recorded
    assert list_shown("one") == ["TunedModel/one"]
    assert list_shown("two") == ["TunedModel/two"]
    assert list_shown("./one") == list_shown("two/") == list_shown("free") == whole


def test_no_color_prints_no_colour_on_a_terminal(training: Project) -> None:
    """NO_COLOR is honoured. Otherwise a condition is coloured."""
    _, text = on_terminal(training, "status", answer=None)
    assert "\x1b[33mtraining" in text
    _, text = on_terminal(training, "status", answer=None, NO_COLOR="1")
    assert "\x1b" not in text
