"""docs/adopting.md: its commands, run one after the other on an estate that others made."""

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
    """Two tuned models and two jobs of others, one of which has our label."""
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
    """Each command of the page ends with 0 in its order, and none of them trains, changes or deletes."""
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
