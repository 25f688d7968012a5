"""The emulator's own side: clock, log, settings, the data file, and how it starts and stops."""

import contextlib
import os
import pathlib
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from reconciler.emulator import Settings, host_guard
from reconciler.emulator.server import run_emulator
from tests.emulator.conftest import Api, body

REPOSITORY = pathlib.Path(__file__).parents[2]
SERVE = """
import sys
from reconciler.emulator import Settings, host_guard
from reconciler.emulator.server import serve
serve(host="127.0.0.1", port=0, data=sys.argv[1], changes={},
      ready=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


def test_it_says_what_it_is(api: Api) -> None:
    """The front page has a version, the settings, and a sentence saying that nothing is trained."""
    about = api.ok("GET", "emulator")
    assert about["version"]
    assert about["settings"]["training_seconds"] == 10
    assert "trains nothing" in about["notice"]


def test_the_clock_runs_and_jumps(start: Callable[..., Api]) -> None:
    """By default time passes as usual. An advance adds to it, and the clock runs on from there."""
    api = start(frozen=False, training_seconds=0.2)
    name = api.create("m")["name"]
    deadline = time.monotonic() + 5
    while "done" not in api.ok("GET", f"v1/{name}") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert api.ok("GET", "v1beta/tunedModels/m")["state"] == "ACTIVE"
    before = api.ok("GET", "emulator/clock")["now"]
    api.advance(24 * 3600)
    after = api.ok("GET", "emulator/clock")
    assert after["now"][:10] > before[:10]
    assert api.ok("GET", "emulator/clock")["now"] > after["now"]


def test_a_frozen_clock_stands(api: Api) -> None:
    """A frozen clock moves only by advances. When it is thawed, it runs on from there."""
    now = api.ok("GET", "emulator/clock")["now"]
    assert api.ok("GET", "emulator/clock") == {"now": now, "frozen": True}
    api.advance(0.5)
    later = api.ok("GET", "emulator/clock")["now"]
    assert later > now
    thawed = api.control("clock", {"frozen": False})["now"]
    assert later <= thawed < api.ok("GET", "emulator/clock")["now"]


@pytest.mark.parametrize("change", [{}, {"advance": -1}, {"advance": "1"}, {"frozen": 1}, {"x": 1}])
def test_bad_clock_changes_are_refused(api: Api, change: object) -> None:
    """Time does not go back, and a clock has no other keys."""
    assert api.refused("POST", "emulator/clock", json=change)[0] == 400


def test_the_log_has_what_happened_and_no_secrets(start: Callable[..., Api]) -> None:
    """Requests are logged in order with their effect, without credentials and training text."""
    api = start(auth="any")
    ann = {"Authorization": "Bearer hush-token"}
    query = {"tunedModelId": "m"}
    api.call("POST", "v1beta/tunedModels", headers=ann, params=query, json=body(pairs=[("hush", "x")]))
    api.call("GET", "v1beta/tunedModels", params={"key": "hush-key", "pageSize": "3"})
    api.call("GET", "v1beta/tunedModels/none", headers=ann)
    api.call("GET", "v1beta/tunedModels")
    log = api.ok("GET", "emulator/requests")
    assert log["count"] == 4
    first, second, third, fourth = log["requests"]
    assert (first["method"], first["path"], first["status"]) == ("POST", "/v1beta/tunedModels", 200)
    assert [entry["effect"] for entry in log["requests"]] == [True, False, False, False]
    kinds = [entry["credential"] for entry in log["requests"]]
    assert kinds == ["bearer", "key", "bearer", "none"]
    assert second["query"] == {"key": "REDACTED", "pageSize": "3"}
    assert (third["status"], fourth["status"]) == (404, 401)
    assert "hush" not in str(log)
    newer = api.ok("GET", "emulator/requests", params={"after": second["sequence"]})
    assert newer["requests"] == [third, fourth]
    api.ok("DELETE", "emulator/requests")
    assert api.ok("GET", "emulator/requests") == {"count": 0, "requests": []}


def test_reset_forgets_all_but_the_settings(api: Api) -> None:
    """After a reset there are no models, faults or log, and the time is right."""
    api.create("m")
    api.control("faults", [{"status": 503, "times": None}])
    api.advance(10**6)
    api.control("reset", {})
    assert api.ok("GET", "emulator/requests")["count"] == 0
    assert api.ok("GET", "v1beta/tunedModels") == {}
    assert api.ok("GET", "emulator")["settings"]["training_seconds"] == 10
    assert not api.ok("GET", "emulator/clock")["frozen"]


@pytest.mark.parametrize(
    "change",
    [
        {"auth": "basic"},
        {"tunable": "models/x"},
        {"tunable": ["x"]},
        {"training_seconds": -1},
        {"training_seconds": True},
        {"quota_project_required": 1},
        {"colour": "red"},
        [],
    ],
)
def test_bad_settings_are_refused(api: Api, change: object) -> None:
    """An unknown setting or an impossible value is a 400, and no setting changes."""
    before = api.ok("GET", "emulator")["settings"]
    assert api.refused("POST", "emulator/settings", json=change)[0] == 400
    assert api.ok("GET", "emulator")["settings"] == before


def test_settings_change_while_it_runs(api: Api) -> None:
    """New settings hold from the next request on. A training keeps its length."""
    api.create("slow")
    changed = api.control("settings", {"training_seconds": 1, "tunable": ["models/mine"]})
    assert changed["tunable"] == ["models/mine"]
    api.create("quick", baseModel="models/mine")
    api.advance(2)
    assert api.ok("GET", "v1beta/tunedModels/slow")["state"] == "CREATING"
    assert api.ok("GET", "v1beta/tunedModels/quick")["state"] == "ACTIVE"


def test_web_pages_have_no_control(api: Api) -> None:
    """A request that a browser sends for a page is refused, and so is an unknown control."""
    origin = {"Origin": "http://evil.example"}
    assert api.refused("POST", "emulator/reset", headers=origin)[0] == 403
    assert api.refused("POST", "emulator/nothing")[0] == 404


@pytest.mark.parametrize(
    ("client", "local"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("10.0.0.1", False), ("", False)],
)
def test_control_is_for_this_machine(client: str, local: bool) -> None:  # noqa: FBT001
    """Only a loopback address may control."""
    assert host_guard.is_local(client) == local


def test_answers_are_pretty_unless_told_otherwise(api: Api) -> None:
    """The tutorial greps a line of the answer. With prettyPrint=false there is one line."""
    api.create("m")
    api.advance(11)
    for path in ("v1beta/tunedModels/m", "v1beta/tunedModels"):
        pretty = api.call("GET", path)
        assert '"state": "ACTIVE",\n' in pretty.text
        flat = api.call("GET", path, params={"prettyPrint": "false"})
        assert flat.text.count("\n") == 1
        assert flat.json() == pretty.json()


def test_idle_connections_do_not_hold_it_up() -> None:
    """It starts within 0.3 s and stops within 0.5 s, with idle and hanging connections open."""
    times = [start_and_stop() for _ in range(3)]
    assert min(started for started, _ in times) < 0.3
    assert min(stopped for _, stopped in times) < 0.5


def start_and_stop() -> tuple[float, float]:
    """Return how long a start and a stop take."""
    begun = time.perf_counter()
    with contextlib.ExitStack() as stack:
        emulator = stack.enter_context(run_emulator())
        started = time.perf_counter() - begun
        session = stack.enter_context(requests.Session())
        session.get(f"{emulator.url}/v1beta/models", timeout=5).raise_for_status()
        session.post(f"{emulator.url}/emulator/faults", json=[{"hang": True}], timeout=5)
        host, port = emulator.url.removeprefix("http://").split(":")
        hanging = stack.enter_context(socket.create_connection((host, int(port))))
        hanging.sendall(b"GET /v1beta/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.05)
        stopping = time.perf_counter()
        emulator.stop()
        stopped = time.perf_counter() - stopping
        emulator.stop()
    return started, stopped


def test_a_port_in_use_is_an_error_at_once() -> None:
    """A second emulator on a port does not start."""
    with run_emulator() as emulator:
        port = int(emulator.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), run_emulator(port=port):
            pass


def test_the_package_is_cheap_to_import() -> None:
    """Importing the settings loads neither the web server nor anything else of the project."""
    code = (
        "import sys, reconciler.emulator; print(*[name for name in sys.modules"
        " if name.startswith(('starlette', 'uvicorn', 'sqlite3', 'reconciler'))])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert set(shown.stdout.split()) <= {
        "reconciler",
        "reconciler.emulator",
        "reconciler.emulator.base_models",
        "reconciler.emulator.settings",
        "reconciler.emulator.errors",
        "reconciler.emulator.value_checks",
    }


def test_it_imports_nothing_of_ours() -> None:
    """No module of the emulator names a module of the project outside of it."""
    for path in (REPOSITORY / "reconciler" / "emulator").glob("*.py"):
        for line in path.read_text().splitlines():
            if line.startswith(("import reconciler", "from reconciler")):
                assert line.startswith("from reconciler.emulator"), f"{path.name}: {line}"


def test_many_requests_on_one_connection_do_not_stall(api: Api) -> None:
    """No answer waits for a delayed acknowledgement, which takes 40 ms on any machine."""
    api.create("m")
    took = []
    for _ in range(300):
        begun = time.perf_counter()
        api.call("GET", "v1beta/tunedModels/m")
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.04


@contextlib.contextmanager
def process(data: pathlib.Path) -> Iterator[tuple["subprocess.Popen[str]", Api]]:
    """Serve *data* in a process of its own."""
    command = [sys.executable, "-c", SERVE, str(data)]
    with (
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as child,
        requests.Session() as session,
    ):
        assert child.stdout
        try:
            yield child, Api(child.stdout.readline().strip(), session)
        finally:
            child.kill()


def test_a_kill_loses_nothing_acknowledged(tmp_path: pathlib.Path) -> None:
    """After kill -9 a new process on the file has the models, permissions, faults, log and clock."""
    data = tmp_path / "deep" / "emulator.sqlite3"
    with process(data) as (child, api):
        api.control("settings", {"training_seconds": 100})
        api.control("clock", {"frozen": True})
        operations = [api.create(f"m{number}")["name"] for number in range(5)]
        api.advance(50)
        api.control("faults", [{"path": "tunedModels/m4$", "status": 503, "times": 2}])
        assert api.call("GET", "v1beta/tunedModels/m4").status_code == 503
        everyone = {"granteeType": "EVERYONE", "role": "READER"}
        api.ok("POST", "v1beta/tunedModels/m0/permissions", json=everyone)
        paths = [f"v1/{name}" for name in operations]
        paths += ["v1beta/tunedModels", "v1beta/tunedModels/m0/permissions", "emulator/clock"]
        before = [api.ok("GET", path) for path in paths]
        count = api.ok("GET", "emulator/requests")["count"]
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert stat.S_IMODE(data.stat().st_mode) == 0o600
    with process(data) as (_, api):
        assert api.ok("GET", "emulator/requests")["count"] == count
        assert [api.ok("GET", path) for path in paths] == before
        assert api.call("GET", "v1beta/tunedModels/m4").status_code == 503
        assert api.call("GET", "v1beta/tunedModels/m4").status_code == 200
        assert api.ok("GET", "emulator")["settings"]["training_seconds"] == 100
        api.advance(50)
        prompt = {"contents": [{"parts": [{"text": "eighty"}]}]}
        response = api.ok("POST", "v1/tunedModels/m0:generateContent", json=prompt)
        assert response["candidates"][0]["content"]["parts"][0]["text"] == "eighty one"


def test_a_kill_in_the_middle_keeps_what_was_answered(tmp_path: pathlib.Path) -> None:
    """It is killed while four callers create. It has every model whose creation was answered."""
    data = tmp_path / "data"
    answered: list[str] = []
    with process(data) as (child, api):

        def caller(name: str) -> None:
            with requests.Session() as session, contextlib.suppress(requests.RequestException):
                for number in range(10_000):
                    Api(api.url, session).create(f"{name}{number}", pairs=[("1", "2")])
                    answered.append(f"{name}{number}")

        callers = [threading.Thread(target=caller, args=(name,)) for name in "abcd"]
        for thread in callers:
            thread.start()
        time.sleep(0.5)
        child.send_signal(signal.SIGKILL)
        for thread in callers:
            thread.join()
    assert answered
    with process(data) as (_, api):
        for model_id in answered:
            assert api.ok("GET", f"v1beta/tunedModels/{model_id}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_stops_on_signals(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    """On SIGINT, SIGTERM and SIGHUP the blocking call returns, and the process may go on."""
    with process(tmp_path / "data") as (child, api):
        api.ok("GET", "v1beta/models")
        child.send_signal(number)
        assert child.stdout
        assert child.stdout.read() == "stopped\n"
        assert child.wait(5) == 0


def test_a_mistake_of_its_own_is_googles_500(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake of the emulator is a 500 with Google's body.

    The log says where it is, without the request.
    """
    data = tmp_path / "data"
    with run_emulator(data=data) as emulator, requests.Session() as session:
        api = Api(emulator.url, session)
        api.create("m")
        with contextlib.closing(sqlite3.connect(data)) as database:
            database.execute("UPDATE models SET fields = 'hush'")
            database.commit()
        assert api.refused("GET", "v1beta/tunedModels/m")[:2] == (500, "INTERNAL")
        assert api.ok("GET", "v1beta/models")
    assert "JSONDecodeError" in caplog.text
    assert "hush" not in caplog.text


