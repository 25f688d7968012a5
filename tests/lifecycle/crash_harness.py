"""Kills a real command at one point of its run, then checks what the next run does.

A CrashProxy sits between the project and its emulator. Each time, the models and the state are the same.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests import fork_server
from tests.cli.harness import PAIRS, Project, Service, model, until
from tests.lifecycle.crash_proxy import CrashProxy, crash_proxy_to

READER = {"grantee_type": "GROUP", "email_address": "ml@example.com", "role": "READER"}
WRITER = {"grantee_type": "USER", "email_address": "ann@example.com", "role": "WRITER"}
CHECK = {"prompt": PAIRS[0][0], "expect": PAIRS[0][1]}
LONGER = {"batch_size": 4, "learning_rate": 0.001, "epoch_count": 6}
APPLY = ("apply", "--auto-approve", "--parallelism", "1")
CRASH_POINT = str(pathlib.Path(__file__).with_name("crash_point.py"))


@dataclass(frozen=True)
class Scenario:
    """What is live and recorded at first, and what is declared then.

    Attributes:
        before: manifests that are applied first.
        earlier: manifests that are applied even before those.
        after: the manifests for the run that is killed.
        command: the command line of that run.
        forgets: whether the state is deleted in between.
        created: the trainings that the run starts.
        names: the models that must serve in the end, by name.
        held: how many models must be held back in the end.
    """

    after: tuple[dict[str, Any], ...]
    before: tuple[dict[str, Any], ...] = ()
    forgets: bool = False
    created: int = 0
    names: tuple[str, ...] = ("bot",)
    earlier: tuple[dict[str, Any], ...] = ()
    command: tuple[str, ...] = APPLY
    held: int = 0


SCENARIOS = {
    "create": Scenario(after=(model("bot"),), created=1),
    "replace": Scenario(
        before=(model("bot"),),
        after=(model("bot", hyperparameters=LONGER, permissions=[READER], checks=[CHECK]),),
        created=1,
    ),
    "update": Scenario(before=(model("bot"),), after=(model("bot", spec={"temperature": 0.5}),)),
    "permissions": Scenario(
        before=(model("bot", permissions=[READER]),), after=(model("bot", permissions=[WRITER]),)
    ),
    "delete": Scenario(before=(model("bot"), model("old")), after=(model("bot"),)),
    "adopt": Scenario(before=(model("bot"),), after=(model("bot", permissions=[READER]),), forgets=True),
}
ROLLBACK = ("rollback", "bot", "--auto-approve", "--parallelism", "1")
KEPT: dict[str, Any] = {"lifecycle": {"keep_deposed": "24h"}}
WORSE = (model("bot", hyperparameters=LONGER, spec={"temperature": 0.5}, permissions=[READER], **KEPT),)
SCENARIOS["rollback"] = Scenario(
    earlier=(model("bot", **KEPT),), before=WORSE, after=WORSE, command=ROLLBACK, held=1
)


@dataclass
class CrashHarness:
    """A project behind a proxy, reset to the same beginning before each point where a run is killed."""

    project: Project
    proxy: CrashProxy
    scenario: Scenario
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    permissions: dict[str, list[Any]] = field(default_factory=dict)
    state: bytes | None = None

    @property
    def service(self) -> Service:
        """The emulator behind the proxy."""
        return self.project.service

    def prepare(self) -> None:
        """Make the models and the state of the beginning by a real run, and keep them."""
        if self.scenario.before:
            self.apply_before()
            self.state = None if self.scenario.forgets else self.project.state_file.read_bytes()
        self.models = self.service.models()
        for id in self.models:
            found = self.service.call("GET", f"v1beta/tunedModels/{id}/permissions").get("permissions", [])
            self.permissions[id] = found
        self.project.declare(*self.scenario.after)
        self.project.environ["GOOGLE_GEMINI_BASE_URL"] = self.proxy.url

    def apply_before(self) -> None:
        """Apply what comes before the run that is killed."""
        for manifests in filter(None, (self.scenario.earlier, self.scenario.before)):
            self.project.declare(*manifests)
            self.project.apply()

    def begin(self) -> None:
        """Return to the beginning: the same models, permissions and state."""
        self.proxy.reset()
        self.service.control("reset", {})
        self.service.settings(training_seconds=0)
        for id, live in self.models.items():
            self.service.create(
                id,
                displayName=live["displayName"],
                baseModel=live["baseModel"],
                tuningTask={
                    "hyperparameters": live["tuningTask"]["hyperparameters"],
                    "trainingData": {
                        "examples": {
                            "examples": [{"textInput": text, "output": output} for text, output in PAIRS]
                        }
                    },
                },
            )
            for permission in self.permissions[id]:
                grant = {
                    key: permission[key]
                    for key in ("granteeType", "emailAddress", "role")
                    if key in permission
                }
                self.service.call("POST", f"v1beta/tunedModels/{id}/permissions", grant)
        self.project.state_file.parent.mkdir(exist_ok=True)
        self.project.state_file.unlink(missing_ok=True)
        if self.state is not None:
            self.project.state_file.write_bytes(self.state)
        self.service.forget_log()

    def start(self, *arguments: str, program: tuple[str, ...] = ("-m", "reconciler")) -> Any:
        """Start the command, or another program that runs it."""
        return fork_server.start(
            arguments,
            program=program,
            cwd=self.project.root,
            env=self.project.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def killed_at_request(self, number: int, when: str) -> None:
        """Kill the run at the n-th request, before that arrives or before its answer is read."""
        process: list[subprocess.Popen[str]] = []

        def act(seen: int, moment: str) -> bool:
            if (seen, moment) != (number, when):
                return True
            until(lambda: process)
            process[0].send_signal(signal.SIGKILL)
            process[0].wait()
            return False

        self.proxy.reset(act)
        process.append(self.start(*self.scenario.command))
        self._dead(process[0])

    def killed_at_write(self, number: int, when: str) -> None:
        """Kill the run at the n-th write of the state."""
        self.proxy.reset()
        self._dead(self.start(str(number), when, *self.scenario.command, program=(CRASH_POINT,)))

    def _dead(self, process: subprocess.Popen[str]) -> None:
        out, err = process.communicate(timeout=60)
        assert process.returncode in {-signal.SIGKILL, 0}, f"{process.returncode}\n{out}\n{err}"

    def converged(self) -> None:
        """Run the same command again, then check every promise."""
        self.proxy.reset()
        if self.project.state_file.exists():
            # Whenever the command was killed, the file is whole.
            json.loads(self.project.state_file.read_text())
        result = self.project.run(*self.scenario.command)
        assert result.code == 0, result.all
        effects = Counter(
            request["query"].get("tunedModelId")
            for request in self.service.log()
            if request["method"] == "POST" and request["path"].endswith("/tunedModels") and request["effect"]
        )
        assert sum(effects.values()) == self.scenario.created, f"trainings: {effects}"
        live = self.service.models()
        recorded = {resource["id"]: resource for resource in self.project.state()["resources"]}
        held = {model["id"] for resource in recorded.values() for model in resource.get("held", ())}
        assert set(live) == set(recorded) | held, f"live {sorted(live)}, recorded {sorted(recorded)}"
        assert len(held) == self.scenario.held
        assert sorted(id.rpartition("-")[0] for id in recorded) == sorted(self.scenario.names)
        assert all(not address["candidate"] and not address.get("deposed") for address in recorded.values())
        self._as_declared({id: live[id] for id in recorded})
        self.project.settled()

    def _as_declared(self, live: dict[str, dict[str, Any]]) -> None:
        for manifest in self.scenario.after:
            name, spec = manifest["metadata"]["name"], manifest["spec"]
            id = next(id for id in live if id.startswith(f"{name}-"))
            declared = (self.scenario.earlier or (manifest,))[0] if self.scenario.held else manifest
            epochs = declared["spec"]["tuning_task"]["hyperparameters"]["epoch_count"]
            assert live[id]["tuningTask"]["hyperparameters"]["epochCount"] == epochs
            if "temperature" in spec:
                assert live[id]["temperature"] == pytest.approx(spec["temperature"])
            if "permissions" in manifest:
                wanted = {
                    (permission["grantee_type"], permission["email_address"], permission["role"])
                    for permission in manifest["permissions"]
                }
                assert self.service.permissions(id) == wanted


@contextlib.contextmanager
def crash_harness(project: Project, scenario: Scenario) -> Iterator[CrashHarness]:
    """A project behind a proxy, with its beginning prepared."""
    with crash_proxy_to(project.service.url) as proxy:
        made = CrashHarness(project, proxy, scenario)
        made.prepare()
        yield made
