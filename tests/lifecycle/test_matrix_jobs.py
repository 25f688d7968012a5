"""The crash matrix over the second API: no chosen ids, an upload before the create, a deletion of many steps.

The same rig and the same promises as test_matrix. `make test-all` tries all points of a create; of what
deletes as well, where a point costs seconds, every MATRIX_STRIDE-th (8; 1 tries all). `make test` tries a
sample.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cli.harness import PAIRS, Project
from tests.cli.test_tuning_job import SPEC, job, listed, posted, write_data
from tests.lifecycle.crash_harness import KEPT, ROLLBACK, CrashHarness, Scenario
from tests.lifecycle.crash_proxy import crash_proxy_to
from tests.lifecycle.test_matrix import SAMPLE, SHARDS, try_points
from tests.limits import STRIDE, repeats

LONGER: dict[str, Any] = {SPEC: {"training_dataset_uri": "n.jsonl", "hyper_parameters": {"epoch_count": 4}}}
CHECK = {"checks": [{"prompt": PAIRS[0][0], "expect": PAIRS[0][1]}]}
SERVING = {"serving": {"endpoint": "support", "drain": "0s"}}
QUICK = {"vertex_operation_seconds": 0, "vertex_cancel_seconds": 0, "training_seconds": 0}
QUICK |= {"vertex_deploy_seconds": 0, "vertex_create_endpoint_seconds": 0}

WORSE = (job(beside=KEPT, description="counts", **LONGER),)
CREATE = Scenario(after=(job(beside=CHECK),), created=1)
OTHERS = {
    "replace": Scenario(before=(job(),), after=(job(**LONGER),), created=1),
    "update": Scenario(before=(job(),), after=(job(description="counts", labels={"team": "a"}),)),
    "delete": Scenario(before=(job(), job("old")), after=(job(),)),
    "adopt": Scenario(before=(job(),), after=(job(),), forgets=True),
    "switch": Scenario(before=(job(beside=SERVING),), after=(job(beside=SERVING, **LONGER),), created=1),
    "rollback": Scenario(earlier=(job(beside=KEPT),), before=WORSE, after=WORSE, command=ROLLBACK, held=1),
}


@dataclass
class JobCrashHarness(CrashHarness):
    """Set back by a real run: the service chooses the names, so a kept state would name other jobs."""

    def begin(self) -> None:
        """Go back to the beginning: an empty service, and then what was applied before."""
        self.proxy.reset()
        self.service.control("reset", {})
        self.service.settings(**QUICK)
        self.project.state_file.unlink(missing_ok=True)
        if self.scenario.before:
            self._talk_to(self.service.url)
            self.apply_before()
            self.state = self.project.state_file.read_bytes()
        if self.scenario.forgets:
            self.project.state_file.unlink()
            self.state = None
        self.project.declare(*self.scenario.after)
        self._talk_to(self.proxy.url)
        self.service.forget_log()

    def _talk_to(self, url: str) -> None:
        self.project.environ["GOOGLE_VERTEX_BASE_URL"] = self.project.environ["GOOGLE_GEMINI_BASE_URL"] = url

    def converged(self) -> None:
        """Run the same command again, then check every promise."""
        self.proxy.reset()
        if self.project.state_file.exists():
            json.loads(self.project.state_file.read_text())
        result = self.project.run(*self.scenario.command)
        assert result.code == 0, result.all
        assert posted(self.service) == self.scenario.created
        names = sorted(manifest["metadata"]["name"] for manifest in self.scenario.after)
        recorded = {resource["id"]: resource for resource in self.project.state()["resources"]}
        assert sorted(id.rpartition("-")[0] for id in recorded) == names
        assert all(not address["candidate"] and not address.get("deposed") for address in recorded.values())
        models = {model["labels"]["reconciler_id"]: model for model in listed(self.service, "models")}
        held = {model["id"] for resource in recorded.values() for model in resource.get("held", ())}
        assert len(held) == self.scenario.held
        assert set(models) == set(recorded) | held, f"live {sorted(models)}, recorded {sorted(recorded)}"
        endpoints = listed(self.service, "endpoints")
        stable = [endpoint for endpoint in endpoints if "reconciler_endpoint" in endpoint["labels"]]
        owners = {endpoint["labels"]["reconciler_id"] for endpoint in endpoints if endpoint not in stable}
        assert owners == set(recorded) | held, f"endpoints of {sorted(owners)}"
        assert len(stable) == sum("serving" in manifest for manifest in self.scenario.after)
        for endpoint in stable:
            assert [deployed["displayName"] for deployed in endpoint["deployedModels"]] == list(recorded)
            assert list(endpoint["trafficSplit"].values()) == [100]
        for manifest in self.scenario.after:
            if wish := manifest["spec"].get("description"):
                assert [models[id]["description"] for id in recorded] == [wish]
        self.project.settled()


@pytest.fixture
def made(project: Project) -> Iterator[JobCrashHarness]:
    """A rig without a scenario yet."""
    project.environ["RECONCILER_LAG_SECONDS"] = "0.3"
    write_data(project)
    with crash_proxy_to(project.service.url) as proxy:
        yield JobCrashHarness(project, proxy, CREATE)


@pytest.mark.early
@pytest.mark.parametrize("name", ["create", *repeats("replace", "rollback")])
def test_a_run_killed_at_some_points_is_finished_by_the_next(made: JobCrashHarness, name: str) -> None:
    """After a kill at sampled points there is one job, and the plan is empty."""
    made.scenario = OTHERS.get(name, CREATE)
    try_points(made, 5, SAMPLE)


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_killed_create_is_finished_by_the_next(made: JobCrashHarness, shard: int) -> None:
    """After a kill at any point, the upload included, there is one job and the plan is empty."""
    try_points(made, shard, SHARDS)


@pytest.mark.thorough
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", OTHERS)
def test_a_killed_run_is_finished_by_the_next(made: JobCrashHarness, name: str) -> None:
    """A killed replacement, update, deletion or adoption is finished by the next run and never done twice."""
    made.scenario = OTHERS[name]
    try_points(made, 0, STRIDE)
