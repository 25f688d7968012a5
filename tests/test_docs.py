"""README.md and docs/ describe every command, option and variable, and nothing that does not exist."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date

import click
import pytest

from reconciler.cli import scaffold
from reconciler.cli.apis import list_kinds
from reconciler.cli.app import COMMANDS, cli
from reconciler.emulator import Settings
from reconciler.manifests.editor_schema import make_json_schema
from reconciler.manifests.loading import load
from reconciler.plan.status import Condition
from tests import fork_server
from tests.limits import repeats

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
README = TEXTS["README.md"]
EVERYTHING = "\n".join(TEXTS.values())
KINDS = list_kinds()
STEADY = {"RECONCILER_EMULATOR_SECONDS": "0.1", "RECONCILER_TODAY": "2026-11-29"}
"""Settings for commands whose output is compared. The emulator is fast, and no base model retires soon."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"\b(?:RECONCILER|GOOGLE|GEMINI|TF_HTTP|AWS|AZURE_STORAGE|STORAGE)_[A-Z0-9_]*\b")


def commands() -> Iterator[tuple[str, click.Command]]:
    """Each command with its full name, those of groups too."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {name}", child) for name, child in command.commands.items())


ALL = dict(commands())


def blocks(language: str) -> list[tuple[str, str]]:
    """The fenced blocks of a language: page and content."""
    return [
        (page, content)
        for page, text in TEXTS.items()
        for kind, content in FENCE.findall(text)
        if kind == language
    ]


def shell_lines() -> Iterator[tuple[str, list[str]]]:
    """Every call of reconciler in a shell block, or in a `run:` of a workflow: page and words."""
    for language in ("sh", "yaml"):
        for page, content in blocks(language):
            for line in content.splitlines():
                found = re.search(r"(?:^|run: |\| *)\s*reconciler (.*)", line)
                if found and not line.lstrip().startswith(("#", "name:")):
                    words = shlex.split(found[1], comments=True)
                    yield page, [word for word in words[: _end(words)] if word]


def _end(words: list[str]) -> int:
    return next((at for at, word in enumerate(words) if word in {"|", ">", "&&", "||"}), len(words))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_in_the_readme(name: str) -> None:
    """README's table names each command."""
    assert re.search(rf"^\| `{re.escape(name)}\b", README, re.MULTILINE)


@pytest.mark.parametrize("name", ALL)
def test_an_option_is_in_the_readme(name: str) -> None:
    """README names each option of each command, under each of its names."""
    options = {
        option for parameter in ALL[name].params for option in parameter.opts if option.startswith("-")
    }
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", README))
    assert options <= named


def test_the_readme_names_no_option_that_is_not_there() -> None:
    """An option in the tables of README is an option of some command."""
    known = {option for command in ALL.values() for parameter in command.params for option in parameter.opts}
    known |= {"--help", "-h", "--version"}
    tables = "\n".join(line for line in README.splitlines() if line.startswith("|") and "gcloud" not in line)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", tables)) <= known


@pytest.mark.parametrize(("page", "words"), list(shell_lines()), ids=lambda value: str(value)[:60])
def test_a_command_line_can_be_parsed(page: str, words: list[str]) -> None:
    """The program accepts every command line that the documents show."""
    name, rest = words[0], words[1:]
    if f"{name} {next(iter(rest), '')}" in ALL:
        name, rest = f"{name} {rest[0]}", rest[1:]
    assert name in ALL, f"{page}: reconciler {shlex.join(words)}"
    ALL[name].make_context(name, rest)


def test_a_good_part_of_the_documents_is_tried() -> None:
    """The tests above find the examples that they check."""
    assert len(list(shell_lines())) > 20
    assert len(manifests()) >= 2


def manifests() -> list[tuple[str, str]]:
    """The YAML blocks that are manifests."""
    return [(page, content) for page, content in blocks("yaml") if "apiVersion: reconciler/v1" in content]


