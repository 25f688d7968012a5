"""A run that ends early names the command that continues, and `wait` then continues (design 2.2)."""

from __future__ import annotations

import re
import shlex

from tests.cli.harness import PAIRS, Project, model


def resume(text: str) -> list[str]:
    """The arguments of the command that a run named last."""
    found = re.findall(r"Resume with: reconciler (.+)", text)
    return shlex.split(found[-1])


def test_what_is_named_goes_on_with_the_same_manifests(project: Project) -> None:
    """The named command repeats the variables of the command line. Without them `wait` would only record."""
    project.declare(
        model(
            "one",
            spec={"description": "${var.what}"},
            hyperparameters={"batch_size": 4, "epoch_count": "${var.epochs}"},
            checks=[{"prompt": "1", "expect": "2"}],
        )
    )
    project.write("more.yaml", "epochs: 3\n")
    flags = ("--var", "what=the next number", "--var-file", "more.yaml")
    arguments = resume(project.apply("--no-wait", *flags).out)
    assert arguments == ["wait", "--var", "what=…", "--var-file", "more.yaml"]
    assert "put its value" in project.run(*arguments, expect=1).err
    result = project.run("wait", *flags, expect=0)
    assert ": 1 trained.\n" in result.out
    assert project.record("one")["id"]


def test_a_saved_plans_variables_are_named_too(project: Project) -> None:
    """The command names the plan's variables, which came from the environment, without their values."""
    project.declare(model("one", spec={"description": "${var.what}"}))
    project.plan("--out", "p", environ={"RECONCILER_VAR_what": "it's"})
    arguments = resume(project.run("apply", "p", "--no-wait", expect=0).out)
    assert arguments == ["wait", "--var", "what=…", "manifests"]
    project.run("wait", "--var", "what=it's", "manifests", expect=0)
    assert project.record("one")["id"]


def test_a_saved_plan_is_applied_where_it_was_made(project: Project) -> None:
    """A plan file does not name its state, so the advised command has --state and works as printed."""
    project.declare(model("one"))
    where = ("--emulator", "--state", "kept here")
    said = project.plan("--out", "the plan", *where).err
    arguments = shlex.split(said.rpartition("To do exactly this: reconciler ")[2])
    assert arguments == ["apply", *where, "the plan"]
    project.run(*arguments, "--no-wait", expect=0)
    assert project.run("state", "list", *where, expect=0).out == "TunedModel/one\n"


def test_wait_for_a_target_leaves_the_others_alone(project: Project) -> None:
    """`wait --target` finishes only the target. It records and prints nothing about other models."""
    project.declare(model("one", metadata={"labels": {"team": "a"}}), model("two", pairs=PAIRS[:10]))
    project.apply("--no-wait")
    project.service.advance()
    result = project.run("wait", "--target", "team=a", expect=0)
    assert "TunedModel/one" in result.out
    assert "two" not in result.all
    assert project.record("one")["id"]
    assert project.record("two")["id"] is None
    assert "nothing is called three" in project.run("wait", "--target", "three", expect=1).err
    project.run("wait", expect=0)
    project.settled()


def test_what_wait_and_destroy_left_is_named_with_their_selection(project: Project) -> None:
    """The named command repeats the selection, so that it continues only what was begun."""
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    project.service.freeze()
    project.apply("--no-wait")
    result = project.run("wait", "--target", "one", "--timeout", "1s", expect=3)
    assert resume(result.all) == ["wait", "--target", "one"]
