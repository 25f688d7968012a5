"""Valid manifests are read as meant, however they are spelled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from reconciler.identity import digest_manifest
from reconciler.manifests import Loaded
from reconciler.model.checks import Check
from reconciler.model.data import Example
from reconciler.model.desired import Desired, IgnoredDrift, Lifecycle, Removal, Replacement
from reconciler.model.endpoint import Serving
from reconciler.model.names import Address
from reconciler.model.permission import Permission
from reconciler.model.stack import DeclaredBase, Guards, Prices
from tests.manifests.conftest import KINDS

GOOD = Path(__file__).parent.parent / "cases" / "manifests" / "good"
CASES = sorted(path.stem for path in GOOD.glob("*.yaml"))

Load = Callable[..., Loaded]


def _take(case: str, workspace: Path, text: str | None = None) -> None:
    content = (GOOD / f"{case}.yaml").read_bytes() if text is None else text.encode()
    (workspace / "manifests" / "case.yaml").write_bytes(content)


def _only(loaded: Loaded) -> Desired:
    (desired,) = loaded.desired
    return desired


def _digest(model: Desired) -> str:
    return digest_manifest(model, KINDS[model.address.kind])


@pytest.mark.parametrize("case", CASES)
def test_good_manifest(case: str, workspace: Path, load_manifests: Load) -> None:
    """Every good case loads, and each attribute of each model has a place."""
    _take(case, workspace)
    loaded = load_manifests()
    assert loaded.desired or loaded.removals
    for manifest in loaded.desired:
        assert set(manifest.attributes) <= set(manifest.places)
        assert manifest.data or manifest.imports or manifest.id or manifest.address.kind == "ModelCopy"
        for data in manifest.data[:1]:
            assert data.field != "training_data" or "tuning_task.training_data" in manifest.places


def test_a_stable_endpoint_arrives(workspace: Path, load_manifests: Load) -> None:
    """Every key of `serving` arrives in the model, and what is absent has its default."""
    _take("tuning-job", workspace)
    served = {one.address.name: one.serving for one in load_manifests().desired}
    assert served == {
        "bot": None,
        "preferred": None,
        "served": Serving("support", "us", timedelta(seconds=90), adopt=True, allow_interruption=True),
        "served-too": Serving("sales", "", timedelta(seconds=60), checkpoint="3"),
        "served-best": Serving("best", checkpoint="best"),
        "served-last": Serving("last", checkpoint="last"),
    }


def test_what_is_served_is_part_of_the_manifest(workspace: Path, load_manifests: Load) -> None:
    """A change of the endpoint changes the digest that binds a saved plan; without one it is as ever."""
    text = (GOOD / "tuning-job.yaml").read_text()

    def digests(changed: str) -> dict[str, str]:
        _take("tuning-job", workspace, changed)
        return {one.address.name: _digest(one) for one in load_manifests().desired}

    before, after = digests(text), digests(text.replace("endpoint: sales", "endpoint: orders"))
    assert {name for name in before if before[name] != after[name]} == {"served-too"}


def test_everything(workspace: Path, load_manifests: Load) -> None:
    """Every key of the contract arrives in the model."""
    _take("everything", workspace)
    loaded = load_manifests()
    manifest = _only(loaded)
    assert manifest.address == Address("TunedModel", "number-generator")
    assert manifest.id == "number-generator-v1"
    assert manifest.labels == {"team": "search", "example.com/stage": "live"}
    assert manifest.attributes == {
        "base_model": "models/gemini-1.5-flash-001-tuning",
        "display_name": "number generator model",
        "description": "counts up",
        "temperature": 0.7,
        "top_p": 0.95,
        "top_k": 40,
        "reader_project_numbers": (123, 456),
        "tuning_task.hyperparameters.batch_size": 2,
        "tuning_task.hyperparameters.learning_rate": 0.001,
        "tuning_task.hyperparameters.epoch_count": 5,
    }
    assert manifest.permissions == (
        Permission("GROUP", "ml@example.com", "READER"),
        Permission("EVERYONE", "", "READER"),
    )
    assert manifest.lifecycle == Lifecycle(
        prevent_destroy=True,
        ignore_changes=("description", "display_name"),
        keep_deposed=timedelta(hours=24),
        ignore_drift=(IgnoredDrift("temperature", "experiment of search", "2027-01-31"),),
        replace=Replacement.DELETE_FIRST,
    )
    assert manifest.checks == (Check("LXIII", "LXIV"),)
    assert (manifest.file, manifest.line) == ("manifests/case.yaml", 1)
    assert manifest.places["temperature"] == (11, 16)
    assert manifest.places["tuning_task.hyperparameters.epoch_count"] == (16, 72)
    assert manifest.places["tuning_task.training_data"] == (17, 5)
    assert manifest.places["permissions"] == (20, 3)
    (data,) = manifest.data
    assert (data.examples, data.characters, data.inline) == (20, 61, ())
    assert (data.file, data.shown) == ("manifests/data/numbers.jsonl", "data/numbers.jsonl")
    assert (loaded.whole, loaded.files, loaded.warnings) == (True, ("manifests/case.yaml",), ())


def test_a_live_model_that_is_named_needs_no_data(workspace: Path, load_manifests: Load) -> None:
    """With metadata.import or metadata.id the data is optional, and the name is kept as written."""
    _take("import-without-data", workspace)
    found = {
        manifest.address.name: (manifest.imports, manifest.id, manifest.data)
        for manifest in load_manifests().desired
    }
    assert found == {
        "numbers": ("tunedModels/handmade", "handmade", ()),
        "pinned": ("", "pinned-v1", ()),
        "bot": ("projects/p/locations/us-central1/tuningJobs/5", None, ()),
        "preferred": ("6", None, ()),
    }


def test_both_spellings_mean_the_same(workspace: Path, load_manifests: Load) -> None:
    """snake_case and camelCase, in any order and style, give the same model with the same digest."""
    _take("everything", workspace)
    snake = _only(load_manifests())
    _take("everything-camel", workspace)
    camel = _only(load_manifests())
    assert _digest(camel) == _digest(snake)
    assert replace(camel, line=snake.line) == snake


@pytest.mark.parametrize(
    "change",
    [
        ("temperature: 0.7", "temperature: 0.8"),
        ("description: counts up", ""),
        ("role: READER", "role: WRITER"),
        ("name: number-generator", "name: numbers"),
        ("id: number-generator-v1", "id: number-generator-v2"),
        ("team: search", "team: ads"),
        ("keep_deposed: 24h", "keep_deposed: 23h"),
        ("prevent_destroy: true", "prevent_destroy: false"),
        ("reason: experiment of search", "reason: another"),
        ('expect: "LXIV"', 'expect: "64"'),
        ("epoch_count: 5", "epoch_count: 6"),
    ],
)
def test_the_digest_tells_changes(change: tuple[str, str], workspace: Path, load_manifests: Load) -> None:
    """Every change beside the data changes the manifest's digest."""
    text = (GOOD / "everything.yaml").read_text()
    assert change[0] in text
    _take("everything", workspace)
    before = _digest(_only(load_manifests()))
    _take("", workspace, text.replace(*change))
    assert _digest(_only(load_manifests())) != before


