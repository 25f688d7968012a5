"""Foreign text and files, end to end: escaped on a terminal, refused early, and never an internal error."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.cli.harness import Project, model
from tests.cli.test_cli_terminal import on_terminal
from tests.limits import repeats

ESCAPES = "\x1b]0;pwned\x07\x1b[31mred\ttab\nline"


def test_what_a_model_answers_does_not_drive_a_terminal(project: Project) -> None:
    """A terminal gets control characters as escapes, except line ends and tabs.

    A pipe gets them unchanged.
    """
    project.declare(model("one"))
    project.apply()
    reply = {"candidates": [{"content": {"parts": [{"text": ESCAPES}]}}]}
    project.service.fault({"path": ":generateContent", "status": 200, "body": reply, "times": 2})
    code, shown = on_terminal(project, "generate", "one", "x", answer=None)
    assert code == 0
    assert "\x1b]0;" not in shown
    assert "\\x1b]0;pwned\\x07\\x1b[31mred\ttab\r\nline" in shown
    assert project.run("generate", "one", "x", expect=0).out == f"{ESCAPES}\n"


def test_an_address_of_a_state_is_shown_escaped_and_quoted(project: Project) -> None:
    """A list escapes a hostile address, and a command to copy quotes it as one word."""
    project.declare(model("one"))
    project.apply()
    text = project.state_file.read_text().replace("TunedModel/one", r"TunedModel/\u001b[31m$(touch pwned)")
    project.state_file.write_text(text)
    listed = project.run("state", "list", expect=0).out
    assert listed == "TunedModel/\\x1b[31m$(touch pwned)\n"
    protected = text.replace('"prevent_destroy": false', '"prevent_destroy": true')
    project.state_file.write_text(protected)
    said = project.run("destroy", "--auto-approve", expect=1).all
    assert "state rm 'TunedModel/" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "text",
    [
        '{"format_version":' + "[" * 100_000,
        '{"format_version": "%s.1", "reconciler": {"plan_version": 1}}' % ("9" * 5000),
        '{"format_version": "1.2", "reconciler": {"plan_version": %s}}' % ("9" * 5000),
        '{"format_version": NaN}',
        '{"format_version": "1.2", "reconciler": {"plan_version": 1, "plan_version": 1}}',
    ],
    ids=["deep", "digits", "version", "NaN", "twice"],
)
def test_a_plan_file_of_nonsense_is_refused_as_that(project: Project, text: str) -> None:
    """Apply and show say that the file is not a saved plan, and print nothing else."""
    project.write("p.json", text)
    for command in (("apply", "p.json"), ("show", "./p.json"), ("show", "./p.json", "--json")):
        said = project.run(*command, expect=1).all
        assert "saved plan" in said
        assert "internal error" not in said


def test_a_file_of_a_terabyte_is_refused_by_looking(project: Project) -> None:
    """Huge plans, states and data files are refused by their size, without reading them."""
    place = project.write("huge", "")
    os.truncate(place, 1 << 40)
    assert "./huge is not a saved plan" in project.run("show", "./huge", expect=1).err
    for command in (("apply", "huge"), ("state", "push", "huge")):
        assert "huge: it is larger than 64 MB" in project.run(*command, expect=1).err


@pytest.mark.parametrize("what", ["state push", "apply --auto-approve", "validate"])
def test_a_pipe_is_not_waited_for(project: Project, what: str) -> None:
    """A FIFO that nobody writes to is refused at once, because it is not a file."""
    os.mkfifo(project.root / "pipe")
    where = "Error: pipe" if what == "state push" else "pipe: error: cannot be read"
    refused = project.run(*what.split(), "pipe", expect=1).err.splitlines()[0]
    assert refused == f"{where}: it is not a regular file (a pipe, a socket or a device)"


def test_a_pipe_that_nobody_reads_is_not_waited_for(project: Project) -> None:
    """Writing a plan or a page to a FIFO without a reader fails at once and names the path."""
    project.declare(model("one"))
    project.apply()
    os.mkfifo(project.root / "pipe")
    (project.root / "loop").symlink_to("loop")
    for command in (("plan", "--out"), ("report", "-o")):
        assert "this pipe has no reader" in project.run(*command, "pipe", expect=1).err
        assert "symbolic links" in project.run(*command, "loop", expect=1).err
    assert (project.root / "pipe").is_fifo()


@pytest.mark.parametrize("what", ["pipe", "device", "terabyte", "loop"])
def test_init_looks_at_gitignore_before_it_reads_it(project: Project, what: str) -> None:
    """If .gitignore is no regular file, `init` prints the missing lines.

    It neither waits for the file nor fills it.
    """
    place = project.root / ".gitignore"
    match what:
        case "pipe":
            os.mkfifo(place)
        case "terabyte":
            place.touch()
            os.truncate(place, 1 << 40)
        case _:
            place.symlink_to("/dev/zero" if what == "device" else ".gitignore")
    said = project.run("init", expect=1).err
    assert ".gitignore" in said
    assert "state/*.lock" in said


def test_a_file_name_is_escaped_in_a_note(project: Project) -> None:
    """The line that names a saved plan contains no raw control characters."""
    project.declare(model("one"))
    said = project.run("plan", "--out", "p\x1b[31m", expect=0).all
    assert "\x1b" not in said
    assert r"p\x1b[31m" in said


def strict(text: str) -> Any:
    """Parse JSON as a strict reader does, for which NaN is an error."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    document = json.loads(text, parse_constant=refuse)
    json.dumps(document, ensure_ascii=False).encode()
    return document


ODD = ["NaN", "9" * 400, *repeats(-5, {"a": 1}, "Infinity", "-Infinity", 1e300, True)]


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:12])
def test_figures_that_make_no_sense_end_no_command(project: Project, value: object) -> None:
    """Nonsense losses, steps, percentages and times of a model stop no command, and all JSON stays strict."""
    project.declare(model("one"))
    project.apply()
    (id, shown) = next(iter(project.service.models().items()))
    task = {**shown["tuningTask"], "completeTime": value}
    task["snapshots"] = [
        {"step": 1, "meanLoss": 2.5},
        {"step": value, "epoch": value, "meanLoss": value},
        {"step": 3, "meanLoss": 1.5},
    ]
    odd = {**shown, "createTime": value, "updateTime": value, "tuningTask": task}
    path = f"/v1beta/tunedModels/{id}"
    project.service.fault(
        {"method": "GET", "path": path, "status": 200, "body": odd, "times": 50},
        {
            "method": "GET",
            "path": "/v1beta/tunedModels",
            "status": 200,
            "body": {"tunedModels": [odd]},
            "times": 50,
        },
    )
    assert "mean loss 1.5" in project.run("show", "one", expect=0).out
    for command in (("show", "one", "--json"), ("drift", "--json"), ("show", "--json")):
        strict(project.run(*command, expect=0).out)
    for line in project.run("plan", "--json", expect=0).out.splitlines():
        strict(line)
    project.run("plan", "--out", "p", expect=0)
    strict((project.root / "p").read_text())
    project.run("report", "-o", "r.html", expect=0)
    project.run("state", "list", expect=0)