SHOWN = re.compile(r"^(?:`([\w./-]+)`:\n\n)?```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""A fenced block: the name of the file that it shows, if any, the language, and the content."""
STORIES = {page for page, text in TEXTS.items() if re.search(r"^`[\w./-]+`:\n\n```", text, re.MULTILINE)}
"""Pages that show whole files. Their commands are run from beginning to end."""
FIRST_DAY = "docs/first-day.md"
"""The page whose commands `make test` runs. `make test-all` runs those of the other pages."""


@pytest.mark.parametrize(
    ("page", "content"),
    [(page, content) for page, content in manifests() if page not in STORIES],
    ids=lambda value: value[:20],
)
def test_a_manifest_can_be_loaded(page: str, content: str, tmp_path: pathlib.Path) -> None:
    """Every manifest that the documents show is valid without changes."""
    file = tmp_path / "shown.yaml"
    file.write_text(content, encoding="utf-8")
    loaded = load([str(file)], kinds=KINDS, variables={})
    assert loaded.desired or loaded.removals, page


def test_each_condition_is_explained() -> None:
    """The page on `status` says of each condition what it means and what to do."""
    rows = [line.split("|")[1] for line in TEXTS["docs/status.md"].splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert {str(condition) for condition in Condition} - named == set()


@pytest.mark.early
@pytest.mark.parametrize("page", [FIRST_DAY, *repeats(*sorted(STORIES - {FIRST_DAY}))])
def test_a_page_tells_what_happens(page: str, tmp_path: pathlib.Path) -> None:
    """With the files that a page shows, its commands print what it shows, in its order."""
    environ = {
        "PATH": os.pathsep.join((str(pathlib.Path(sys.executable).parent), os.environ["PATH"])),
        "HOME": str(tmp_path),
        **STEADY,
    }
    commands = 0
    for name, language, content in SHOWN.findall(TEXTS[page]):
        if name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content, encoding="utf-8")
        for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", content, re.MULTILINE):
            assert language == "text", content
            assert f"$ {command}\n{run_command(command, tmp_path, environ)}" == f"$ {command}\n{printed}"
            commands += 1
    assert commands


OURS = re.compile(
    r"(?P<settings>(?:[A-Z_]+=\S+ )*)reconciler(?P<words>[^|&;<>$`*?]*?)"
    r"(?P<error> 2>&1| 2>/dev/null)?(?: \| (?P<filter>.+)|(?P<to> > \S+ 2>&1))?"
)
"""A line that runs our command first, and at most filters what it prints or writes it to a file."""
STREAMS = {" 2>&1": subprocess.STDOUT, " 2>/dev/null": subprocess.DEVNULL}


def run_command(command: str, folder: pathlib.Path, environ: dict[str, str]) -> str:
    """Run a line as a shell does, and return the output. Our command is forked. A shell runs the rest."""
    found = OURS.fullmatch(command)
    if not found:
        return run_in_shell(command, "", folder, environ)
    settings = dict(setting.split("=", 1) for setting in found["settings"].split())
    with fork_server.start(
        shlex.split(found["words"]),
        cwd=folder,
        env={**environ, **settings, **fork_server.interpreter_environ()},
        stdout=subprocess.PIPE,
        stderr=STREAMS.get(found["error"], subprocess.PIPE if found["filter"] else subprocess.STDOUT),
    ) as process:
        out, told = process.communicate(timeout=60)
    if found["to"]:
        return run_in_shell(f"cat{found['to']}", out, folder, environ)
    if found["filter"]:
        return (told or "") + run_in_shell(found["filter"], out, folder, environ)
    return out


def run_in_shell(command: str, given: str, folder: pathlib.Path, environ: dict[str, str]) -> str:
    """Run a command of other programs, and return what both streams print."""
    return subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environ,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    ).stdout


def test_data_is_brought_from_everywhere() -> None:
    """The pages about training data, money and the first day are among those whose commands are run."""
    assert {"docs/data.md", "docs/money.md", "docs/first-day.md"} <= STORIES


