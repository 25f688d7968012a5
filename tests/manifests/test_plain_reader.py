"""The quick reader of plain YAML reads what libyaml reads, or nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from reconciler.errors import Diagnostic, ManifestError
from reconciler.manifests.documents import read_documents, read_quickly
from reconciler.manifests.located import YamlList, YamlMap
from reconciler.manifests.model_reader import ModelReader
from reconciler.manifests.plain_reader import _FOREIGN, LONGEST, read_plainly
from reconciler.manifests.syntax import _FOREIGN_BREAKS, refuse_unreadable
from reconciler.manifests.trees import Trees
from reconciler.model.desired import Desired
from reconciler.model.stack import Stack
from reconciler.problems import Problems
from reconciler.textfiles import _UNUSABLE, is_printable
from tests.limits import examples
from tests.manifests.conftest import KINDS, Load
from tests.manifests.test_fuzz import PIECES, _mutated

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path
    for folder in ("tests/cases/manifests", "manifests", "docs", "examples")
    for path in (ROOT / folder).rglob("*.y*ml")
)
ANYTHING = settings(max_examples=examples(300), deadline=None)

SLOWLY = "\n#\t\n"
"""A comment that the quick reader does not read, because it has a tab."""


def _describe(value: object) -> object:
    """Describe a value with the types of all its parts: 1, 1.0 and True are equal in Python."""
    if isinstance(value, dict):
        return {key: _describe(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_describe(part) for part in value]
    return type(value).__name__, repr(value)


def _list_lines(built: object, plain: Any, lines: Any) -> Iterator[tuple[object, object]]:
    """List where keys stand: as libyaml says, and as the quick reader says, where it says something."""
    if isinstance(built, YamlMap):
        assert list(built) == list(plain)
        if id(plain) in lines:
            column, numbers = lines[id(plain)]
            yield list(built.key_marks.values()), [(number, column) for number in numbers]
        for key, value in built.items():
            yield from _list_lines(value, plain[key], lines)
    if isinstance(built, YamlList):
        for value, other in zip(built, plain, strict=True):
            yield from _list_lines(value, other, lines)


def _ensure_same(text: str) -> bool:
    """Read a text with both readers. Returns whether the quick one reads it."""
    problems = Problems()
    if refuse_unreadable("x.yaml", text, problems):
        return False
    plain = read_plainly(text)
    if plain is None:
        return False
    built = list(read_documents("x.yaml", text, problems))
    assert not problems
    assert [document.mark for document in built] == [(document.line, 1) for document in plain]
    for document, quick in zip(built, plain, strict=True):
        assert [(key, container[key]) for container, key, _ in document.references] == [
            (key, container[key]) for container, key, _ in quick.references
        ]
        assert _describe(document.body) == _describe(quick.body)
        for said, found in _list_lines(document.body, quick.body, quick.lines):
            assert said == found
    return True


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_of_the_project(path: Path) -> None:
    """Both readers read each YAML file of the project alike."""
    _ensure_same(path.read_bytes().decode(errors="replace"))


@pytest.mark.parametrize(
    "text",
    [
        "a: b",
        "a: b\n---\n\n# nothing\n---\nc: d\n---\n",
        "a:\n  b: 1\n  c:\n  - x\n  - y: 2\n    z: -.5\nd: 'q # r'  # said\n",
        "a:\n- b\n-   c: d\n    e: f",
        "a: {b: 1, c: [x, {d: e}, []], f: {}}\ng: [1, 0x10, 1e-3, 0755, no, .inf]\n",
        'a: it\'s "so", [really]: no\nb: http://x:1/#y'.replace("]:", "]"),
        "a: é 六 \U0001f600\nb: x\xa0y\nc: {d: é六}",
        "a: {b: c,}\nd: [e, ]\n",
        "a: ''\nb: \"\"\nc: {d: '', e: \"\"}\n",
        "a:\n- {b: 'x', c: \"y\"}\n- {b: '',  c: 'y: {z}' }\n-  {b:  'x',c: 'y'}  \n",
        "a: ${var.x}\nb: {c: '${workspace}-${var.y}'}\nd:\n- a$b\n- $\n",
    ],
)
def test_it_reads_plain_texts(text: str) -> None:
    """The quick reader reads what manifests usually have, and reads it like libyaml."""
    assert _ensure_same(text)


@pytest.mark.parametrize(
    "text",
    [
        "a:", "a: null", "a: ~", "a:\n- ", "a: {b: null}", "a: {b: }", "a: [,]", "a: {b: c d: e}",
        "a: 1\na: 2", "a: {b: 1, b: 2}", "null: 1", "a: {true: 1}", "<<: {a: 1}", "1: a", "[a]: b",
        "? a\n: b", "a: &x b\nc: *x", "a: *x", "a: !!str 1", "a: !x b", "a: |\n  b", "a: >\n  b",
        "a: b\n  c", "a: 'b\n  c'", "a: 'it''s'", 'a: "\\n"', "a:\tb", "\ta: b", "a: b\r\nc: d\r\n",
        "\ufeffa: b", "a: \ud800", "%YAML 1.2", "a: b\n...\n", "--- a", "--- {a: b}", "- a",
        "a",
        "{a: b}", "a: {b: c", "a: b}\n c: d", "a: {b: c} d", "a: b\n c: d", "a:\n  b: c\n d: e",
        "a:\n  - b\n - c", "a: b: c", "a: b:", "a: @b", "a: `b", "a: %b", 'a: {"b": c}', "a: [b: c]",
        "a:\n- {b: 'x', b: 'y'}", "a:\n- {b: 'x', null: 'y'}",
        "a: {b}", "a: [b, c}",
        "a: " + "[" * 70, "a: " + "[" * 30 + "]" * 30,
        "\n".join(" " * depth + "a:" for depth in range(70)) + " b",
    ],
)  # fmt: skip
def test_it_leaves_the_rest_to_libyaml(text: str) -> None:
    """It leaves faults and rare YAML to libyaml."""
    assert read_plainly(text) is None


def test_it_leaves_huge_documents_to_libyaml() -> None:
    """It leaves a document with very many values to the reader that counts them.

    A long file is no problem.
    """
    text = "a: b\n" + "#" * (LONGEST - len("a: b\n"))
    for before in ("", "a: b\n---\n"):
        assert read_plainly(before + text) is not None
        assert read_plainly(before + text + "#") is None
    found = read_plainly(f"{text}\n---\n{text}\n---\nc: d")
    assert found is not None
    assert [document.line for document in found] == [1, 4, 7]


WORDS = st.one_of(
    st.sampled_from(
        [
            "a", "b", "models/x", "1", "-1", "1.0", "1e3", "0x1F", "0o7", "0755", "1_000", ".5", ".",
            "-", "+", "-x", "~", "null", "true", "True", "no", "y", "2027-01-31", "12:30:45", "a:b",
            "a#b", "a&b", "a*b", "http://x/?y=1", "a|b", "(a)", "it's", "<<", "x.y-z_", ".nan", "-.inf",
            "...", "---", "é", "六", "a?b", "?a", "'a'", '"a"', "''", '""', "'a: b'", '"a # b"',
            "'a''b'", '"a\\nb"', "{}", "[]", "{a: b}", "[a, b]", "{a: [b, {c: 1}]}", "[a, {b: c}, []]",
            "{a: b, a: c}", "{a: 'b, c', d: e}", "[a,b]", "{a:b}", "{a: http://x}", "[x:y, z]", "|", ">",
            "&a", "*a", "!!str", "!a", "@a", "%a", "`a", "$", "$a", "${var.a}", "x-${var.a}", "$${a}", "${",
            "'${workspace}'", '"${var.b} c"', "{a: '${var.a}', b: c}", "['${var.a}', ${]",
            "{examples: ['${var.a}']}",
        ]
    ),
    st.text("ab :#-?,[]{}'\"\\&*!|>%@`~.0123456789\xa0é", max_size=8),
)  # fmt: skip
LINES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "  ", "  ", "    ", " ", "      "]),
        st.sampled_from(["", "", "", "- ", "-  ", "- - ", "-"]),
        st.one_of(st.sampled_from(["a: ", "b: ", "c:", "d: ", "e:  ", "null: ", "f:", "", "'a': "]), WORDS),
        st.one_of(st.just(""), WORDS, WORDS),
        st.sampled_from(["", "", "", "  ", " # said", "# said"]),
        st.just("\n"),
    ),
)


@ANYTHING
@given(st.lists(st.one_of(LINES, LINES, st.sampled_from(["---\n", "\n", "# said\n", "...\n"])), max_size=12))
def test_any_lines(lines: list[str]) -> None:
    """Both readers read lines of keys, items and values in any order alike."""
    _ensure_same("".join(lines))


@st.composite
def _blocks(draw: st.DrawFn, indent: int = 0, depth: int = 0) -> str:
    """Draw a block that is nearly always right."""
    text = ""
    for key in draw(st.lists(st.sampled_from([*"abcde", "examples"]), min_size=1, max_size=4)):
        form = draw(st.integers(0, 3 if depth < 4 else 0))
        text += " " * indent + key + ":"
        if form == 0:
            text += f" {draw(WORDS)}\n"
        elif form == 1:
            deeper = indent + draw(st.integers(1, 3))
            text += "\n" + draw(_blocks(deeper, depth + 1))
        else:
            deeper = indent + draw(st.sampled_from([0, 0, 2, 2, 1]))
            dash = "-" + " " * draw(st.integers(1, 3))
            items = []
            for _ in range(draw(st.integers(1, 3))):
                inner = draw(_blocks(deeper + len(dash), depth + 1)) if form == 2 else f"{draw(WORDS)}\n"
                items.append(" " * deeper + dash + inner.lstrip(" "))
            text += "\n" + "".join(items)
    return text


@ANYTHING
@given(st.lists(_blocks(), min_size=1, max_size=3))
def test_any_blocks(blocks: list[str]) -> None:
    """Both readers read documents of nested mappings and lists alike."""
    _ensure_same("---\n".join(blocks))


@ANYTHING
@given(_blocks(), _blocks())
def test_any_references(one: str, other: str) -> None:
    """Variables are put into the same texts, and the others are refused at the same places."""
    text = f"{one}---\n{other}"
    found = []
    for read in (read_quickly, read_documents, read_quickly):  # what was put in is not remembered
        problems = Problems()
        documents = list(read("x.yaml", text, problems))
        for document in documents:
            document.fill({"a": "A"})
        found.append(([_describe(document.body) for document in documents], problems._errors))
    assert found[0] == found[1] == found[2]


@ANYTHING
@given(st.text(max_size=100))
def test_any_text(text: str) -> None:
    """Both readers read any text alike."""
    _ensure_same(text)
    _ensure_same(f"a: {text}\n")
    _ensure_same(f"a: {{b: {text}}}\n")
    _ensure_same(f"a:\n  - {text}\n")


@ANYTHING
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_pieces(text: str) -> None:
    """Both readers read pieces of YAML in any order alike."""
    _ensure_same(text)


@ANYTHING
@given(st.sampled_from([path.read_bytes() for path in FILES]), st.integers(0, 2**32))
def test_any_damage(content: bytes, seed: int) -> None:
    """Both readers read damaged manifests alike."""
    _ensure_same(_mutated(content, seed).decode(errors="replace"))


def _load(load_manifests: Load, path: Path, content: bytes) -> tuple[Any, tuple[Diagnostic, ...]]:
    """Load a manifest. Returns the models with the places of their fields, and what is wrong."""
    path.write_bytes(content)
    try:
        loaded = load_manifests(variables={"region": "europe-west4"})
    except ManifestError as error:
        return (), error.diagnostics
    return [(_list_fields(model), dict(model.places)) for model in loaded.desired], loaded.warnings


def _list_fields(model: Desired) -> list[object]:
    return [getattr(model, field.name) for field in fields(model) if field.name != "places"]


@pytest.mark.thorough
def test_models_and_problems_are_the_same(workspace: Path, load_manifests: Load, cases: Path) -> None:
    """Every case ends in the same models, places, warnings and errors, whichever reader has read it."""
    compared = 0
    path = workspace / "manifests" / "case.yaml"
    for case in sorted(cases.glob("*/*.yaml")):
        content = case.read_bytes()
        if read_plainly(content.decode(errors="replace")) is None:
            continue
        compared += 1
        assert _load(load_manifests, path, content) == _load(
            load_manifests, path, content + SLOWLY.encode()
        ), case
    assert compared > 100


def test_places_without_the_slow_reader() -> None:
    """The place of a key that is not in brackets is known to the quick reader."""
    text = "a: b\n---\nspec:\n  list:\n  - x: y\n    data: {file: z}\n"
    documents = list(read_quickly("x.yaml", text, Problems()))
    node = documents[1].at("spec.list").at([0]).at("data")
    assert node.key_place == ("x.yaml", 6, 5)
    assert documents[1].text._documents is None
    assert node.place == ("x.yaml", 6, 11)
    assert node.at("file").key_place == ("x.yaml", 6, 12)
    assert node.at("other").place == ("x.yaml", 6, 5)


@pytest.mark.parametrize(
    "text",
    [
        """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: one}
