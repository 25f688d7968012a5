"""Loading any file ends in models or in problems with places, and in nothing else."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import ManifestError, UsageError
from reconciler.manifests import parse_variables
from reconciler.manifests.loading import load
from reconciler.providers.gemini.fields import TUNED_MODEL
from tests.limits import examples

CASES = Path(__file__).parent.parent / "cases" / "manifests"
MANIFESTS = sorted(path.read_bytes() for path in CASES.glob("*/*.yaml"))
DATA = sorted(path.read_bytes() for path in (CASES / "bad-data").iterdir() if path.suffix != ".expected")
EXTENSIONS = ("jsonl", "json", "csv")

PIECES = [
    *"[]{}:,-?&*!|>'\"%@`#~\n\t \\$é六\u2028\x85\ufeff\x00\r",
    "\r\n", "---\n", "...\n", "<<: ", "*a", "&a ", "${var.a}", "$${", "${", "!!str ", "!!map ", "? ", ": ",
    "- ", "null", "true", "no", "0755", "1e-3", ".nan",
    "apiVersion: reconciler/v1\n", "kind: TunedModel\n", "kind: Stack\n", "metadata: {name: a}\n",
    "spec:\n", "  base_model: models/x\n", "  tuning_task:\n", "    training_data:\n",
    "      file: data.jsonl\n", "      examples: {examples: [{text_input: a, output: b}]}\n",
    "lifecycle: {ignore_changes: [temperature]}\n", "permissions: []\n", "checks: [{prompt: a, expect: b}]\n",
    "  topP: 0.5\n", "  top_p: ", '{"text_input": "1", ', '"output": "2"}', "text_input,output\n",
]  # fmt: skip

ANYTHING = settings(
    max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to overwrite again and again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "data.jsonl").write_text('{"text_input": "1", "output": "2"}\n')
    return tmp_path / "m"


def _loads_or_refuses(folder: Path, content: bytes) -> None:
    (folder / "a.yaml").write_bytes(content)
    for path in ("m", "m/a.yaml"):
        try:
            loaded = load([path], kinds={"TunedModel": TUNED_MODEL}, variables={"a": "5"}, allow_empty=True)
        except ManifestError as error:
            refused = error.diagnostics
        else:
            refused = ()
            assert all(manifest.data for manifest in loaded.desired)
        for problem in refused:
            assert problem.file
            assert problem.summary
            str(problem).encode()  # does not fail, so the problem can be printed


@ANYTHING
@given(st.binary(max_size=200))
def test_any_bytes(folder: Path, content: bytes) -> None:
    """Random bytes as a manifest end in models or problems."""
    _loads_or_refuses(folder, content)


@ANYTHING
@given(st.text(max_size=200))
def test_any_text(folder: Path, content: str) -> None:
    """Random text as a manifest ends in models or problems."""
    _loads_or_refuses(folder, content.encode(errors="surrogatepass"))


@ANYTHING
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_pieces(folder: Path, content: str) -> None:
    """Pieces of YAML and of manifests in any order end in models or problems."""
    _loads_or_refuses(folder, content.encode())


def _mutated(content: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(content))
        end = min(len(content), start + chance.choice([0, 0, 1, 3, 20]))
        inserted = chance.choice([b"", chance.choice(PIECES).encode(), content[start : start + 30]])
        content = content[:start] + inserted + content[end:]
    return content


@ANYTHING
@given(st.sampled_from(MANIFESTS), st.integers(0, 2**32))
def test_any_damage(folder: Path, content: bytes, seed: int) -> None:
    """Manifests with bytes removed, inserted and repeated end in models or problems."""
    _loads_or_refuses(folder, _mutated(content, seed))


@ANYTHING
@given(
    st.sampled_from(EXTENSIONS),
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from(PIECES), max_size=20).map(lambda pieces: "".join(pieces).encode()),
        st.tuples(st.sampled_from(DATA), st.integers(0, 2**32)).map(lambda pair: _mutated(*pair)),
    ),
)
def test_any_data(folder: Path, extension: str, content: bytes) -> None:
    """Any bytes as a data file of any format end in models or problems."""
    (folder / f"case.{extension}").write_bytes(content)
    _loads_or_refuses(
        folder,
        b"apiVersion: reconciler/v1\nkind: TunedModel\nmetadata: {name: a}\nspec:\n  base_model: models/x\n"
        b"  tuning_task: {training_data: {file: case.%s}}\n" % extension.encode(),
    )


@ANYTHING
@given(
    st.one_of(st.text(max_size=60).filter(lambda path: "\n" not in path), st.sampled_from(["..", "m", "/"]))
)
def test_any_data_path(folder: Path, path: str) -> None:
    """Any text as the path of a data file ends in models or problems."""
    quoted = "".join(f"\\U{ord(letter):08x}" for letter in path.encode(errors="replace").decode())
    _loads_or_refuses(
        folder,
        b"apiVersion: reconciler/v1\nkind: TunedModel\nmetadata: {name: a}\nspec:\n  base_model: models/x\n"
        b'  tuning_task: {training_data: {file: "%s.jsonl"}}\n' % quoted.encode(),
    )


@ANYTHING
@given(st.binary(max_size=100), st.lists(st.text(max_size=10), max_size=3))
def test_any_variables(folder: Path, content: bytes, flags: list[str]) -> None:
    """Any text as a variables file or a flag ends in models or problems."""
    (folder / "vars").write_bytes(content)
    for given_flags, files in ((flags, []), ([], ["m/vars"])):
        with contextlib.suppress(UsageError):
            found = parse_variables(given_flags, files, {})
            assert all(isinstance(value, str) for value in found.values())
