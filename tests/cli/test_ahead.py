"""Services are asked while manifests are read, as often as before, and nobody waits for what is in vain."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.cli.ahead import Ahead
from reconciler.cli.apis import list_kinds
from reconciler.cli.endpoints import Services
from reconciler.cli.invocation import Lists
from reconciler.datasets.open_cache import OpenCache
from reconciler.errors import StateStoreError
from reconciler.manifests import Loaded
from reconciler.manifests.loading import load
from reconciler.model.live import Live
from reconciler.settings import Settings
from reconciler.state.backends import open_backend
from reconciler.state.session import StateManager
from tests.cli.harness import SECONDS, Answer, Project, model, recording, stack

STATE = """\
{"version": 2, "lineage": "one", "serial": 1, "stack": "", "workspace": "default", "service": "%s",
 "project": "", "resources": [{"address": "TunedModel/bot"}]}
"""
MANIFEST = """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: bot}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task: {training_data: {file: data.jsonl}}
"""
LISTED = b'{"tunedModels": [{"name": "tunedModels/bot-1", "state": "ACTIVE", "baseModel": "models/one"}]}'


class Waiting(OpenCache):
    """A cache of data sets that makes its reader wait for an event."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self._event = event

    def name(self, place: str) -> None:
        """See OpenCache.name."""
        assert self._event.wait(SECONDS), "the data was read first"
        super().name(place)


def make_ahead(url: str, lists: Lists = Lists.MODELS) -> Ahead:
    """Ask the service at an address, with the state in the folder `state`."""

    def open_services(loaded: Loaded) -> Services:
        return Services(
            loaded,
            Settings({"GOOGLE_GEMINI_BASE_URL": url}),
            emulator="",
            parallelism=1,
            stopping=lambda: False,
            tell=lambda _told: None,
        )

    def open_state(_loaded: Loaded) -> StateManager:
        return StateManager(open_backend("state", environ={}), operation="plan", who="ann")

    return Ahead(lists, open_state, open_services)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a manifest, its data, and a state of an emulator."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "manifests/bot.yaml": MANIFEST,
        "manifests/data.jsonl": '{"text_input": "1", "output": "2"}\n' * 20,
        "state/default.json": STATE % "emulator",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def read_manifests(ahead: Ahead, cache: OpenCache | None = None) -> None:
    """Read the manifests of the folder."""
    load(["manifests"], kinds=list_kinds(), variables={}, cache=cache, tell=ahead.begin)


def test_the_request_arrives_before_data_is_read(folder: Path) -> None:
    """The list is on its way when the first data set is looked at, and its answer is kept."""
    assert folder.is_dir()
    asked = threading.Event()

    def answer(_method: str, _path: str, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        return 200, {}, LISTED

    with recording(answer) as (url, seen):
        ahead = make_ahead(url)
        read_manifests(ahead, Waiting(asked))
        found = ahead.take()
        assert found is not None
        (live,) = found.listed["TunedModel"].result(SECONDS)
        assert isinstance(live, Live)
        assert live.id == "bot-1"
        assert [request["path"].partition("?")[0] for request in seen] == ["/v1beta/tunedModels"]


@pytest.mark.parametrize(
    ("lists", "state"),
    [
        (Lists.MODELS, STATE % "google"),
        (Lists.MODELS, (STATE % "emulator").replace('"stack": ""', '"stack": "other"')),
        (Lists.MODELS, (STATE % "emulator").replace('[{"address": "TunedModel/bot"}]', "[]")),
        (Lists.MODELS, "{"),
        (Lists.MODELS, None),
        (Lists.NONE, STATE % "emulator"),
    ],
    ids=["of another service", "of another stack", "of no models", "broken", "absent", "not wanted"],
)
def test_nothing_is_sent_unless_all_is_well(folder: Path, lists: Lists, state: str | None) -> None:
    """A state that will be refused, or that records nothing, keeps the list from being asked for."""
    path = folder / "state" / "default.json"
    path.unlink() if state is None else path.write_text(state)
    with recording(lambda *_: (200, {}, LISTED)) as (url, seen):
        ahead = make_ahead(url, lists)
        read_manifests(ahead)
        found = ahead.take()
        assert (found is None) is (lists is Lists.NONE)
        assert found is None or (found.services is None and not found.listed)
        assert seen == []


def test_an_address_that_is_refused_gets_nothing(folder: Path) -> None:
    """Nothing is asked ahead at an address that nobody may be asked at. Who asks later says why."""
    assert folder.is_dir()
    ahead = make_ahead("ftp://example.com")
    read_manifests(ahead)
    assert ahead.take() is None


def test_a_state_that_cannot_be_read_is_said_by_whoever_takes_it(folder: Path) -> None:
    """The error of the thread is raised where the state is taken."""
    (folder / "state" / "default.json").unlink()
    (folder / "state" / "default.json").mkdir()
    ahead = make_ahead("http://127.0.0.1:9")
    read_manifests(ahead)
    with pytest.raises(StateStoreError):
        ahead.take()


COUNTS: Mapping[tuple[str, ...], int] = {
    ("validate",): 0,
    ("plan",): 1,
    ("plan", "--refresh-only"): 1,
    ("plan", "--destroy"): 1,
    ("apply", "--auto-approve"): 1,
    ("drift",): 2,
    ("status",): 1,
    ("wait",): 1,
    ("show",): 0,
    ("show", "one"): 1,
    ("output",): 0,
}
"""How many requests each command sends where there is nothing to do."""


def test_every_command_sends_what_it_sent_before(project: Project) -> None:
    """Asking ahead sends no request more, and none twice."""
    project.declare(stack("ours"), model("one"))
    project.apply()
    for command, count in COUNTS.items():
        project.service.forget_log()
        project.run(*command)
        assert len(project.service.sent()) == count, command


def wait_for_nothing(over: threading.Event) -> Answer:
    """Make a service that answers only when the test is over."""

    def answer(_method: str, _path: str, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        over.wait(SECONDS * 2)
        return 200, {}, b"{}"

    return answer


@pytest.mark.parametrize("command", ["plan", "drift", "status"])
def test_a_faulty_manifest_waits_for_no_service(project: Project, command: str) -> None:
    """The command ends with what is wrong with the manifests, and the service never answers."""
    project.declare(model("one"))
    project.apply()
    project.declare(model("one"), model("two", file="absent.jsonl", tuned_model_source="wrong"))
    over = threading.Event()
    with recording(wait_for_nothing(over)) as (url, _):
        try:
            project.environ["GOOGLE_GEMINI_BASE_URL"] = url
            result = project.run(command, expect=1)
        finally:
            over.set()
    assert "two" in result.err or "tuned_model_source" in result.err
    assert url not in result.all
