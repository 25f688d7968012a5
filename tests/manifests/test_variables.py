"""Variables: where they come from, which value wins, and which fields they may fill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.errors import Diagnostic, UsageError
from reconciler.identity import digest_manifest
from reconciler.manifests import Loaded, parse_variables
from reconciler.manifests.substitution import Substituted, substitute
from reconciler.model.checks import HeldOut
from reconciler.providers.gemini.fields import TUNED_MODEL

Load = Callable[..., Loaded]
Refused = Callable[..., list[Diagnostic]]

MODEL = """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: numbers}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  description: "${var.value}"
  tuning_task: {training_data: {file: data/numbers.jsonl}}
"""
STACK = (
    "---\napiVersion: reconciler/v1\nkind: Stack\nmetadata: {name: s}\nspec: {variables: {value: stack}}\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${var.a}", "1"),
        ("x${var.a}y${var.b}z", "x1y22z"),
        ("${ var.a }", "1"),
        ("$${var.a}", "${var.a}"),
        ("$$${var.a}", "$${var.a}"),
        ("$${${var.a}}", "${1}"),
        ("$var.a $(a) $ {", "$var.a $(a) $ {"),
        ("${var.tricky}", "${var.a}"),
        ("support-${workspace}", "support-default"),
        ("${ workspace }-$${workspace}", "default-${workspace}"),
    ],
)
def test_substitute(text: str, expected: str) -> None:
    """A reference is replaced once, a value is not expanded again, and $${ is a literal ${."""
    found, problems = substitute(text, {"a": "1", "b": "22", "tricky": "${var.a}"})
    assert (found, problems) == (expected, ())
    assert type(found) is Substituted


@pytest.mark.parametrize(
    "text",
    [
        "${a}",
        "${workspaces}",
        "${workspace.a}",
        "${var.}",
        "${var.a.b}",
        "${}",
        "${",
        "${var.a",
        "${\n}",
        "${var.1}",
    ],
)
def test_no_reference(text: str) -> None:
    """Any other text after ${ is a problem, and stays unchanged."""
    found, problems = substitute(text, {"a": "1"})
    assert found == text
    assert len(problems) == 1
    assert problems[0][1] == "Write ${var.NAME} or ${workspace}, or $${ for a literal ${."


def test_precedence(tmp_path: Path) -> None:
    """Flags win over files, and files over the environment. In each group the later value wins."""
    first, second = tmp_path / "first.yaml", tmp_path / "second.env"
    first.write_text("{a: first, b: first, c: first, n: 5, t: true, f: 0.50}\n")
    second.write_text("# comment\n\nb=second\nexport c = 'second one'\n")
    environ = {f"RECONCILER_VAR_{name}": "environment" for name in "abcd"} | {
        "HOME": "/root",
        "RECONCILER_VAR_": "",
    }
    found = parse_variables(["a=x", "a=flag=1", "e="], [str(first), str(second)], environ)
    assert found == {
        "a": "flag=1", "b": "second", "c": "second one", "d": "environment", "e": "",
        "n": "5", "t": "true", "f": "0.50",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [1]\n", ":1:1: a is not a single value"),
        ("a: {b: 1}\n", ":1:1: a is not a single value"),
        ("a: 1\na: 2\n", ":2:1: duplicate key 'a'"),
        ("a:\n", ":1:1: a has no value"),
        ("- a\n", ": not variables"),
        ("text\n", ": not variables"),
        ("a: 1\n---\nb: 2\n", ":3:1: a variables file is one document"),
        ("a: [\n", ":2:1: a value is missing"),
        ("a.b: 1\n", "'a.b' is not a variable's name"),
        ("a: *b\n", ":1:4: the alias *b has no anchor"),
        ("a: b\x00\n", ":1:5: the control character U+0000"),
        (b"a: \xff\n", ":1:4: the file is not UTF-8"),
    ],
)
def test_bad_files(content: str | bytes, said: str, tmp_path: Path) -> None:
    """An invalid variables file is a usage error with its place."""
    path = tmp_path / "vars"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match="vars") as caught:
        parse_variables([], [str(path)], {})
    assert said in str(caught.value)
    assert caught.value.detail or "one document" in said


def test_missing_file(tmp_path: Path) -> None:
    """A missing variables file is a usage error that names it."""
    with pytest.raises(UsageError, match="there is no such file"):
        parse_variables([], [str(tmp_path / "nowhere")], {})


@pytest.mark.parametrize("flag", ["a", "=1", "a b=1", "a.b=1", "1a=1", "é=1", ""])
def test_bad_flags(flag: str) -> None:
    """A flag that is not NAME=VALUE is a usage error."""
    with pytest.raises(UsageError) as caught:
        parse_variables([flag], [], {})
    assert caught.value.detail


def test_the_command_line_wins_over_the_stack(workspace: Path, load_manifests: Load) -> None:
    """A variable on the command line replaces the Stack's default."""
    (workspace / "manifests" / "a.yaml").write_text(MODEL + STACK)
    assert load_manifests().desired[0].attributes["description"] == "stack"
    given = load_manifests(variables={"value": "given"})
    assert given.desired[0].attributes["description"] == "given"
    one, other = (digest_manifest(found.desired[0], TUNED_MODEL) for found in (given, load_manifests()))
    assert one != other


def test_all_three_ways_are_named(workspace: Path, refused: Refused) -> None:
    """The error for an undefined variable names all three ways to set it."""
    (workspace / "manifests" / "a.yaml").write_text(MODEL)
    (found,) = refused()
    for way in ("--var value=", "--var-file", "RECONCILER_VAR_value", "spec.variables"):
        assert way in found.detail


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_the_field_decides_the_type(quote: str, workspace: Path, load_manifests: Load) -> None:
    """In a number, boolean or duration field a variable takes that type, quoted or not.

    In a text field it is text.
    """
    (workspace / "manifests" / "a.yaml").write_text(
        MODEL.replace('"', quote).replace(
            "  tuning_task", f"  top_k: {quote}${{var.k}}{quote}\n  tuning_task"
        )
        + f"lifecycle:\n  prevent_destroy: {quote}${{var.yes}}{quote}\n"
        + f"  keep_deposed: {quote}${{var.k}}m{quote}\n"
    )
    (manifest,) = load_manifests(variables={"value": "5", "k": "40", "yes": "true"}).desired
    assert manifest.attributes["description"] == "5"
    assert manifest.attributes["top_k"] == 40
    assert manifest.lifecycle.prevent_destroy is True
    assert manifest.lifecycle.keep_deposed == timedelta(minutes=40)


@pytest.mark.parametrize("written", ["0.75", '"0.75"', '"${var.share}"'])
def test_the_share_of_a_check(written: str, workspace: Path, load_manifests: Load) -> None:
    """The share of right answers that a check asks for is a number, in quotes or not, or a variable."""
    (workspace / "manifests" / "a.yaml").write_text(
        MODEL.replace("${var.value}", "text")
        + f"checks: [{{file: data/numbers.jsonl, at_least: {written}}}]\n"
    )
    (desired,) = load_manifests(variables={"share": "0.75"}).desired
    (check,) = desired.checks
    assert isinstance(check, HeldOut)
    assert check.at_least == 0.75


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("many", "must be a whole number, not the text 'many'"),
        ("040", "must be a whole number, not the text '040'"),
        ("", "must be a whole number, not the text ''"),
        ("~", "must be a whole number, not the text '~'"),
        ("4.5", "must be a whole number, not the number 4.5"),
        ("0", "is 0, below 1"),
        ("[1]", "must be a whole number, not the text '[1]'"),
    ],
)
def test_a_variable_is_checked_like_anything(
    value: str, said: str, workspace: Path, refused: Refused
) -> None:
    """A value of the wrong type is an error at its place of use. YAML in a value is only text."""
    (workspace / "manifests" / "a.yaml").write_text(MODEL.replace("description", "top_k"))
    (found,) = refused(variables={"value": value})
    assert (found.line, found.column) == (6, 10)
    assert said in found.summary


def test_a_data_path_may_hold_a_variable(workspace: Path, load_manifests: Load, refused: Refused) -> None:
    """A variable may choose the data set, inside the work tree only."""
    text = MODEL.replace("data/numbers.jsonl", '"data/${var.value}.jsonl"')
    (workspace / "manifests" / "a.yaml").write_text(text)
    assert load_manifests(variables={"value": "numbers"}).desired[0].data[0].shown == "data/numbers.jsonl"
    (found,) = refused(variables={"value": "../../../etc/passwd"})
    assert "leads out of the working directory" in found.summary


def test_an_endpoint_may_be_named_after_the_workspace(workspace: Path, load_manifests: Load) -> None:
    """`${workspace}` in serving.endpoint is the workspace of the state."""
    (workspace / "manifests" / "support.yaml").write_text(
        "apiVersion: reconciler/v1\n"
        "kind: TuningJob\n"
        "metadata: {name: support}\n"
        "spec:\n"
        "  base_model: gemini-2.5-flash\n"
        "  supervised_tuning_spec: {training_dataset_uri: gs://data/train.jsonl}\n"
        'serving: {endpoint: "support-${workspace}"}\n'
    )
    (desired,) = load_manifests().desired
    assert desired.serving is not None
    assert desired.serving.endpoint == "support-default"