permissions:
  - {grantee_type: EVERYONE, role: READER}
  - {grantee_type: USER, email_address: a@example.com, role: READER}
checks:
  - {prompt: one, expect: two}
  - {file: data/numbers.jsonl, at_least: 0.5}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task:
    training_data: {file: data/numbers.jsonl}
""",
        """\
apiVersion: reconciler/v1
kind: TuningJob
metadata: {name: one}
spec:
  base_model: gemini-2.5-flash
  supervised_tuning_spec:
    training_dataset_uri: data/numbers.jsonl
    validation_dataset_uri: {file: data/numbers.jsonl}
""",
    ],
)
def test_a_sound_manifest_is_read_once(workspace: Path, text: str) -> None:
    """Nobody asks for a place in a manifest without faults, wherever its data is."""
    problems = Problems()
    reader = ModelReader(KINDS, Stack(), problems, Trees([str(workspace)]))
    (document,) = read_quickly("manifests/one.yaml", text, problems)
    found = reader.read(document)
    problems.raise_if_any()
    assert found is not None
    assert document.text._documents is None
    assert found.places["base_model"] == (text[: text.index("base_model")].count("\n") + 1, 15)
    assert document.text._documents is not None


def test_printable_texts_have_no_unusual_characters() -> None:
    """One check of a whole text stands for three searches: no character that it passes is refused by them."""
    printable = "".join(filter(is_printable, map(chr, range(sys.maxunicode + 1))))
    assert set(printable) == {"\n", *filter(str.isprintable, map(chr, range(sys.maxunicode + 1)))}
    for unusual in (_FOREIGN, _FOREIGN_BREAKS, _UNUSABLE):
        assert re.search(unusual, printable) is None