def test_the_digest_is_of_meaning(workspace: Path, load_manifests: Load) -> None:
    """Comments and the data's path change no digest. The data has its own digest."""
    text = (GOOD / "everything.yaml").read_text()
    _take("everything", workspace)
    before = _only(load_manifests())
    (workspace / "manifests" / "moved.jsonl").write_bytes(
        (workspace / "manifests" / "data" / "numbers.jsonl").read_bytes()
    )
    _take("", workspace, "# moved\n" + text.replace("data/numbers.jsonl", "moved.jsonl"))
    after = _only(load_manifests())
    assert _digest(after) == _digest(before)
    assert after.data[0].digest == before.data[0].digest
    assert after.data[0].file == "manifests/moved.jsonl"


@pytest.mark.parametrize("case", ["tutorial-curl", "tutorial-curl-camel", "tutorial-curl-tabs"])
def test_the_tutorials_curl_body(case: str, workspace: Path, load_manifests: Load) -> None:
    """The body of Google's curl tutorial works under spec unchanged: commas, quotes, tabs."""
    _take(case, workspace)
    loaded = load_manifests()
    manifest = _only(loaded)
    assert manifest.attributes == {
        "display_name": "number generator model",
        "base_model": "models/gemini-1.0-pro-001",
        "tuning_task.hyperparameters.batch_size": 2,
        "tuning_task.hyperparameters.learning_rate": 0.001,
        "tuning_task.hyperparameters.epoch_count": 5,
    }
    assert manifest.data[0].examples == 15
    assert manifest.data[0].inline[0] == Example("1", "2")
    assert manifest.data[0].inline[-1] == Example("seven", "eight")
    (warning,) = loaded.warnings
    assert (warning.severity, warning.summary) == ("warning", "15 examples of training data")


