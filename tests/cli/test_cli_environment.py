"""Environment, precedence, credentials, --emulator (design 2.2)."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.harness import ROOT, Project, Service, forward, identity, model, recording, stack
from tests.limits import repeats

TOKEN, KEY, OTHER_KEY = "ya29.the-access-token", "AIza-the-first-key", "AIza-the-second-key"
HEADERS = ("authorization", "x-goog-api-key")


@contextlib.contextmanager
def seen_by(service: Service) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Start a server between command and emulator that records headers."""
    with recording(forward(service)) as (url, seen):
        yield url, seen


def credentials(seen: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Every credential header that arrived."""
    return {
        (name, request["headers"][name]) for request in seen for name in HEADERS if name in request["headers"]
    }


@pytest.mark.parametrize(
    ("environ", "sent", "kind"),
    [
        ({}, set(), "no credential"),
        ({"GEMINI_API_KEY": KEY}, {("x-goog-api-key", KEY)}, "API key"),
        ({"GOOGLE_API_KEY": KEY}, {("x-goog-api-key", KEY)}, "API key"),
        ({"GEMINI_API_KEY": KEY, "GOOGLE_API_KEY": OTHER_KEY}, {("x-goog-api-key", KEY)}, "API key"),
        ({"GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}, {("authorization", f"Bearer {TOKEN}")}, "access token"),
        (
            {"GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN, "GEMINI_API_KEY": KEY},
            {("authorization", f"Bearer {TOKEN}")},
            "access token",
        ),
    ],
)
def test_the_first_credential_found_is_sent(
    project: Project, environ: dict[str, str], sent: set[tuple[str, str]], kind: str
) -> None:
    """The order is token, GEMINI_API_KEY, GOOGLE_API_KEY. The first line names the kind, never the value."""
    project.declare(model("one"))
    with seen_by(project.service) as (url, seen):
        first = project.plan(environ={"GOOGLE_GEMINI_BASE_URL": url, **environ}).out.splitlines()[0]
    assert credentials(seen) == sent
    assert kind.lower() in first.lower()
    assert not any(secret in first for secret in (TOKEN, KEY, OTHER_KEY))
    assert not any(secret in request["path"] for request in seen for secret in (TOKEN, KEY))


def test_permissions_skip_api_keys(project: Project) -> None:
    """Requests about permissions carry no API key."""
    grant = {"grantee_type": "EVERYONE", "role": "READER"}
    project.declare(model("one", permissions=[grant]))
    with seen_by(project.service) as (url, seen):
        project.apply(environ={"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": KEY})
    asked = [request for request in seen if "/permissions" in request["path"]]
    path = f"/v1beta/tunedModels/{identity('one')}/permissions"
    assert [(request["method"], request["path"].partition("?")[0]) for request in asked] == [
        ("GET", path),
        ("POST", path),
    ]
    assert credentials(asked) == set()
    assert credentials(seen) == {("x-goog-api-key", KEY)}


def test_the_quota_project_is_sent(project: Project) -> None:
    """GOOGLE_CLOUD_QUOTA_PROJECT is sent as x-goog-user-project beside a token."""
    project.declare(model("one"))
    environ = {"GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN, "GOOGLE_CLOUD_QUOTA_PROJECT": "billing"}
    with seen_by(project.service) as (url, seen):
        project.plan(environ={"GOOGLE_GEMINI_BASE_URL": url, **environ})
    assert {request["headers"].get("x-goog-user-project") for request in seen} == {"billing"}


@pytest.mark.parametrize("secret", [{"GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}, {"GEMINI_API_KEY": KEY}])
@pytest.mark.parametrize(
    "host", ["192.0.2.1", "models.example.com", "127.0.0.1.example.com", "localhost.example.com"]
)
def test_no_credential_over_plain_http_elsewhere(project: Project, secret: dict[str, str], host: str) -> None:
    """A plain-http address other than loopback gets no request at all and exits 1, through a proxy too."""
    project.declare(model("one"))
    with recording(lambda *_: (200, {}, b"{}")) as (proxy, seen):
        environ = {"GOOGLE_GEMINI_BASE_URL": f"http://{host}", "http_proxy": proxy, **secret}
        refused = project.apply(environ=environ, expect=1).err
        assert f" must not be sent to http://{host}: plain http is not encrypted" in refused
    assert seen == []


@pytest.mark.parametrize("secret", [{"GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}, {"GEMINI_API_KEY": KEY}])
@pytest.mark.parametrize("status", [302, *repeats(301, 307, 308)])
def test_no_credential_along_a_redirect(project: Project, secret: dict[str, str], status: int) -> None:
    """A redirect to another address gets no credential."""
    project.declare(model("one"))
    with (
        recording(lambda *_: (200, {}, b"{}")) as (other, seen),
        recording(lambda _m, path, _b: (status, {"Location": other + path}, b"")) as (url, _),
    ):
        project.run("plan", environ={"GOOGLE_GEMINI_BASE_URL": url, **secret})
    assert credentials(seen) == set()


def test_without_credentials_google_is_not_asked(project: Project) -> None:
    """Without a credential, a command for Google exits 1, says what to set, and sends nothing."""
    project.declare(model("one"))
    result = project.plan(environ={"GOOGLE_GEMINI_BASE_URL": None, "NO_GCE_CHECK": "true"}, expect=1)
    assert "GEMINI_API_KEY" in result.err
    assert "GOOGLE_OAUTH_ACCESS_TOKEN" in result.err


def test_a_refused_credential_is_1_and_says_so(project: Project) -> None:
    """A 401 before anything was begun exits 1, and the credential's value is not printed."""
    project.service.settings(auth="bearer")
    project.declare(model("one"))
    result = project.apply(expect=1, environ={"GEMINI_API_KEY": KEY})
    assert "(401 CREDENTIALS_MISSING): API keys are not supported by this API." in result.err
    assert KEY not in result.all


def test_the_stacks_endpoint_wins_over_the_variable(project: Project) -> None:
    """The Stack's endpoint takes precedence over the GOOGLE_* variable."""
    project.declare(stack("s", endpoint=project.service.url), model("one"))
    project.plan(environ={"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"})
    project.declare(stack("s", endpoint="http://127.0.0.1:9"), model("one"))
    assert "at 127.0.0.1:9: the connection was refused" in project.plan(expect=1).err


def test_the_stacks_project_wins_over_the_variable(project: Project) -> None:
    """The Stack's project takes precedence over GOOGLE_CLOUD_PROJECT, and the first line names it."""
    project.declare(stack("s", project="of-stack"), model("one"))
    first = project.plan(environ={"GOOGLE_CLOUD_PROJECT": "of-variable"}).out.splitlines()[0]
    assert "of-stack" in first
    assert project.service.url in first
    project.declare(model("one"))
    assert "of-variable" in project.plan(environ={"GOOGLE_CLOUD_PROJECT": "of-variable"}).out.splitlines()[0]


def test_variables_in_their_order(project: Project) -> None:
    """--var wins over --var-file, then RECONCILER_VAR_name, then Stack.variables."""
    project.declare(stack("s", variables={"who": "stack"}), model("one", spec={"description": "${var.who}"}))
    project.write("vars.yaml", "who: file\n")

    def said(*arguments: str, **environ: str) -> str:
        out = project.plan(*arguments, environ=environ).out
        return next(line.split('"')[1] for line in out.splitlines() if "description" in line)

    assert said() == "stack"
    assert said(RECONCILER_VAR_who="environment") == "environment"
    assert said("--var-file", "vars.yaml", RECONCILER_VAR_who="environment") == "file"
    assert said("--var", "who=flag", RECONCILER_VAR_who="environment") == "flag"
    assert said("--var-file", "vars.yaml", "--var", "who=flag") == "flag"


def test_an_unset_variable_is_an_error(project: Project) -> None:
    """The error names the file, the line and the variable."""
    project.write(
        "manifests/m.yaml",
        """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: one}
spec:
  description: ${var.nobody}
  base_model: models/gemini-1.0-pro-001
  tuning_task: {training_data: {examples: {examples: [{text_input: a, output: b}]}}}
""",
    )
    err = project.run("validate", expect=1).err
    assert "manifests/m.yaml:5" in err
    assert "manifests/m.yaml:5:16: error: the variable 'nobody' is not defined\n" in err


@pytest.fixture
def emulated(project: Project) -> Project:
    """A project whose embedded emulator trains quickly, and whose environment points somewhere else."""
    process = project.start(
        "emulator", "--port", "0", "--data", "state/emulator.sqlite3", "--training-seconds", "0.2"
    )
    with process:
        assert process.stdout is not None
        assert "127.0.0.1" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    project.environ = {
        "RECONCILER_STATE": "elsewhere",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
        "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:9",
        "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN,
        "GEMINI_API_KEY": KEY,
    }
    return project


def test_emulator_ignores_the_environment_and_the_stack(emulated: Project) -> None:
    """--emulator uses state/emulator.json and .sqlite3, whatever state, URL and credential are set."""
    emulated.declare(stack("s", state="of-stack", endpoint="http://127.0.0.1:9"), model("one"))
    result = emulated.apply("--emulator")
    assert result.out.splitlines()[0] == "emulator inside this command, no project, stack s"
    assert sorted(path.name for path in (emulated.root / "state").iterdir() if ".lock" not in path.name) == [
        "emulator.json",
        "emulator.sqlite3",
    ]
    assert not (emulated.root / "elsewhere").exists()
    assert not (emulated.root / "of-stack").exists()
    for command in (
        ("plan", "--detailed-exitcode"),
        ("drift",),
        ("output",),
        ("generate", "one", "1"),
        ("show", "one"),
        ("state", "list"),
        ("wait",),
        ("test",),
    ):
        emulated.run(*command, "--emulator", expect=0)


def test_emulator_with_state_on_the_command_line(emulated: Project) -> None:
    """--emulator keeps its state in the folder that --state names."""
    emulated.declare(model("one"))
    emulated.apply("--emulator", "--state", "mine")
    assert (emulated.root / "mine/default.json").exists()
    assert not (emulated.root / "state/emulator.json").exists()


def test_a_plan_saved_under_the_emulator_option_is_applied_under_it(emulated: Project) -> None:
    """The embedded emulator's port changes with each run, and the plan still fits."""
    emulated.declare(model("one"))
    emulated.plan("--emulator", "--out", "p")
    emulated.run("apply", "p", "--emulator", expect=0)
    assert identity("one") in emulated.run("output", "--emulator", expect=0).out


def test_a_google_state_is_refused_under_the_emulator_option(emulated: Project) -> None:
    """--emulator refuses a Google state, so that the flag cannot make the state forget real models."""
    emulated.declare(model("one"))
    emulated.apply("--emulator", "--state", "mine")
    path = emulated.root / "mine/default.json"
    path.write_text(path.read_text().replace('"service": "emulator"', '"service": "google"'))
    before = path.read_bytes()
    for command in (("apply", "--auto-approve"), ("destroy", "--auto-approve"), ("plan",), ("drift",)):
        emulated.run(*command, "--emulator", "--state", "mine", expect=1)
    assert path.read_bytes() == before


def test_an_emulators_state_is_refused_at_google(emulated: Project) -> None:
    """Google's endpoint refuses an emulator's state, because its models do not exist there."""
    emulated.declare(model("one"))
    emulated.apply("--emulator", "--state", "mine")
    before = (emulated.root / "mine/default.json").read_bytes()
    result = emulated.run(
        "destroy",
        "--auto-approve",
        "--state",
        "mine",
        expect=1,
        environ={"GOOGLE_GEMINI_BASE_URL": "https://192.0.2.1"},
    )
    assert "the state records models at an emulator, but this command talks to Google\n" in result.err
    assert (emulated.root / "mine/default.json").read_bytes() == before


def test_the_emulators_files_are_ignored_by_git() -> None:
    """Git ignores both files of the emulator, and what is remembered of data, so they are never committed."""
    files = ["state/emulator.json", "state/emulator.sqlite3", "state/data-cache.json"]
    done = subprocess.run(
        ["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 128:
        # This is no git work tree, for example an unpacked archive.
        ignored = (ROOT / ".gitignore").read_text()
        assert all(f"/{name}" in ignored for name in files)
    else:
        assert done.stdout.split() == files


def test_the_emulator_survives_kill_9(project: Project) -> None:
    """Everything that `emulator --data FILE` acknowledged is there after SIGKILL, on the same port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    arguments = ("emulator", "--port", port, "--data", "models.sqlite3", "--training-seconds", "0")
    url = f"http://127.0.0.1:{port}"
    project.declare(model("one"))
    for round in range(2):
        process = project.start(*arguments)
        assert process.stdout is not None
        assert url in process.stdout.readline()
        project.apply(environ={"GOOGLE_GEMINI_BASE_URL": url})
        assert list(Service(url).models()) == [identity("one")]
        assert Service(url).creates() == 1, round
        process.kill()
        process.communicate()


def test_the_lock_lease_is_read_from_the_environment(project: Project) -> None:
    """RECONCILER_LOCK_LEASE accepts a duration. Any other value is refused by name, before any request."""
    project.declare(model("one"))
    environ = {"RECONCILER_LOCK_LEASE": "soon", "RECONCILER_STATE": "gs://bucket/prefix"}
    assert "RECONCILER_LOCK_LEASE" in project.apply(environ=environ, expect=1).err
