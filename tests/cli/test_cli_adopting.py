"""docs/adopting.md: its commands, run in order on models that other people made."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.cli.harness import PAIRS, ROOT, Project, stack
from tests.cli.test_cli_estate import post_job
from tests.cli.test_cli_meaning import upload

PAGE = (ROOT / "docs" / "adopting.md").read_text(encoding="utf-8")


@pytest.fixture
def project(project: Project) -> Project:
    """A project with two tuned models and two jobs of other people. One job has our label."""
    service = project.service
    project.environ["GOOGLE_VERTEX_BASE_URL"] = service.url
    for name in ("train", "valid"):
        upload(service, name, PAIRS)
    project.declare(stack("numbers", project="local", location="us-central1"))
    for name in ("handmade", "other"):
        service.create(name)
    post_job(service, 1)
    post_job(service, 2, labels={"reconciler_id": "support-abcdefgh"})
    service.advance(100_000)
    service.forget_log()
    return project


def test_every_command_of_the_page_does_what_it_says(project: Project) -> None:
    """Every command on the page exits 0, in order, and none of them trains, changes or deletes a model."""
    lines = [
        shlex.split(line)[1:]
        for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(lines) == 7
    for line in lines:
        project.run(*line, *(["--auto-approve"] if line == ["apply"] else []))
    assert project.recorded() == ["TunedModel/handmade", "TunedModel/other", "TuningJob/support-1"]
    assert (project.root / "manifests" / "support-2.yaml").exists()  # --include-foreign
    project.apply()
    assert len(project.recorded()) == 4
    assert project.service.sent("POST", "PATCH", "DELETE") == []
    project.settled()