def test_the_tutorials_python_body(workspace: Path, load_manifests: Load) -> None:
    """The tutorial's Python body works too and has the same examples."""
    _take("tutorial-curl", workspace)
    curl = _only(load_manifests())
    for case in ("tutorial-requests", "tutorial-requests-camel"):
        _take(case, workspace)
        manifest = _only(load_manifests())
        assert manifest.attributes["display_name"] == "number generator"
        assert manifest.attributes["tuning_task.hyperparameters.batch_size"] == 4
        assert manifest.data[0].digest == curl.data[0].digest
        assert manifest.data[0].shown == "inline"


def test_stack(workspace: Path, load_manifests: Load) -> None:
    """Every key of a Stack arrives, and its variables and lifecycle reach the models."""
    _take("stack", workspace)
    loaded = load_manifests()
    stack = loaded.stack
    assert (stack.name, stack.project, stack.location) == ("search-x1y2", "my-project", "us-central1")
    assert stack.endpoint == "https://generativelanguage.googleapis.com"
    assert stack.state == "gs://bucket/prefix"
    assert stack.variables["epochs"] == "5"
    assert stack.variables["protect"] == "true"
    assert stack.guards == Guards(3, 0)
    assert stack.prices == Prices(0.25, "EUR")
    assert stack.fail_on == ("unmanaged", "base_retired")
    assert stack.retire_within == timedelta(days=90)
    assert stack.base_models == (
        DeclaredBase("gemini-3.5-flash", None, "2027-08-01", or_later=True, place="manifests/case.yaml:22:7"),
        DeclaredBase("gemini-9", tunable=True, replacement="gemini-9.5", place="manifests/case.yaml:23:7"),
        DeclaredBase("gemini-8", tunable=False, place="manifests/case.yaml:26:7"),
    )
    assert (stack.file, stack.line) == ("manifests/case.yaml", 4)
    digits, numbers = loaded.desired
    assert numbers.attributes == {
        "base_model": "models/gemini-1.5-flash-001-tuning",
        "description": "${var.base} is gemini-1.5-flash-001-tuning",
        "tuning_task.hyperparameters.epoch_count": 5,
        "tuning_task.hyperparameters.learning_rate": 0.001,
    }
    kept = Lifecycle(prevent_destroy=True, ignore_changes=("description",), keep_deposed=timedelta(hours=2))
    assert digits.lifecycle == stack.lifecycle == kept
    assert numbers.lifecycle == replace(kept, keep_deposed=timedelta(0))
    assert digits.attributes == {"tuned_model_source.tuned_model": "TunedModel/numbers"}
    assert digits.data[0].digest == numbers.data[0].digest


def test_no_stack(workspace: Path, load_manifests: Load) -> None:
    """Without a Stack its defaults apply."""
    _take("everything", workspace)
    stack = load_manifests().stack
    assert (stack.name, stack.variables, stack.guards) == ("", {}, Guards())


def test_the_stacks_delete_first_is_for_pinned_ids(workspace: Path, load_manifests: Load) -> None:
    """The Stack's default delete_first applies only to models with a pinned id."""
    text = (GOOD / "stack.yaml").read_text().replace("keep_deposed: 2h,", "replace: delete_first,")
    _take("", workspace, text.replace("{name: digits}", "{name: digits, id: digits-1}"))
    digits, numbers = load_manifests().desired
    assert (digits.lifecycle.replace, numbers.lifecycle.replace) == ("delete_first", "candidate")


def test_words_stay_words(workspace: Path, load_manifests: Load) -> None:
    """YAML 1.1's booleans, dates, octals and sexagesimals stay text, and data is never converted."""
    _take("words", workspace)
    manifest = _only(load_manifests())
    assert manifest.address.name == "on"
    assert manifest.labels == {"no": "yes", "team": "off"}
    assert manifest.attributes["display_name"] == "no"
    assert manifest.attributes["description"] == "2027-01-31"
    assert manifest.data[0].inline == (
        Example("no", "yes"),
        Example("0755", "1:30:00"),
        Example("${var.undefined}", "$${"),
        Example("  kept  ", "\ttab\u2028\x85\0"),
        Example("two\nlines\n", "1_000"),
    )
    assert manifest.checks == (Check("on", "12e03x"),)


def test_anchors(workspace: Path, load_manifests: Load) -> None:
    """Anchors, aliases and merge keys work, and the mapping's own keys win."""
    _take("anchors", workspace)
    manifest = _only(load_manifests())
    assert manifest.attributes["display_name"] == "numbers"
    assert manifest.lifecycle == Lifecycle(keep_deposed=timedelta(hours=1))
    assert manifest.permissions == ()
    assert manifest.checks == (Check("1", "2"), Check("3", "2"))


