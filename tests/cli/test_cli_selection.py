"""Every command that names models takes the same selection: an address, wildcard, label or path (2.7)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.harness import Project, identity, model

EVERY = (
    ("plan",),
    ("apply", "--auto-approve"),
    ("wait",),
    ("drift",),
    ("destroy", "--auto-approve"),
    ("test",),
    ("show",),
    ("output",),
    ("report",),
)
"""The commands that take --target and --exclude."""


def _labelled(name: str, team: str, **changes: Any) -> dict[str, Any]:
    return model(
        name, metadata={"labels": {"team": team}}, checks=[{"prompt": "7", "expect": "8"}], **changes
    )


@pytest.fixture
def project(project: Project) -> Project:
    """A project with models in two subfolders, applied together."""
    project.declare(_labelled("faq", "search"), _labelled("form", "sales"), file="manifests/dev/models.yaml")
    project.declare(_labelled("live", "search"), file="manifests/prod/models.yaml")
    project.apply()
    return project


def _addresses(project: Project, *arguments: str) -> list[str]:
    """The addresses that `output` prints."""
    return list(project.run("output", "--format", "json", *arguments, expect=0).json())


def test_what_nothing_is_called_is_an_error_everywhere(project: Project) -> None:
    """Each command refuses a mistyped address, and suggests a similar one."""
    for command in EVERY:
        refused = project.run(*command, "--target", "fax", expect=1)
        assert "nothing is called fax" in refused.err
        assert "Did you mean faq?" in refused.err
    assert len(project.service.models()) == 3


@pytest.mark.parametrize(
    "command",
    [EVERY[0], *(pytest.param(command, marks=pytest.mark.thorough) for command in EVERY[1:])],
    ids=lambda command: str(command[0]),
)
def test_a_mistyped_selection_of_any_form_is_an_error(project: Project, command: tuple[str, ...]) -> None:
    """Each command refuses a mistyped address, wildcard or label, and suggests a similar one."""
    for option in ("--target", "--exclude"):
        for pattern, near in (("fax", "Did you mean faq?"), ("nope-*", ""), ("team=serach", "team=search")):
            refused = project.run(*command, option, pattern, expect=1)
            assert f"nothing is called {pattern}" in refused.err
            assert near in refused.err
    missing = project.run(*command, "manifests/nope", expect=1)
    assert "manifests/nope" in missing.err
    assert len(project.service.models()) == 3


FORMS: list[tuple[tuple[str, ...], str]] = [
    (("--target", "faq"), "faq"),
    (("--target", "TunedModel/f*"), "faq form"),
    (("--target", "team=search"), "faq live"),
    (("--target", "team=s*", "--exclude", "form"), "faq live"),
    (("--exclude", "team=search"), "form"),
    (("TunedModel/*",), "faq form live"),
    (("f*",), "faq form"),
    (("team=sales",), "form"),
    (("manifests/dev",), "faq form"),
    (("manifests/dev", "--exclude", "faq"), "form"),
    (("manifests/dev", "manifests/prod"), "faq form live"),
    (("manifests/prod/models.yaml",), "live"),
    (("--target", "faq", "manifests"), "faq"),
]


def test_output_and_show_take_every_form(project: Project) -> None:
    """ADDR, wildcards, LABEL=VALUE and paths select the same records in `output` and `show`."""
    for arguments, names in FORMS:
        addresses = [f"TunedModel/{name}" for name in names.split()]
        assert _addresses(project, *arguments) == addresses, arguments
        shown = project.run("show", "--json", *arguments, expect=0).json()
        assert [resource["address"] for resource in shown["resources"]] == addresses, arguments


def test_drift_test_and_report_are_about_the_selection(project: Project) -> None:
    """`drift`, `test` and `report` leave out unselected models. A file as PATH selects too."""
    project.service.patch(identity("live"), "temperature", temperature=0.9)
    project.declare(_labelled("live", "search", spec={"temperature": 0.2}), file="manifests/prod/models.yaml")
    project.apply()
    project.service.patch(identity("live"), "temperature", temperature=0.9)
    assert "TunedModel/live" in project.run("drift", expect=2).out
    assert "TunedModel/live" in project.run("drift", "--target", "team=search", expect=2).out
    for arguments in (("--exclude", "live"), ("--target", "faq"), ("manifests/dev/models.yaml",)):
        assert "TunedModel/live" not in project.run("drift", *arguments, expect=0).out
        assert "TunedModel/live" not in project.run("report", *arguments, expect=0).out
        assert "TunedModel/live" not in project.plan("--refresh-only", *arguments).out
    tested = project.run("test", "--json", "--target", "team=search", "--exclude", "faq", expect=0).json()
    assert [result["address"] for result in tested] == ["TunedModel/live"]


def test_wait_leaves_out_what_is_excluded(project: Project) -> None:
    """--exclude, labels and single files select what `wait` finishes."""
    project.declare(_labelled("next", "search"), _labelled("last", "sales"), file="manifests/new.yaml")
    project.apply("--no-wait")
    project.run("wait", "--exclude", "team=search", expect=0)
    assert project.record("last")["id"]
    assert project.record("next")["id"] is None
    project.run("wait", "manifests/dev/models.yaml", expect=0)
    assert project.record("next")["id"] is None
    project.run("wait", "manifests/new.yaml", expect=0)
    assert project.record("next")["id"]


def test_what_no_manifest_declares_has_no_labels(project: Project) -> None:
    """An undeclared record matches no label, and commands say so. Its address and wildcards still match."""
    (project.root / "manifests/prod/models.yaml").unlink()
    said = "a label never selects a model that is only recorded (TunedModel/live)"
    assert _addresses(project, "--target", "team=search") == ["TunedModel/faq"]
    assert _addresses(project, "--exclude", "team=search") == ["TunedModel/form", "TunedModel/live"]
    assert said in project.run("output", "--target", "team=search", expect=0).err
    plan = project.plan("--target", "team=search")
    assert said in " ".join(plan.out.split())
    assert "TunedModel/live will" not in plan.out
    assert said in project.run("drift", "--target", "team=search", expect=0).err
    assert "Plan: 1 to delete.\n" in project.plan("--target", "live").out


def test_a_half_written_manifest_still_selects(project: Project) -> None:
    """Selecting by label or path needs only a manifest's name and labels. Broken YAML is an error."""
    half = {
        "apiVersion": "reconciler/v1",
        "kind": "TunedModel",
        "metadata": {"name": "faq", "labels": {"a": "b"}},
    }
    project.write("manifests/dev/models.yaml", json.dumps(half))
    assert _addresses(project, "a=b") == ["TunedModel/faq"]
    assert _addresses(project, "manifests/dev") == ["TunedModel/faq"]
    project.write("manifests/dev/models.yaml", "kind: [")
    assert len(_addresses(project)) == 3
    assert "manifests/dev/models.yaml" in project.run("output", "a=b", expect=1).err


