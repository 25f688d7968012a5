"""A folder as a user has it: manifests/ below the working directory, with a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from reconciler.cli.apis import list_kinds
from reconciler.errors import Diagnostic, ManifestError, Severity
from reconciler.manifests import Loaded
from reconciler.manifests.loading import load
from reconciler.providers.vertex.fields import MODEL_COPY

KINDS = {**list_kinds(), MODEL_COPY.name: MODEL_COPY}

Load = Callable[..., Loaded]
Refused = Callable[..., list[Diagnostic]]


@pytest.fixture
def cases() -> Path:
    """The folder with the case files."""
    return Path(__file__).parent.parent / "cases" / "manifests"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with manifests/data/numbers.jsonl of 20 examples."""
    data = tmp_path / "manifests" / "data"
    (data / "folder.jsonl").mkdir(parents=True)
    rows = (f'{{"text_input": "{number}", "output": "{number + 1}"}}\n' for number in range(20))
    (data / "numbers.jsonl").write_text("".join(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def load_manifests(workspace: Path) -> Load:
    """Call `load` on the folder, or on the given paths, with the product's kinds."""
    assert workspace.exists()

    def load_them(
        *paths: str, variables: Mapping[str, str] | None = None, allow_empty: bool = False
    ) -> Loaded:
        return load(paths or ["manifests"], kinds=KINDS, variables=variables or {}, allow_empty=allow_empty)

    return load_them


@pytest.fixture
def refused(load_manifests: Load) -> Refused:
    """The errors that loading raises."""

    def errors(*paths: str, variables: Mapping[str, str] | None = None) -> list[Diagnostic]:
        with pytest.raises(ManifestError) as caught:
            load_manifests(*paths, variables=variables)
        return [
            diagnostic for diagnostic in caught.value.diagnostics if diagnostic.severity is Severity.ERROR
        ]

    return errors