def test_the_manifests_of_the_demo_are_what_they_say() -> None:
    """manifests/ has the tutorial's two models, with 15 examples each, and two of some hundred examples."""
    loaded = load([str(ROOT / "manifests")], kinds=KINDS, variables={})
    counts = {manifest.address.name: manifest.data[0].examples for manifest in loaded.desired}
    assert counts["number-generator-model"] == counts["number-generator"] == 15
    assert counts["roman-numerals"] == 399
    assert counts["support-triage"] > 200
    assert loaded.stack.name


@pytest.mark.parametrize("page", TEXTS)
def test_a_link_leads_somewhere(page: str) -> None:
    """A relative link names a file of the repository, and an anchor one of its headings."""
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


NAMED_BASE = re.compile(
    r"(?<![\w.-])(models/|publishers/google/models/)?(gemini-\d+(?:\.\d+)?(?:-[a-z0-9]+)*)"
)


def list_texts(folder: pathlib.Path) -> dict[str, str]:
    """Every text of ours that a user meets: documents, the demo, and what the program writes and says.

    Left out is the emulator, which says for itself what it serves. The tables of base models are no Python.
    """
    files = [*PAGES, *sorted((ROOT / "manifests").rglob("*.yaml")), ROOT / ".ci" / "demo", ROOT / "Makefile"]
    files += [
        path
        for path in sorted((ROOT / "reconciler").rglob("*.py"))
        if "emulator" not in path.relative_to(ROOT).parts
    ]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in files}
    for kind in scaffold.STARTERS:
        for path, _ in scaffold.write_manifests(folder / kind, kind, {}):
            if path.suffix == ".yaml":
                texts[f"init --kind {kind}: {path.name}"] = path.read_text(encoding="utf-8")
    return texts | {"schema": json.dumps(make_json_schema())}


def explain_bad_base(text: str, prefix: str | None, name: str) -> str:
    """Say why a text must not name a base model; "" if it may.

    One for tuning jobs can be tuned on the newest day of the table. A model of the Gemini API (models/…)
    cannot; it is shown only where the text says that it is the tutorial's or what the emulator serves.
    """
    if prefix == "models/":
        is_told = re.search(r"tutorial|emulator\s+(?:#\s+)?(?:still\s+)?serves|served by the emulator", text)
        return "" if "kind: TunedModel" in text and is_told else "it is not said to be the tutorial's"
    newest = max(date.fromisoformat(row.read) for kind in KINDS.values() for row in kind.bases.values())
    row = KINDS["TuningJob"].bases.get(name)
    if row is None:
        return "the table does not know it"
    return "" if row.tunable and not row.is_retired(newest) else "it has retired, or cannot be tuned"


