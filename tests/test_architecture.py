"""Who imports whom, and what is imported when."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.bench.__main__ import make_environ, make_world, serve
from tests.bench.rows import Row

ROOT = pathlib.Path(__file__).parents[1]
HEAVY = {
    "boto3",
    "deepdiff",
    "google.auth",
    "msgspec",
    "obstore",
    "pydantic",
    "requests",
    "rich",
    "starlette",
    "urllib3",
    "uvicorn",
    "yaml",
}
"""Libraries that cost more to import than most commands take."""


def test_every_import_contract_is_kept() -> None:
    """No module imports what the contracts in pyproject.toml forbid it, and each has a row in the layers."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["plan", "--help"], {"msgspec"}),
        (["validate", "manifests"], {"msgspec", "pydantic", "yaml"}),
        (["schema"], {"msgspec", "pydantic", "yaml"}),
        (["state", "list"], {"msgspec", "pydantic", "yaml"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_pays_only_for_what_it_uses(arguments: list[str], allowed: set[str]) -> None:
    """A command that needs no service imports no library that only talking to one needs."""
    assert HEAVY & _list_imported(arguments, ROOT) <= allowed


def test_the_help_is_made_by_click(tmp_path: pathlib.Path) -> None:
    """The help imports few modules of ours, and none of the standard library's that only an error needs."""
    imported = _list_imported(["--help"], tmp_path)
    assert len(_select_ours(imported)) <= 11, sorted(imported)
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )  # a measurement of coverage imports some, too
    assert not {"difflib", "pathlib", "traceback"} & (imported - {*bare.stdout.split()})


def _select_ours(names: set[str]) -> list[str]:
    return sorted(name for name in names if name.partition(".")[0] == "reconciler")


def _list_imported(
    arguments: list[str], folder: pathlib.Path, environ: Mapping[str, str] | None = None
) -> set[str]:
    """List the modules that a command imports in a folder."""
    code = (
        "import sys, contextlib\n"
        "from reconciler.cli.app import main\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    main({arguments!r})\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True, check=True
    )
    return set(result.stderr.splitlines()[-1].split())


PLAIN = """\
apiVersion: reconciler/v1
kind: Stack
metadata: {name: shop}
spec: {project: acme, location: us-central1}
---
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: bot}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task:
    training_data: {examples: {examples: [{text_input: one, output: two}]}}
"""


def test_models_are_not_searched_for_garbage(tmp_path: pathlib.Path) -> None:
    """A command never searches two thousand models for garbage."""
    (tmp_path / "manifests").mkdir()
    models = (PLAIN.replace("name: bot", f"name: bot-{number}") for number in range(2000))
    stack, *_ = PLAIN.partition("---")
    text = stack + "".join("---" + one.partition("---")[2] for one in models)
    (tmp_path / "manifests" / "bots.yaml").write_text(text, encoding="utf-8")
    code = (
        "import atexit, gc, sys\n"
        "from reconciler.__main__ import main\n"
        "count = []\n"
        "gc.callbacks.append(lambda phase, _: count.append(phase))\n"
        "sys.argv[1:] = ['validate']\n"
        "atexit.register(lambda: print(len(count), file=sys.stderr))\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "2,000 models" in result.stdout
    assert result.stderr.splitlines()[-1] == "0"


def test_a_plan_with_nothing_to_do_imports_little(tmp_path: pathlib.Path) -> None:
    """What asks one API opens no other, and imports one heavy library beside that of our values."""
    row = Row("one", "one model", ("plan",), "models", 1)
    folder = tmp_path / "ours"
    with serve(0) as service:
        environ = make_environ(tmp_path, service.url)
        make_world(row, folder, service, environ)
        for command, ours in (("plan", 193), ("drift", 189), ("status", 204), ("show", 178)):
            imported = _list_imported([command], folder, environ)
            assert HEAVY & imported <= {"msgspec", "urllib3"}, command
            assert not {"reconciler.providers.vertex.provider", "sqlite3", "difflib"} & imported, command
            assert len(_select_ours(imported)) <= ours, (command, _select_ours(imported))


def test_an_apply_of_examples_in_manifests_reads_no_file_of_data(tmp_path: pathlib.Path) -> None:
    """They are sent without what reads data files."""
    row = Row("one", "one model", ("apply",), "new", 1)
    folder = tmp_path / "ours"
    with serve(0) as service:
        environ = make_environ(tmp_path, service.url)
        make_world(row, folder, service, environ)
        imported = _list_imported(["apply", "--auto-approve"], folder, environ)
    assert "reconciler.datasets.examples" in imported
    assert not {"reconciler.datasets.formats", "mmap"} & imported


BESIDE = """\
  top_k: ${var.number}
lifecycle: {prevent_destroy: true}
permissions:
  - {grantee_type: EVERYONE, role: READER}
checks:
  - {prompt: one, expect: two}
"""


def test_a_plain_manifest_needs_no_schema(tmp_path: pathlib.Path) -> None:
    """Validating one imports no heavy library but that of our values."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "bot.yaml").write_text(PLAIN, encoding="utf-8")
    imported = _list_imported(["validate"], tmp_path)
    assert HEAVY & imported <= {"msgspec"}
    more = imported - _list_imported(["--help"], tmp_path)
    assert len(_select_ours(more)) <= 90, sorted(more)
    assert len(more) <= 128, sorted(more)


def test_what_is_beside_the_spec_needs_no_schema(tmp_path: pathlib.Path) -> None:
    """Validating a manifest with all that may stand beside a spec imports no heavy library either."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "bot.yaml").write_text(
        PLAIN.replace(
            "us-central1}", "us-central1, variables: {number: '5'}, lifecycle: {keep_deposed: 2h}}"
        ).replace("{name: bot}", "{name: bot, moved_from: robot}")
        + BESIDE,
        encoding="utf-8",
    )
    assert HEAVY & _list_imported(["validate"], tmp_path) <= {"msgspec"}
