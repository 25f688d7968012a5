"""A full life on shared state: no output and no file holds a credential or a training text."""

from __future__ import annotations

import json
import pathlib
import stat

import pytest

from tests.cli.harness import Project, Result, model
from tests.races.conftest import Opener
from tests.races.team import APPLY

TOKEN, KEY, PASSWORD = "ya29.A0secretTOKENvalue", "AIzaSySecretKeyValue", "pass-3141-word"
QUESTION, ANSWER = "zebra-question-7431", "walrus-answer-9825"
SECRETS = (TOKEN, KEY, PASSWORD)


def leaks(text: str) -> list[str]:
    """The secrets and training texts that a text contains."""
    return [secret for secret in (*SECRETS, QUESTION, ANSWER) if secret in text]


def manifest(count: int) -> dict[str, object]:
    """A manifest with recognisable training texts."""
    return model("bot", pairs=[(f"{QUESTION} {n}", f"{ANSWER} {n}") for n in range(count)])


def test_a_whole_life_with_a_password_for_the_state(project: Project, open_store: Opener) -> None:
    """No command of a whole life leaks the password, even if a refusal echoes the request."""
    store = open_store("http")
    assert store.server is not None
    store.server.login = ("ann", PASSWORD)
    project.environ |= store.environ | {"TF_HTTP_PASSWORD": PASSWORD}
    project.environ |= {"GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN, "GEMINI_API_KEY": KEY, "GOOGLE_API_KEY": KEY}
    project.service.settings(auth="any")
    said: list[Result] = []

    def run(*command: str, code: int = 0) -> None:
        said.append(project.run(*command, expect=code))

    (project.root / "manifests").rmdir()
    run("init", "--kind", "TunedModel")
    for path in (project.root / "manifests").rglob("*"):
        if path.is_file() and "kind: Stack" not in path.read_text():
            path.unlink()
    project.declare(manifest(18))
    run("plan", "--out", "saved.plan")
    run("show", "saved.plan", "--json")
    run("apply", "saved.plan", "--json")
    project.declare({**manifest(18), "permissions": [{"grantee_type": "EVERYONE", "role": "READER"}]})
    run(*APPLY)
    project.declare(manifest(20))
    echo = f"Invalid value at 'tuned_model': {QUESTION} 0 {ANSWER} 0 and Bearer {TOKEN}"
    body = {"error": {"code": 400, "message": echo, "status": "INVALID_ARGUMENT"}}
    project.service.settings(auth="none")
    project.service.fault({"method": "POST", "path": "tunedModels$", "status": 400, "body": body})
    project.service.settings(auth="any")
    run(*APPLY, code=4)
    run(*APPLY, "--json")
    run("drift", "--json")
    run("report", "-o", "report.html")
    run("show", "bot", "--json")
    run("output")
    run("state", "pull")
    store.server.login = ("ann", "another")
    run("plan", code=1)
    project.service.settings(auth="none")

    for result in said:
        assert leaks(result.all) == [], result.all
    for folder in (project.root, pathlib.Path(project.env()["HOME"])):
        for path in folder.rglob("*"):
            if path.is_file() and (project.root / "manifests") not in path.parents:
                assert leaks(path.read_text(errors="replace")) == [], path
    assert leaks(store.server.objects["state"][0].decode()) == []
    assert leaks(json.dumps(project.service.log())) == []
    assert stat.S_IMODE((project.root / "saved.plan").stat().st_mode) == 0o600


@pytest.mark.parametrize("first", ["apply", "plan"])
def test_a_reason_of_a_failure_that_repeats_the_data_is_told_without_it(project: Project, first: str) -> None:
    """A failure's reason is shown and recorded without the data in it, quoted or not, whole or cut."""
    said = (
        f"Example 3 is unfit: {QUESTION} 3, {ANSWER[:16]}…; see '{ANSWER} 4' and \"{QUESTION[:9]} that was\""
    )
    project.service.freeze()
    project.service.fault({"train": "bot.*", "fail": {"code": 3, "message": said}})
    project.declare(manifest(18))
    results = [project.run(*APPLY, "--no-wait", expect=0)]
    project.service.advance()
    looks = [
        ("plan",),
        ("plan", "--json"),
        ("plan", "--out", "p"),
        ("show", "bot"),
        ("report", "-o", "r.html"),
    ]
    if first == "apply":
        results.append(project.run(*APPLY, expect=4))
    results += [project.run(*look) for look in looks]
    results += [project.run(*APPLY, "--json", expect=4), project.run("drift", "--json")]
    results += [project.run("show", "bot", "--json"), project.run("state", "pull"), project.run("report")]
    assert any("Example 3 is unfit: [hidden]" in result.all for result in results)
    for result in results:
        assert (
            leaks(result.all) + [text for text in (ANSWER[:16], f"{QUESTION[:9]} that") if text in result.all]
            == []
        )
    for path in (project.state_file, project.root / "p", project.root / "r.html"):
        assert "Example 3 is unfit: [hidden]" in path.read_text()
        assert leaks(path.read_text()) == [], path


def test_the_command_that_goes_on_names_the_state_without_its_login(
    project: Project, open_store: Opener
) -> None:
    """The advised command leaves out the password or token of --state, because logs keep it."""
    store = open_store("http")
    assert store.server is not None
    store.server.login = ("ann", PASSWORD)
    lock = store.environ["TF_HTTP_LOCK_ADDRESS"]
    project.service.freeze()
    project.declare(manifest(18))
    url = store.url.replace("//", f"//ann:{PASSWORD}@") + f"?token={TOKEN}"
    result = project.run(
        *APPLY, "--no-wait", "--state", url, environ={"TF_HTTP_LOCK_ADDRESS": lock}, expect=0
    )
    assert f"reconciler wait --state {store.url}" in result.out
    assert leaks(result.all) == [], result.all


def test_the_emulators_file_is_its_owners(project: Project) -> None:
    """The emulator's file holds training texts, so its mode is 0600 under any umask."""
    project.declare(manifest(18))
    project.run(*APPLY, "--emulator", expect=0)
    kept = sorted(path for path in (project.root / "state").glob("emulator.sqlite3*") if path.is_file())
    assert "emulator.sqlite3" in {path.name for path in kept}
    for path in kept:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
