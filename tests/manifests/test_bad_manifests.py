"""Every manifest in cases/manifests/bad has the expected errors.

A case begins with its errors, one a comment line: `# LINE:COLUMN message`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import Diagnostic

BAD = Path(__file__).parent.parent / "cases" / "manifests" / "bad"
CASES = sorted(path.stem for path in BAD.glob("*.yaml"))

Refused = Callable[..., list[Diagnostic]]


@pytest.mark.parametrize("case", CASES)
def test_bad_manifest(case: str, workspace: Path, refused: Refused) -> None:
    """Loading finds exactly the problems of the case, at their places, each with advice."""
    text = (BAD / f"{case}.yaml").read_text(encoding="utf-8")
    expected = re.findall(r"^# (\d+:\d+) (.*)$", text, re.MULTILINE)
    (workspace / "manifests" / "case.yaml").write_text(text, encoding="utf-8", newline="")
    found = refused()
    assert [f"{problem.line}:{problem.column}" for problem in found] == [place for place, _ in expected]
    for problem, (_, said) in zip(found, expected, strict=True):
        assert said in problem.summary
        assert problem.detail
        assert problem.file == "manifests/case.yaml"


@pytest.mark.parametrize(
    ("case", "advice"),
    [
        ("job-adapter-number", "Write ADAPTER_SIZE_FOUR."),
        ("job-adapter-unknown", "Write one of these."),
        ("job-uri-of-folder", "write gs://bucket/folder/NAME.jsonl."),
        ("job-uri-of-wildcard", "join the files into one .jsonl"),
        ("stack-bucket-malformed", "Write gs://my-bucket."),
        ("stack-zone", "Write the zone's region: us-central1."),
        ("name-upper-case", "Write numbers."),
        ("job-stack-location", "or europe-west4, into metadata.location or the Stack."),
        ("key-misspelled", "Did you mean spec?"),
        ("base-model-misspelled", "Did you mean base_model?"),
        ("data-misspelled", "Did you mean training_data?"),
        ("copy-no-source", "Add source: {address: KIND/NAME}"),
        ("copy-source-text", "Write source: {address: "),
        ("serving-no-endpoint", "Add endpoint: ID."),
        ("removed-without-destroy", "Write destroy: true to delete"),
    ],
)
def test_the_advice_is_what_to_write(case: str, advice: str, workspace: Path, refused: Refused) -> None:
    """The advice has the right value if only one is possible, and otherwise does not guess."""
    (workspace / "manifests" / "case.yaml").write_bytes((BAD / f"{case}.yaml").read_bytes())
    assert any(advice in problem.detail for problem in refused())


def test_a_key_of_the_other_kind_names_that_kind(workspace: Path, refused: Refused) -> None:
    """The error for a key that belongs to the other kind names that kind."""
    for kind, other, key in (
        ("TunedModel", "TuningJob", "supervised_tuning_spec"),
        ("TuningJob", "TunedModel", "tuning_task"),
    ):
        text = f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec:\n  {key}: {{}}\n"
        (workspace / "manifests" / "case.yaml").write_text(text)
        advice = [
            problem.detail for problem in refused() if f"spec.{key} is not a key here" in problem.summary
        ]
        assert advice == [f"It is a key of kind: {other}."]


def test_there_are_many() -> None:
    """The corpus has at least 150 bad inputs."""
    assert len(CASES) >= 150


@pytest.mark.parametrize("case", ["spec-unknown-key", "name-upper-case", "data-example-number"])
def test_a_model_is_named(case: str, workspace: Path, refused: Refused) -> None:
    """A problem inside a named document has that document's address."""
    (workspace / "manifests" / "case.yaml").write_bytes((BAD / f"{case}.yaml").read_bytes())
    name = "Numbers" if case == "name-upper-case" else "numbers"
    assert {problem.address for problem in refused()} == {f"TunedModel/{name}"}


def test_problems_of_all_files_are_sorted(workspace: Path, refused: Refused) -> None:
    """Problems of several files are reported together, by file, line and column."""
    for number, case in enumerate(("several-files-worth", "stack-region", "syntax-tab-indentation")):
        text = (BAD / f"{case}.yaml").read_text()
        (workspace / "manifests" / f"{number}.yaml").write_text(text)
    found = refused()
    places = [(problem.file or "", problem.line or 0, problem.column or 0) for problem in found]
    assert places == sorted(places)
    assert len({file for file, *_ in places}) == 3


def test_a_credential_is_not_repeated(workspace: Path, refused: Refused) -> None:
    """An endpoint that holds a password is refused without printing it."""
    (workspace / "manifests" / "case.yaml").write_bytes((BAD / "stack-endpoint-credential.yaml").read_bytes())
    assert "secret" not in " ".join(str(problem) for problem in refused())
