"""Checks with scores, from the manifest to the report."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.harness import PAIRS, Project, model

WRONG = ("1000", "a thousand and one")


def write_held_out(project: Project, pairs: list[tuple[str, str]], name: str = "held-out") -> str:
    """Write a file of held-out examples beside the manifests and return its path as a manifest has it."""
    lines = [json.dumps({"text_input": text, "output": output}) for text, output in pairs]
    project.write(f"manifests/data/{name}.jsonl", "\n".join(lines))
    return f"data/{name}.jsonl"


def read_scores(project: Project, name: str, slot: str = "serving") -> list[tuple[str, int, int]]:
    """Read the recorded scores."""
    found: dict[str, Any] = project.record(name)[slot]
    return [(score["check"], score["passed"], score["asked"]) for score in found["scores"]]


def test_a_candidate_is_promoted_by_its_score_beside_that_of_the_model_that_serves(project: Project) -> None:
    """A candidate with too low a score is not promoted. The plan counts the calls.

    State, show, report and events give the scores beside those of the serving model.
    """
    file = write_held_out(project, [*PAIRS[:3], WRONG])
    checks = [{"prompt": PAIRS[0][0], "one_of": ["?", PAIRS[0][1]]}, {"file": file, "at_least": 0.75}]
    project.declare(model("bot", checks=checks))
    assert "2 checks must pass before it is promoted (5 billed calls)" in project.plan().out
    applied = project.apply()
    assert f"prompts 1 of 1 (1.00), {file} 3 of 4 (0.75)" in " ".join(applied.out.split())
    assert read_scores(project, "bot") == [("prompts", 1, 1), (file, 3, 4)]
    for shown in (project.run("show", "bot").out, project.run("report", "-o", "-").out):
        assert f"passed: prompts 1 of 1 (1.00), {file} 3 of 4 (0.75)" in " ".join(shown.split())
    old = project.record("bot")["id"]

    worse = [(text, output if text == PAIRS[0][0] else "?") for text, output in PAIRS]
    project.declare(model("bot", pairs=worse, checks=checks))
    assert f"the model that serves: prompts 1 of 1 (1.00), {file} 3 of 4 (0.75)" in project.plan().out
    lines = [json.loads(line) for line in project.apply("--json", expect=4).out.splitlines()]
    (failed,) = [line for line in lines if line["type"] == "apply_errored"]
    assert [(score["check"], score["passed"]) for score in failed["hook"]["scores"]] == [
        ("prompts", 1),
        (file, 1),
    ]
    assert project.record("bot")["id"] == old
    assert read_scores(project, "bot", "candidate") == [("prompts", 1, 1), (file, 1, 4)]
    planned = project.plan().out
    assert f"its last checks: prompts 1 of 1 (1.00), {file} 1 of 4 (0.25)" in planned


def test_test_tells_scores_and_writes_junit(project: Project) -> None:
    """`--format junit` prints XML, and the exit code is that of the checks."""
    file = write_held_out(project, [PAIRS[0], WRONG])
    project.declare(model("bot", checks=[{"file": file, "at_least": 0.5}]))
    project.apply()
    assert project.run("test").out == f"passed  TunedModel/bot  {file}: 1 of 2 (0.50)\n"
    junit = project.run("test", "--format", "junit").out
    assert '<testsuites tests="1" failures="0" errors="0">' in junit
    (found,) = project.run("test", "--format", "json").json()
    assert (found["file"], found["passed"], found["asked"]) == (file, 1, 2)


def test_a_held_out_file_that_changed_after_the_plan_is_refused(project: Project) -> None:
    """A saved plan runs exactly the checks that it showed."""
    file = write_held_out(project, [PAIRS[0]])
    project.declare(model("bot", checks=[{"file": file}]))
    project.plan("--out", "plan.json")
    write_held_out(project, [WRONG])
    refused = project.run("apply", "plan.json", expect=1)
    assert "TunedModel/bot: its manifest or its data has changed" in refused.err
    assert project.service.creates() == 0


def test_a_held_out_file_has_at_most_1000_examples(project: Project) -> None:
    """A larger file is refused, because each example is a billed call."""
    file = write_held_out(project, [(str(number), "x") for number in range(1001)])
    project.declare(model("bot", checks=[{"file": file}]))
    assert (
        f"{file} has 1,001 examples, and a check asks at most 1,000" in project.run("validate", expect=1).err
    )
