"""A third API is added in the places that CONTRIBUTING names, and nowhere else, and lives a whole life.

The package is copied, the files of tests/third_api are put where they belong, and each list gets its lines.
Then the copy is used as anybody uses the program: through its command line.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import fork_server
from tests.limits import repeats
from tests.third_api.service import KEY, Aviary, serving

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent / "third_api"

NEW = {
    "reconciler/providers/parrot.py": HERE / "provider.py",
    "reconciler/manifests/parrot.py": HERE / "manifest.py",
}
LINES = {
    "reconciler/cli/apis.py": (
        (
            "from reconciler.providers.gemini.api import GEMINI\n",
            "from reconciler.providers.parrot import PARROTS\n",
        ),
        ("    VERTEX,\n", "    PARROTS,\n"),
    ),
    "reconciler/manifests/kinds.py": (("KINDS: Mapping[str, str] = {\n", '    "Parrot": "parrot",\n'),),
    "reconciler/settings/table.py": (
        (
            "_TABLE = (\n",
            """\
    Setting("PARROT_BASE_URL", "It is the endpoint of the parrots", forms.parse_api_address),
    Setting("PARROT_KEY", "", forms.parse_secret, secret=True),
""",
        ),
    ),
}
"""The lines that each file gets, each with (the beginning of) the line that they follow or precede."""

MANIFEST = """\
apiVersion: reconciler/v1
kind: Parrot
metadata: {name: polly}
spec:
  base_model: macaw
  display_name: Polly
  rounds: ROUNDS
  training_data: ../pairs.jsonl
checks:
  - {prompt: "3", expect: "4"}
lifecycle: {keep_deposed: 0s}
"""


@dataclass(frozen=True)
class Copy:
    """The program with a third API, and a project that uses it."""

    program: Path
    project: Path
    service: Aviary

    def run(self, *arguments: str, expect: int = 0, **environ: str) -> str:
        """Run a command; both of its streams."""
        process = fork_server.start(
            arguments,
            cwd=self.project,
            root=self.program,
            env={
                **fork_server.interpreter_environ(self.program),
                "PATH": os.environ["PATH"],
                "HOME": str(self.project),
                "PARROT_BASE_URL": self.service.url,
                "PARROT_KEY": KEY,
                "RECONCILER_LAG_SECONDS": "0",
                **environ,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            said = "".join(process.communicate(timeout=60))
        assert process.returncode == expect, said
        assert "Traceback" not in said
        return said

    def declare(self, rounds: int) -> None:
        """Write the manifest."""
        text = MANIFEST.replace("ROUNDS", str(rounds))
        (self.project / "manifests" / "polly.yaml").write_text(text, encoding="utf-8")


def extend(program: Path, *, without: str = "") -> None:
    """Add the API to a copy of the program, in the places that CONTRIBUTING names, but for one of them."""
    being_written = shutil.ignore_patterns("*.pyc.*")
    shutil.copytree(ROOT / "reconciler", program / "reconciler", ignore=being_written)
    for name, source in NEW.items():
        shutil.copy(source, program / name)
    for name, additions in LINES.items():
        if name == without:
            continue
        file = program / name
        text = file.read_text(encoding="utf-8")
        for anchor, lines in additions:
            assert text.count(anchor) == 1, anchor
            text = text.replace(anchor, anchor + lines if anchor.endswith("\n") else lines + anchor)
        file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with a third API."""
    made = tmp_path_factory.mktemp("program")
    extend(made)
    return made


@pytest.fixture
def copy(program: Path, tmp_path: Path) -> Iterator[Copy]:
    """A project of the extended program, with a service."""
    with project_of(program, tmp_path) as made:
        yield made