def test_generate_asks_the_one_that_is_meant(project: Project) -> None:
    """A wildcard or label works for `generate` if it matches one model. Two matches are refused."""
    assert project.run("generate", "fa*", "7", expect=0).out == "8\n"
    assert project.run("generate", "team=sales", "7", expect=0).out == "8\n"
    refused = project.run("generate", "team=search", "7", expect=1)
    assert "TunedModel/faq, TunedModel/live" in refused.err
    assert "nothing is called faw" in project.run("generate", "faw", "7", expect=1).err


def test_destroying_a_child_leaves_its_parent(project: Project) -> None:
    """`apply --target` includes the child's parent. `destroy --target` deletes only the child."""
    child = model("child", spec={"base_model": None, "tuned_model_source": {"tuned_model": "TunedModel/faq"}})
    project.declare(child, file="manifests/child.yaml")
    project.apply()
    project.run("destroy", "--auto-approve", "--target", "child", expect=0)
    assert project.recorded() == ["TunedModel/faq", "TunedModel/form", "TunedModel/live"]


def test_an_empty_state_says_so_where_a_record_is_asked_for(project: Project) -> None:
    """With an empty state the error advises `apply` or --state, not an empty list."""
    refused = project.run("output", "faq", "--state", "elsewhere", expect=1)
    assert "nothing is called faq" in refused.err
    assert "This state records no model: apply first, or check --state" in refused.err
