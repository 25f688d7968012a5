"""What is remembered of data changes no result and no message, and is lost without a word."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import bounds
from reconciler.cli.apis import list_kinds
from reconciler.cli.data_memory import open_data_cache
from reconciler.cli.invocation import Invocation
from reconciler.datasets import data_cache
from reconciler.datasets.cache_use import Use
from reconciler.datasets.data_cache import Compared, DataCache, name_file_version
from reconciler.datasets.inspection import Inspection
from reconciler.datasets.measure import measure
from reconciler.datasets.open_cache import OpenCache
from reconciler.errors import ManifestError
from reconciler.manifests.loading import load
from reconciler.operation.inspecting import inspect_model
from reconciler.providers import StoredData
from tests.datasets.conftest import workspace

__all__ = ["workspace"]

STACK = """\
apiVersion: reconciler/v1
kind: Stack
metadata: {name: s}
spec: {project: p, location: us-central1, bucket: gs://bucket}
"""
JOB = """\
---
apiVersion: reconciler/v1
kind: TuningJob
metadata: {{name: {name}}}
spec:
  base_model: gemini-3.1-flash-lite
  supervised_tuning_spec: {{training_dataset_uri: {training}, validation_dataset_uri: {validation}}}
checks: [{{file: {held}}}]
"""
remembering = pytest.mark.usefixtures("project")
BOTH = Use.READ | Use.WRITE


def write_pairs(path: str, pairs: list[tuple[str, str]]) -> None:
    """Write a data file below the manifests."""
    lines = [json.dumps({"text_input": asked, "output": output}) + "\n" for asked, output in pairs]
    Path("manifests", path).write_text("".join(lines), encoding="utf-8")


def declare(name: str, training: str, validation: str = "v.jsonl", held: str = "h.jsonl") -> str:
    """Return the manifest of a tuning job."""
    return JOB.format(name=name, training=training, validation=validation, held=held)


@pytest.fixture
def project(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data with every kind of warning; small and new files are remembered too."""
    monkeypatch.setattr(data_cache, "LEAST", 0)
    monkeypatch.setattr(data_cache, "_SETTLED", -(2**62))
    many = [(f"q{number}", f"a{number}") for number in range(30)]
    write_pairs("t.jsonl", [*many, ("q1", "other"), *[("q2", "a2")] * 4, ("long", "x" * 600_000)])
    write_pairs("v.jsonl", [*many[:5], ("v", "v" * 400_000)])
    write_pairs("h.jsonl", [("q3", "a3"), ("h", "h")])
    rows = "".join(f"{asked},{output}\r\n" for asked, output in many)
    Path("manifests/t.csv").write_text(f"text_input,output\r\n{rows}q1,b1\r\n", encoding="utf-8")
    jobs = (declare("a", "t.jsonl"), declare("b", "t.csv"), declare("c", "t.jsonl"))
    Path("manifests/jobs.yaml").write_text(STACK + "".join(jobs), encoding="utf-8")
    return workspace


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were measured, in their order."""
    names: list[str] = []

    def note(stream: Any, path: str, *rest: Any, **more: Any) -> Any:
        names.append(Path(path).name)
        return measure(stream, path, *rest, **more)

    monkeypatch.setattr("reconciler.datasets.measure.measure", note)
    return names


def read(use: Use = BOTH, *paths: str) -> tuple[object, ...]:
    """Load the manifests as a command does: what they declare, and every message."""
    cache = OpenCache(Path("state"), use)
    try:
        loaded = load(paths or ("manifests",), kinds=list_kinds(), variables={}, cache=cache)
    except ManifestError as error:
        return error.diagnostics
    return loaded.desired, loaded.warnings


def list_state() -> list[str]:
    """Return the names of what is in the folder."""
    return sorted(path.name for path in Path("state").iterdir())


def kept() -> list[str]:
    """Return the names of the files that are remembered."""
    document = json.loads(Path("state/data-cache.json").read_bytes())
    return [Path(entry["source"]["place"]).name for entry in document["entries"]]


@remembering
def test_what_is_remembered_changes_no_word(measured: list[str]) -> None:
    """A second run reads no data file, and yields the same models and the same warnings in the same order."""
    plain = read(Use.NOTHING)
    assert len(plain[1]) > 8  # type: ignore[arg-type]
    assert not Path("state").exists()
    assert read() == plain
    before = Path("state/data-cache.json").read_bytes()
    measured.clear()
    assert read() == plain
    assert measured == []
    assert Path("state/data-cache.json").read_bytes() == before
    assert Path("state/data-cache.json").stat().st_mode & 0o777 == 0o600
    assert list_state() == ["data-cache.json"]


@pytest.mark.parametrize("changed", ["t.jsonl", "t.csv", "v.jsonl", "h.jsonl"])
@remembering
def test_one_changed_file_is_measured_and_compared_again(measured: list[str], changed: str) -> None:
    """The other file of a comparison is read again where its hashes are needed, and nothing else is told."""
    read()
    with Path("manifests", changed).open("a", encoding="utf-8") as file:
        file.write('{"text_input": "q4", "output": "a4"}\n' if changed.endswith("l") else "v,w\r\n")
    plain = read(Use.NOTHING)
    measured.clear()
    assert read() == plain
    assert changed in measured
    measured.clear()
    assert read() == plain
    assert measured == []


@remembering
def test_a_file_of_the_same_size_and_time_is_another_file(measured: list[str]) -> None:
    """Setting the former time back does not help: the time of the change and the inode tell."""
    plain = read()
    path = Path("manifests/h.jsonl")
    before, found = path.read_bytes(), path.stat()
    path.write_bytes(before.replace(b"a3", b"b3"))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    measured.clear()
    assert read() != plain
    assert "h.jsonl" in measured
    other = Path("manifests/other")
    other.write_bytes(before)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)
    assert read() == plain


def change(path: str, value: object) -> Callable[[bytes], bytes]:
    """Return what sets a value of the first entry."""

    def edit(content: bytes) -> bytes:
        document = json.loads(content)
        place = document["entries"][0]
        *keys, last = path.split(".")
        for key in keys:
            place = place[key]
        place[last] = value
        return json.dumps(document).encode()

    return edit


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"formula 1", b"formula 2"),
        lambda content: content.replace(b'"entries"', b'"entrys"'),
        lambda _: b"[" * 100_000,
        lambda _: b"\xff\x00",
        lambda _: b"null",
        change("version", "0-0-0-0-0"),
        change("examples", -1),
        change("examples", "36"),
        change("digest", "x"),
        change("duplicates", {"count": 1, "pairs": []}),
        change("source.place", "/nowhere"),
    ],
    ids=range(13),
)
@remembering
def test_a_broken_or_foreign_cache_is_no_failure(
    measured: list[str], spoil: Callable[[bytes], bytes]
) -> None:
    """Whatever is in the file, the data is measured instead, without a word, and the file is mended."""
    plain = read()
    path = Path("state/data-cache.json")
    path.write_bytes(spoil(path.read_bytes()))
    measured.clear()
    assert read() == plain
    assert measured != []
    measured.clear()
    assert read() == plain
    assert measured == []


@remembering
def test_a_file_that_others_may_write_is_not_believed(measured: list[str]) -> None:
    """Somebody else could have written a digest into it."""
    plain = read()
    Path("state/data-cache.json").chmod(0o666)
    measured.clear()
    assert read(Use.READ) == plain
    assert measured != []


@remembering
def test_what_cannot_be_written_is_not_remembered() -> None:
    """A file in place of the folder, or a folder in place of the file, is no failure."""
    plain = read(Use.NOTHING)
    Path("state").write_bytes(b"mine")
    assert read() == plain
    assert Path("state").read_bytes() == b"mine"
    Path("state").unlink()
    Path("state/data-cache.json").mkdir(parents=True)
    assert read() == plain
    assert list_state() == ["data-cache.json"]


@remembering
def test_data_with_a_fault_is_not_remembered(measured: list[str]) -> None:
    """Its messages come from reading it again, and files without a fault are remembered all the same."""
    write_pairs("v.jsonl", [("q", "")])
    before = read()
    measured.clear()
    assert read() == before
    assert measured == ["v.jsonl"]
    assert sorted(kept()) == ["h.jsonl", "t.csv", "t.jsonl"]


def test_a_file_is_known_two_seconds_after_its_last_change(tmp_path: Path) -> None:
    """Before that it may change again without another time. A small file is never remembered."""
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"x" * data_cache.LEAST)
    found = path.stat()
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    assert name_file_version(found, changed + 1_999_999_999) == ""
    assert name_file_version(found, changed - 1) == ""
    known = name_file_version(found, changed + 2_000_000_000)
    assert known.split("-")[:2] == ["65536", str(found.st_mtime_ns)]
    path.write_bytes(b"x" * (data_cache.LEAST - 1))
    assert name_file_version(path.stat(), 2**62) == ""


@remembering
def test_a_file_that_changes_while_it_is_measured_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured may be a mixture."""

    def meddle(stream: Any, path: str, *rest: Any, **more: Any) -> Any:
        with Path(path).open("ab") as file:
            file.write(b"\n")
        return measure(stream, path, *rest, **more)

    monkeypatch.setattr("reconciler.datasets.measure.measure", meddle)
    read()
    assert not Path("state/data-cache.json").exists()


@remembering
def test_what_is_no_longer_named_is_forgotten() -> None:
    """Also if the manifest is gone. A run of one file keeps what other manifests name."""
    Path("manifests/more.yaml").write_text(declare("d", "t.csv", "v2.jsonl"), encoding="utf-8")
    write_pairs("v2.jsonl", [("q", "a")])
    read()
    assert sorted(kept()) == ["h.jsonl", "t.csv", "t.jsonl", "v.jsonl", "v2.jsonl"]
    read(BOTH, "manifests/jobs.yaml")
    assert "v2.jsonl" in kept()
    Path("manifests/more.yaml").write_text(declare("d", "t.csv", "v.jsonl"), encoding="utf-8")
    read()
    assert sorted(kept()) == ["h.jsonl", "t.csv", "t.jsonl", "v.jsonl"]
    Path("manifests/jobs.yaml").unlink()
    Path("manifests/stack.yaml").write_text(STACK, encoding="utf-8")
    read()
    assert sorted(kept()) == ["h.jsonl", "t.csv", "v.jsonl"]
    Path("manifests/more.yaml").write_text(declare("d", "t.jsonl", "v.jsonl"), encoding="utf-8")
    Path("manifests/t.csv").unlink()
    read(BOTH, "manifests/more.yaml")
    assert sorted(kept()) == ["h.jsonl", "t.jsonl", "v.jsonl"]


@pytest.mark.parametrize(("name", "most"), [("_MOST", 2), ("DATA_CACHE", 2_000)])
@remembering
def test_the_file_never_grows_without_bound(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    """Beyond a number of entries or of bytes, those that were named last are kept."""
    plain = read(Use.NOTHING)
    monkeypatch.setattr(data_cache if name == "_MOST" else bounds, name, most)
    assert read() == plain
    assert 0 < len(kept()) <= 2
    assert Path("state/data-cache.json").stat().st_size <= bounds.DATA_CACHE
    assert read() == plain


@remembering
def test_git_is_told_to_ignore_the_file() -> None:
    """In a work tree, a folder without a .gitignore gets one, which ignores itself. An existing one stays."""
    Path(".git").mkdir()
    read()
    assert list_state() == [".gitignore", "data-cache.json"]
    assert Path("state/.gitignore").read_text() == "/data-cache.json\n/.gitignore\n"
    Path("state/data-cache.json").unlink()
    Path("state/.gitignore").write_text("mine\n")
    read()
    assert Path("state/.gitignore").read_text() == "mine\n"


@remembering
@pytest.mark.parametrize("changed", ["", "object", "file", "both"])
def test_an_object_beside_a_local_file_is_read_only_if_one_of_them_changed(changed: str) -> None:
    """Also the numbers that need the hashes of both are remembered: what is trained and held back."""
    read_parts: list[str] = []
    versions = {"gs://bucket/t.jsonl": "1/a", "gs://bucket/v.jsonl": "1/a"}

    def find(uri: str) -> StoredData:
        def read() -> Iterator[bytes]:
            read_parts.append(uri)
            for asked in ("q3", "x", versions[uri]):
                turns = [("user", asked), ("model", "a3")]
                chat = {"contents": [{"role": role, "parts": [{"text": text}]} for role, text in turns]}
                yield json.dumps(chat).encode() + b"\n"

        return StoredData(versions[uri], read())

    def inspect(use: Use = BOTH) -> Inspection:
        cache = OpenCache(Path("state"), use).get()
        found = inspect_model(desired, find, cache)
        cache.close(())
        return found

    text = STACK + declare("d", "gs://bucket/t.jsonl", "gs://bucket/v.jsonl")
    Path("manifests/jobs.yaml").write_text(text, encoding="utf-8")
    (desired,) = load(("manifests",), kinds=list_kinds(), variables={}).desired
    plain = inspect(Use.NOTHING)
    assert [one.shared and one.shared.count for one in plain.sets] == [None, 3, 1]
    assert inspect() == plain
    read_parts.clear()
    assert inspect() == plain
    assert read_parts == []
    if changed in {"object", "both"}:
        versions["gs://bucket/t.jsonl"] = "2/b"
    if changed in {"file", "both"}:
        write_pairs("h.jsonl", [("x", "a3"), ("q3", "a3")])
    assert inspect() == inspect(Use.NOTHING)
    read_parts.clear()
    assert (inspect() == plain) is (changed == "")
    assert read_parts == []


@pytest.mark.parametrize(
    ("command", "reads", "writes"),
    [
        ("validate", True, True),
        ("plan", True, True),
        ("drift", True, False),
        ("report", True, False),
        ("test", True, False),
        ("apply", False, True),
        ("wait", False, False),
        ("import", False, False),
        ("destroy", False, False),
        ("rollback", False, False),
    ],
)
@remembering
def test_who_sends_measures_and_who_looks_writes_nothing(
    measured: list[str], command: str, *, reads: bool, writes: bool
) -> None:
    """`apply` does not read what is remembered, and `drift` does not write it."""

    def run(command: str) -> None:
        cache = open_data_cache(Invocation(command), ("manifests",))
        load(("manifests",), kinds=list_kinds(), variables={}, cache=cache)

    run(command)
    assert Path("state/data-cache.json").exists() is writes
    run("validate")
    measured.clear()
    run(command)
    assert (measured == []) is reads


@pytest.mark.parametrize(
    ("path", "there", "folder"),
    [
        ("manifests", "", "state"),
        ("manifests/m.yaml", "", "state"),
        (".", "", "state"),
        ("shop/manifests", "", "shop/state"),
        ("shop/manifests/dev", "shop/state", "shop/state"),
        ("shop/manifests/dev", "state", "state"),
    ],
)
def test_the_folder_is_beside_the_manifests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, there: str, folder: str
) -> None:
    """Or it is the nearest folder `state` up to the working directory, and never above that."""
    monkeypatch.chdir(tmp_path)
    Path(path.removesuffix("m.yaml")).mkdir(parents=True, exist_ok=True)
    if there:
        Path(there).mkdir(parents=True)
    cache = open_data_cache(Invocation("validate"), (path,))
    assert str(cache.folder).removeprefix(f"{tmp_path}/") == folder
    assert str(open_data_cache(Invocation("validate"), (str(tmp_path / path),)).folder).endswith(folder)


def test_comparisons_of_objects_are_remembered_for_their_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last ones are kept, and who sends does not read them."""
    monkeypatch.setattr(data_cache, "_MOST_COMPARED", 2)

    def remember(*found: Compared) -> None:
        cache = DataCache(tmp_path / "state", Use.WRITE)
        for compared in found:
            cache.remember_compared(compared)
        cache.close(())

    def find(name: str, version: str, use: Use = Use.READ) -> tuple[int, int, int] | str | None:
        found = DataCache(tmp_path / "state", use).find_compared(f"gs://bucket/{name}", version, "b", "a")
        return found.numbers if found else "unknown"

    one = Compared("gs://bucket/1", "1/x", "b", "a", (3, 1, 27))
    other = Compared("gs://bucket/2", "1/x", "b", "a", None)
    remember(one, other, Compared("gs://bucket/3", "", "b", "a", None))
    assert find("1", "1/x") == (3, 1, 27)
    assert find("2", "1/x") is None
    assert [find("3", ""), find("1", "2/x"), find("1", "1/x", Use.WRITE)] == ["unknown"] * 3
    again = Compared("gs://bucket/1", "2/x", "b", "a", (0, 0, 1))
    remember(again)
    assert [find("1", "2/x"), find("1", "1/x"), find("2", "1/x")] == [(0, 0, 1), "unknown", None]
    remember(
        Compared("gs://bucket/3", "1/x", "b", "a", None), Compared("gs://bucket/4", "1/x", "b", "a", None)
    )
    assert [find(name, "1/x") for name in "234"] == ["unknown", None, None]
