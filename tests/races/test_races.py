"""Many real processes share one state. Nothing trains twice, and nothing is lost."""

from __future__ import annotations

import pytest

from tests.cli.harness import Project, model
from tests.limits import repeats
from tests.races.conftest import CONFORMANCE, Opener, Store
from tests.races.team import APPLY, all_ended, converged, serving

PROCESSES = 8
NAMES = [f"bot-{number:02}" for number in range(20)]


def shared(project: Project, store: Store) -> Project:
    """A project with its state in that store."""
    project.environ |= store.environ
    return project


@pytest.mark.early
@pytest.mark.parametrize(
    "store", ["local", *repeats("http", "gs", "s3"), pytest.param("az", marks=CONFORMANCE)], indirect=True
)
def test_eight_processes_that_apply_the_same_manifests_create_each_model_once(team: Project) -> None:
    """All eight succeed, the records match the live models, and the plan is empty."""
    team.declare(*(model(name) for name in NAMES))

    results = all_ended([team.start(*APPLY) for _ in range(PROCESSES)])

    assert [result.code for result in results] == [0] * PROCESSES, [
        result.all for result in results if result.code
    ]
    assert team.service.creates() == len(NAMES)
    converged(team, NAMES)


@pytest.mark.thorough
def test_eight_selections_on_one_state_lose_no_record(project: Project, open_store: Opener) -> None:
    """Eight processes apply a file each. Eight models and eight records exist afterwards."""
    team = shared(project, open_store("http"))
    names = NAMES[:PROCESSES]
    for name in names:
        team.declare(model(name), file=f"manifests/{name}.yaml")

    results = all_ended([team.start(*APPLY, f"manifests/{name}.yaml") for name in names])

    assert [result.code for result in results] == [0] * PROCESSES, [
        result.all for result in results if result.code
    ]
    assert team.service.creates() == PROCESSES
    converged(team, names)


def test_apply_against_destroy_ends_in_one_of_both(project: Project, open_store: Opener) -> None:
    """The second run is refused or continues. No unrecorded model is left."""
    team = shared(project, open_store("gs"))
    names = NAMES[:3]
    team.declare(*(model(name) for name in names))
    team.apply("--no-wait")

    # An apply whose model is deleted meanwhile takes this for lag at first. The timeout ends its wait.
    commands = [(*APPLY, "--timeout", "5s"), ("destroy", "--auto-approve")] * 3
    results = all_ended([team.start(*command) for command in commands])

    assert {result.code for result in results} <= {0, 1, 3, 4}
    assert any(result.code == 0 for result in results)
    for result in results:
        if result.code == 1:
            assert "The plan is out of date" in result.err, result.all
    team.run("destroy", "--auto-approve", expect=0)
    assert team.service.models() == {}
    team.apply()
    converged(team, names)


def test_waits_and_applies_that_finish_the_same_trainings_promote_each_once(
    project: Project, open_store: Opener
) -> None:
    """Whoever sees the end first promotes and deletes the old model once. No run fails."""
    team = shared(project, open_store("local"))
    names = NAMES[:4]
    team.declare(*(model(name) for name in names))
    team.apply()
    team.declare(*(model(name, hyperparameters={"epoch_count": 6}) for name in names))
    team.service.settings(training_seconds=2)
    team.apply("--no-wait")
    before = team.service.creates()

    results = all_ended([team.start(*command) for command in [("wait",), APPLY] * 3])

    assert [result.code for result in results] == [0] * 6, [result.all for result in results if result.code]
    assert team.service.creates() == before
    deletes = [path for method, path in team.service.sent("DELETE") if "/tunedModels/" in path]
    assert len(deletes) == len(set(deletes)) == len(names)
    converged(team, names)


def test_a_change_of_one_manifest_by_two_branches_trains_each_version_once(
    project: Project, open_store: Opener
) -> None:
    """Two runs want different data for one name. Each version trains at most once, and one serves."""
    team = shared(project, open_store("s3"))
    team.declare(model("bot"))
    team.apply()
    for branch, epochs in (("ours", 6), ("theirs", 7)):
        team.declare(model("bot", hyperparameters={"epoch_count": epochs}), file=f"{branch}/bot.yaml")
    before = team.service.creates()

    results = all_ended([team.start(*APPLY, branch) for branch in ("ours", "theirs") * 2])

    assert team.service.creates() - before <= 2
    for result in results:
        assert result.code in {0, 3} or "The plan is out of date" in result.err, result.all
    team.apply("ours")
    assert len(team.service.models()) == 1
    assert set(serving(team).values()) == set(team.service.models())