@contextlib.contextmanager
def project_of(program: Path, folder: Path) -> Iterator[Copy]:
    """A project of that program in a folder, with a service."""
    (folder / "manifests").mkdir()
    pairs = [{"text_input": str(number), "output": str(number + 1)} for number in range(20)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    with serving() as service:
        made = Copy(program, folder, service)
        made.declare(rounds=3)
        yield made


@pytest.mark.early
def test_it_lives_a_whole_life(copy: Copy) -> None:
    """Plan, apply, wait, drift, update, replace and destroy work.

    Each model trains once, and nothing is left.
    """
    aviary = copy.service
    assert "Plan: 1 to train." in copy.run("plan")
    assert aviary.sent == []
    copy.run("apply", "--auto-approve", "--no-wait")
    (first,) = aviary.trained
    assert first.startswith("polly-")
    copy.run("wait")
    assert aviary.parrots[first]["state"] == "ACTIVE"
    copy.run("plan", "--detailed-exitcode")
    assert copy.run("output", "Parrot/polly").strip() == f"parrots/{first}"

    aviary.parrots[first]["display_name"] = "Jack"
    assert "Jack" in copy.run("drift", expect=2)
    copy.run("apply", "--auto-approve")
    assert aviary.parrots[first]["display_name"] == "Polly"
    assert aviary.sent == ["POST /parrots", f"PATCH /parrots/{first}"]

    copy.declare(rounds=4)
    copy.run("apply", "--auto-approve")
    assert len(aviary.trained) == 2
    assert list(aviary.parrots) == [aviary.trained[1]]
    copy.run("destroy", "--auto-approve")
    assert aviary.parrots == {}
    assert len(aviary.trained) == 2
    assert aviary.sent[2:] == [
        "POST /parrots",
        f"DELETE /parrots/{first}",
        f"DELETE /parrots/{aviary.trained[1]}",
    ]


@pytest.mark.thorough
def test_its_credential_is_asked_for_and_never_shown(copy: Copy) -> None:
    """Without a key the advice is the API's own. A wrong key that the service repeats is not shown."""
    assert "Set PARROT_KEY." in copy.run("plan", expect=1, PARROT_KEY="")
    said = copy.run("plan", expect=1, PARROT_KEY="a-wrong-key")
    assert "the key [hidden] is not ours" in said
    assert "a-wrong-key" not in said


def test_the_embedded_emulator_does_not_serve_it(copy: Copy) -> None:
    """--emulator says that it does not serve this API, and sends no request."""
    assert "the emulator does not serve Parrot" in copy.run("plan", "--emulator", expect=1)
    assert copy.service.sent == []


def test_no_other_place_is_touched(program: Path) -> None:
    """Every other module of the program is unchanged, byte for byte."""
    before = {str(path.relative_to(ROOT)) for path in (ROOT / "reconciler").rglob("*.py")}
    after = {str(path.relative_to(program)) for path in (program / "reconciler").rglob("*.py")}
    assert after - before == NEW.keys()
    assert before <= after
    changed = {name for name in before if not filecmp.cmp(ROOT / name, program / name, shallow=False)}
    assert changed == LINES.keys()


@pytest.mark.parametrize("place", ["reconciler/cli/apis.py", *repeats("reconciler/manifests/kinds.py")])
def test_each_list_is_needed(tmp_path: Path, place: str) -> None:
    """Without its line in one of these lists, the kind is unknown."""
    extend(tmp_path / "program", without=place)
    with project_of(tmp_path / "program", tmp_path) as made:
        assert "error: kind is the text 'Parrot', which is not a known kind\n" in made.run("plan", expect=1)


def test_its_settings_are_checked(copy: Copy) -> None:
    """The row of a setting says what it is for when its value is wrong."""
    said = copy.run("plan", expect=1, PARROT_BASE_URL="nonsense")
    assert "PARROT_BASE_URL" in said
    assert "It is the endpoint of the parrots" in said


def test_contributing_names_these_places() -> None:
    """The table under "Add a third API" names each file that is touched, and no other file of the program."""
    text = (ROOT / "docs" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text.partition("## Add a third API\n")[2], flags=re.MULTILINE)[0]
    named = set(re.findall(r"^\| `(reconciler/[^`]+)`", section, re.MULTILINE))
    assert named == {name.replace("parrot", "NAME") for name in NEW} | LINES.keys()


def test_the_import_contracts_hold_with_it(program: Path) -> None:
    """An API may know of http, of the settings and of the core, and of no other API."""
    shutil.copy(ROOT / "pyproject.toml", program / "pyproject.toml")
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-cache",
        ],
        cwd=program,
        env={**os.environ, "PYTHONPATH": str(program)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