def test_given_settings_win_over_kept_ones(tmp_path: pathlib.Path) -> None:
    """A file's settings hold where none are given. The file keeps its own."""
    data = os.fspath(tmp_path / "data")
    with run_emulator(data=data, settings=Settings(auth="key", training_seconds=7)) as emulator:
        assert settings(emulator.url) == ("key", 7)
    with run_emulator(data=data) as emulator:
        assert settings(emulator.url) == ("key", 7)
    with run_emulator(data=data, settings=Settings()) as emulator:
        assert settings(emulator.url) == ("none", 4)


def test_a_day_that_was_taken_away_stays_away(tmp_path: pathlib.Path) -> None:
    """A restart on the same file has the days of retirement as they were left."""
    data = os.fspath(tmp_path / "data")
    change = {"vertex_retires": {"gemini-2.5-flash": None, "gemini-3.5-flash": "2027-05-19"}}
    with run_emulator(data=data) as emulator:
        left = requests.post(f"{emulator.url}/emulator/settings", json=change, timeout=5).json()
    with run_emulator(data=data) as emulator:
        assert requests.get(f"{emulator.url}/emulator/settings", timeout=5).json() == left
    assert "gemini-2.5-flash" not in left["vertex_retires"]


def settings(url: str) -> tuple[str, float]:
    """Return two of the settings in force."""
    found = requests.get(f"{url}/emulator", timeout=5).json()["settings"]
    return found["auth"], found["training_seconds"]