def test_variables_reach_through_aliases(workspace: Path, load_manifests: Load) -> None:
    """A variable inside an anchor is replaced wherever an alias or a merge uses it."""
    text = (GOOD / "anchors.yaml").read_text()
    text = text.replace("&name numbers", '&name "${var.name}"').replace(
        'prompt: "1"', "prompt: '${var.name}'"
    )
    text = text.replace('prompt: "3"', 'prompt: "${var.name}3"').replace(
        'expect: "2"', "expect: '${var.name}'"
    )
    _take("", workspace, text)
    manifest = _only(load_manifests(variables={"name": "numbers"}))
    assert (manifest.address.name, manifest.attributes["display_name"]) == ("numbers", "numbers")
    assert manifest.checks == (Check("numbers", "numbers"), Check("numbers3", "numbers"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: "\ufeff" + text, "byte order mark"),
        (lambda text: text.replace("\n", "\r\n"), "CRLF"),
        (lambda text: "%YAML 1.2\n---\n" + text + "...\n", "directive and end marker"),
        (lambda text: text + "---\n---\n# nothing\n--- ~\n", "empty documents"),
        (lambda text: text.rstrip("\n"), "no line end at the end"),
        (lambda text: text.replace(": ", ":   "), "more spaces"),
        (
            lambda text: (
                text.replace(" 0.7\n", " !!str 0.7\n")
                .replace("temperature", "description")
                .replace("  description: counts up\n", "")
            ),
            "a tag that is known",
        ),
    ],
)
def test_harmless(change: Callable[[str], str], why: str, workspace: Path, load_manifests: Load) -> None:
    """A byte order mark, CRLF, directives, markers and empty documents change nothing."""
    _take("", workspace, change((GOOD / "everything.yaml").read_text()))
    assert _only(load_manifests()).data[0].examples == 20, why


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0", 0.0), ("1", 1.0), ("1.0", 1.0), (".5", 0.5), ("5e-1", 0.5), ("5.E-1", 0.5), ("+0.25", 0.25),
        ("0.1e+1", 1.0), ("0x1", 1.0), ("0o1", 1.0), ("0.30000001192092896", 0.30000001192092896),
    ],
)  # fmt: skip
def test_numbers(written: str, value: float, workspace: Path, load_manifests: Load) -> None:
    """Every way in which YAML 1.2 writes a number is read as that number."""
    _take(
        "",
        workspace,
        (GOOD / "everything.yaml").read_text().replace("temperature: 0.7", f"temperature: {written}"),
    )
    assert _only(load_manifests()).attributes["temperature"] == value


@pytest.mark.parametrize("name", ["a", "a-", "a--b", "a" * 31, "x9"])
def test_names(name: str, workspace: Path, load_manifests: Load) -> None:
    """A name has 1 to 31 characters of [a-z0-9-] and begins with a letter."""
    text = (GOOD / "everything.yaml").read_text().replace("name: number-generator", f"name: {name}")
    _take("", workspace, text)
    assert _only(load_manifests()).address.name == name


def test_a_limit_is_still_allowed(workspace: Path, load_manifests: Load) -> None:
    """The limits themselves are allowed.

    Those are 40 characters of display name, 40,000 of input, 5,000 of output, and 20 examples.
    """
    text = (GOOD / "everything.yaml").read_text()
    _take("", workspace, text.replace("number generator model", "é" * 40))
    rows = [
        f'{{"text_input": "{"六" * 40_000}", "output": "{"x" * 5_000}"}}',
        '{"text_input": "", "output": " "}',
    ]
    (workspace / "manifests" / "data" / "numbers.jsonl").write_text("\n".join(rows * 10))
    loaded = load_manifests()
    # Each of the 18 repeats another.
    assert [warning.summary[:8] for warning in loaded.warnings] == ["18 of 20"]
    assert _only(loaded).data[0].characters == 450_010


def test_removed(workspace: Path, load_manifests: Load) -> None:
    """Each document of kind Removed names an address, and says whether to delete. Its own name is free."""
    _take("removed", workspace)
    loaded = load_manifests()
    file = "manifests/case.yaml"
    assert loaded.desired == ()
    assert loaded.removals == (
        Removal(Address("TunedModel", "old-bot"), destroy=False, file=file, line=1),
        Removal(Address("TuningJob", "support-2025"), destroy=True, file=file, line=8),
    )
