"""Credentials and training data are never written or shown (design 2.2, 2.3)."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.cli.harness import Project, Result, identity, model

TOKEN, KEY = "ya29.A0secretTOKENvalue", "AIzaSySecretKeyValue"
QUESTION, ANSWER, INLINE = "zebra-question-7431", "walrus-answer-9825", "inline-secret-5567"
SECRETS = (TOKEN, KEY, QUESTION, ANSWER, INLINE)
PAIRS = [(f"{INLINE} {n}", f"{INLINE} {n + 1}") for n in range(20)]


def leaks(text: str) -> list[str]:
    """The secrets that a text contains."""
    return [secret for secret in SECRETS if secret in text]


def test_nothing_that_a_full_run_writes_or_says_has_a_secret(project: Project) -> None:
    """State, plan files, streams, report, home and logs have no token, key or training text."""
    project.service.settings(auth="any")
    project.environ |= {"GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN, "GEMINI_API_KEY": KEY, "GOOGLE_API_KEY": KEY}
    lines = [{"text_input": f"{QUESTION} {n}", "output": f"{ANSWER} {n}"} for n in range(20)]
    project.write("manifests/data/d.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    project.declare(
        model("inline", pairs=PAIRS, checks=[{"prompt": "ping", "expect": "pong"}]),
        model("filed", file="data/d.jsonl", permissions=[]),
    )
    said: list[Result] = [
        project.run("validate"),
        project.plan("--out", "p"),
        project.plan("--json"),
        project.plan("--format", "markdown"),
        project.run("show", "p"),
        project.run("show", "--json", "p"),
        project.run("apply", "p", "--json"),
        project.apply(expect=None),
        project.run("wait"),
        project.run("drift", "--json"),
        project.run("show"),
        project.run("show", "filed", "--json"),
        project.run("output", "--format", "json"),
        project.run("report", "-o", "report.html"),
        project.run("state", "pull"),
        project.run("state", "show", "filed"),
        project.run("apply", "--auto-approve", "--timeout", "nonsense"),
    ]
    project.service.settings(auth="none")
    for result in said:
        found = leaks(result.all)
        # The verdict of the check may quote the model's answer, and that is the text of the inline example.
        assert [secret for secret in found if secret != INLINE] == [], result.all
    assert project.record("filed")["id"] == identity(
        "filed", [(line["text_input"], line["output"]) for line in lines]
    )
    for folder in (project.root, pathlib.Path(project.env()["HOME"])):
        for path in folder.rglob("*"):
            if path.is_file() and (project.root / "manifests") not in path.parents:
                assert leaks(path.read_text(errors="replace")) == [], path
    assert leaks(json.dumps(project.service.log())) == []


def test_errors_do_not_quote_training_data(project: Project) -> None:
    """The error about a broken data file names the line and does not quote it."""
    project.write("manifests/d.jsonl", json.dumps({"text_input": QUESTION, "output": ANSWER}) + "\n{broken\n")
    project.declare(model("one", file="d.jsonl"))
    result = project.run("validate", expect=1)
    assert "d.jsonl:2" in result.err
    assert leaks(result.all) == []


def test_a_refused_create_does_not_quote_training_data(project: Project) -> None:
    """The error shows the service's refusal, and not the request body."""
    body = {"error": {"code": 400, "message": "Unfit.", "status": "INVALID_ARGUMENT"}}
    project.service.fault({"method": "POST", "path": "tunedModels", "status": 400, "body": body})
    project.declare(model("one", pairs=PAIRS))
    result = project.apply(expect=4)
    assert "Unfit." in result.err
    assert leaks(result.all) == []


def test_debugging_does_not_print_credentials(project: Project) -> None:
    """Debug output of a failing connection has no credential."""
    environ = {"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9", "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}
    project.declare(model("one"))
    for command in (("apply", "--auto-approve"), ("plan", "--json")):
        result = project.run(
            *command, environ={**environ, "RECONCILER_DEBUG": "1", "RECONCILER_RETRY_SECONDS": "1"}, expect=1
        )
        assert leaks(result.all) == []


@pytest.mark.parametrize(
    "umask", [0o027, *(pytest.param(umask, marks=pytest.mark.thorough) for umask in (0o022, 0o002, 0o077))]
)
def test_a_state_follows_the_umask_and_a_plan_is_private(project: Project, umask: int) -> None:
    """A new state has the mode that the umask gives. A saved plan is readable by its owner only."""
    project.declare(model("one"))
    for command in (("apply", "--auto-approve"), ("plan", "--out", "p")):
        with project.start(*command, umask=umask) as process:
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, out + err
    states = [path for path in (project.root / "state").iterdir() if path.suffix == ".json"]
    assert [path.stat().st_mode & 0o777 for path in states] == [0o666 & ~umask]
    assert (project.root / "state").stat().st_mode & 0o777 == 0o777 & ~umask
    assert (project.root / "p").stat().st_mode & 0o777 == 0o600
