"""A data file that did not change is read by `apply` alone."""

from __future__ import annotations

import json

from tests.cli.harness import Project, model, until


def test_who_looks_believes_what_is_remembered_and_apply_does_not(project: Project) -> None:
    """A doctored file changes what `validate` and `plan` show, and nothing that `apply` does."""
    pairs = [(f"question {number}", f"answer {number}") for number in range(2000)]
    rows = [json.dumps({"text_input": asked, "output": output}) for asked, output in [*pairs, pairs[0]]]
    project.write("manifests/d.jsonl", "".join(f"{row}\n" for row in [*rows, rows[1].replace("answer", "x")]))
    project.declare(model("one", file="d.jsonl"))
    plain, planned = project.run("validate", expect=0), project.plan()
    assert "an input has more than one output: lines 2 and 2,002" in plain.err
    cache = project.root / "state/data-cache.json"

    def is_remembered() -> bool:
        project.run("validate", expect=0)
        return cache.exists()

    until(is_remembered)  # for two seconds, the file is too new
    assert project.run("validate", expect=0) == plain
    assert project.plan() == planned
    written = cache.read_text()
    cache.write_text(written.replace('"examples":2002', '"examples":7'))
    assert project.run("validate", "--json", expect=0).json()["reconciler"]["examples"] == 7
    doctored = cache.read_bytes()
    assert "2,002" in project.apply().out
    assert cache.read_text() == written
    cache.write_bytes(doctored)
    project.run("drift", expect=0)
    assert cache.read_bytes() == doctored
    assert project.service.creates() == 1
    cache.unlink()
    project.settled()
    assert cache.read_text() == written