def find_bad_bases(text: str) -> list[tuple[str, str]]:
    """Find the base models that a text must not name, each with the reason. A line may tell of an end."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if "retire" in line or re.search(r"20\d\d-\d\d-\d\d", line):
            continue
        named = (
            (match[0], explain_bad_base(text, match[1], match[2])) for match in NAMED_BASE.finditer(line)
        )
        found += [(name, why) for name, why in named if why]
    return found


def test_nothing_of_ours_names_a_base_model_that_has_retired(tmp_path: pathlib.Path) -> None:
    """No document, example, default, help text, schema or first manifest stands on what is over."""
    texts = list_texts(tmp_path)
    assert {page: bad for page, text in texts.items() if (bad := find_bad_bases(text))} == {}
    named = [page for page, text in texts.items() if NAMED_BASE.search(text)]
    assert {"README.md", "init --kind TuningJob: number-generator.yaml"} <= set(named)
    assert len(named) > 5


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("base_model: gemini-3.1-flash-lite", []),
        ("base_model: publishers/google/models/gemini-3.5-flash", []),
        ("base_model: gemini-2.5-flash", ["gemini-2.5-flash"]),
        ("base_model: gemini-3.8-flash", ["gemini-3.8-flash"]),
        ("base_model: gemini-99-flash", ["gemini-99-flash"]),
        ("gemini-2.5-flash retired on 20 October 2026", []),
        ("| gemini-2.5-flash | 2026-10-20 |", []),
        ("kind: TunedModel\nmodels/gemini-1.0-pro-001", ["models/gemini-1.0-pro-001"]),
        ("# of the tutorial\nkind: TunedModel\nmodels/gemini-1.0-pro-001", []),
        ("# of the tutorial\nkind: TuningJob\nmodels/gemini-1.0-pro-001", ["models/gemini-1.0-pro-001"]),
    ],
)  # fmt: skip
def test_a_base_model_that_is_over_is_found(text: str, bad: list[str]) -> None:
    """The test above finds a base model that must not be named."""
    assert [name for name, _ in find_bad_bases(text)] == bad


def test_the_emulator_tunes_what_lives() -> None:
    """What the emulator takes for a tuning job unless it is told otherwise can be tuned by the table too."""
    bases, settings = KINDS["TuningJob"].bases, Settings()
    living = {base for base in settings.vertex_tunable if base not in settings.vertex_retires}
    assert living
    assert {base for base in living if not bases[base].tunable} == set()


def test_the_readme_leads_with_what_can_be_tuned() -> None:
    """The first manifest of README is a TuningJob on the example that all documents share."""
    page, content = next(manifest for manifest in manifests() if manifest[0] == "README.md")
    assert "kind: TuningJob" in content, page
    assert "base_model: gemini-3.1-flash-lite\n" in content, page


def test_a_make_target_exists() -> None:
    """Every `make …` in the documents is a target of the Makefile, and `make help` lists each target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert targets == set(phony[1].split())
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", EVERYTHING, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_every_environment_variable_is_told() -> None:
    """README or docs/ name every variable that the code reads, and no other."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "reconciler").rglob("*.py")))
    used = {name for name in VARIABLE.findall(code) if not name.endswith("_")}
    told = {name for name in VARIABLE.findall(EVERYTHING) if not name.endswith("_")}
    assert used - told == set()
    composed = {f"TF_HTTP_{name}" for name in re.findall(r'"([A-Z_]+)"', code)}
    assert told - used - composed == set()


SHOWN_STACK = """\
apiVersion: reconciler/v1
kind: Stack
metadata: {name: search}
spec:
  project: demo
  location: us-central1
  bucket: gs://demo-data
  prices: {per_1000_characters: 0.002, currency: USD}
"""
SHOWN_MODEL = """\
---
apiVersion: reconciler/v1
kind: TuningJob
metadata: {name: NAME}
spec:
  base_model: gemini-3.1-flash-lite
  supervised_tuning_spec:
    training_dataset_uri: data/roman-numerals.jsonl
    hyper_parameters: {epoch_count: EPOCHS}
checks:
  - {prompt: LXIII, expect: LXIV}
"""


def test_the_plan_in_the_readme_is_the_plan_that_is_printed(tmp_path: pathlib.Path) -> None:
    """README shows the plan of a model whose epochs were raised, and of a second model that is new."""

    def run(*words: str) -> str:
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **STEADY}
        command = [sys.executable, "-m", "reconciler", *words, "--emulator"]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
        return done.stdout

    def declare(**epochs: int) -> None:
        models = [
            SHOWN_MODEL.replace("NAME", name).replace("EPOCHS", str(count)) for name, count in epochs.items()
        ]
        (tmp_path / "manifests" / "models.yaml").write_text(SHOWN_STACK + "".join(models), encoding="utf-8")

    shutil.copytree(ROOT / "manifests" / "data", tmp_path / "manifests" / "data")
    declare(roman=3)
    run("apply", "--auto-approve")
    declare(roman=5, numerals=2)
    (_, block), *_ = blocks("text")
    assert block == "$ reconciler plan --emulator\n" + run("plan")


@pytest.mark.parametrize("page", [*TEXTS, "SECURITY.md"])
def test_a_line_is_short(page: str) -> None:
    """A document can be read where it lies: no line is over 120 characters, but for a line of JSONL."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120 and not line.startswith('{"')] == []
