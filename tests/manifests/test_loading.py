"""Which files a PATH selects, and which Stack belongs to them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import Diagnostic, ManifestError
from reconciler.manifests import Loaded
from reconciler.manifests.loading import load_names
from reconciler.model.names import Address
from tests.manifests.conftest import KINDS

Load = Callable[..., Loaded]
Refused = Callable[..., list[Diagnostic]]

STACK = (
    "apiVersion: reconciler/v1\nkind: Stack\nmetadata: {name: search-x1y2}\nspec: {variables: {top_k: 7}}\n"
)


def _model(name: str, extra: str = "") -> str:
    return (
        f"apiVersion: reconciler/v1\nkind: TunedModel\nmetadata: {{name: {name}}}\nspec:\n{extra}"
        "  base_model: models/gemini-1.5-flash-001-tuning\n"
        "  tuning_task:\n    training_data:\n"
        "      examples: {examples: [{text_input: one, output: two}]}\n"
    )


def _child(name: str, parent: str) -> str:
    return _model(name).replace(
        "base_model: models/gemini-1.5-flash-001-tuning",
        f"tuned_model_source: {{tuned_model: TunedModel/{parent}}}",
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _names(loaded: Loaded) -> list[str]:
    return [manifest.address.name for manifest in loaded.desired]


def test_a_folder_is_searched(workspace: Path, load_manifests: Load) -> None:
    """*.yaml and *.yml are found at any depth. Hidden files, other files and data are not."""
    for path in (
        "b.yaml", "a.yml", "C.YAML", "deep/er/d.yaml", ".hidden.yaml", ".git/e.yaml", "notes.md", "x.json",
    ):  # fmt: skip
        text = _model(Path(path).stem.lower()) if path[0] != "." else "not: [yaml"
        _write(workspace / "manifests" / path, text)
    loaded = load_manifests()
    assert _names(loaded) == ["a", "b", "c", "d"]
    assert loaded.files == tuple(
        f"manifests/{name}" for name in ("C.YAML", "a.yml", "b.yaml", "deep/er/d.yaml")
    )
    assert loaded.whole


def test_models_are_sorted_by_address(workspace: Path, load_manifests: Load) -> None:
    """The result does not depend on the order of files and documents."""
    _write(workspace / "manifests" / "a.yaml", "---\n".join(map(_model, "zyx")))
    _write(workspace / "manifests" / "z.yaml", _model("a"))
    assert _names(load_manifests()) == ["a", "x", "y", "z"]


def test_links_go_round_harmlessly(workspace: Path, load_manifests: Load) -> None:
    """A folder that links to its parent is searched once, and a file with two names is one file."""
    _write(workspace / "manifests" / "a.yaml", _model("a"))
    (workspace / "manifests" / "again").symlink_to(workspace / "manifests")
    (workspace / "manifests" / "self").symlink_to(".")
    (workspace / "manifests" / "b.yaml").symlink_to("a.yaml")
    loaded = load_manifests("manifests", "manifests/a.yaml", "manifests/../manifests")
    assert loaded.files == ("manifests/a.yaml",)


def test_a_folder_is_followed_through_a_link(workspace: Path, load_manifests: Load) -> None:
    """A linked folder of manifests is read, as Kubernetes mounts them."""
    _write(workspace / "elsewhere" / "a.yaml", _model("a"))
    (workspace / "manifests" / "mounted").symlink_to(workspace / "elsewhere")
    assert _names(load_manifests()) == ["a"]


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_link_out_of_the_work_tree_is_not_followed(
    workspace: Path, load_manifests: Load, tmp_path_factory: pytest.TempPathFactory, link: str
) -> None:
    """A link out of the tree could leak a file in error messages, so it is skipped.

    A path that the user gives is read.
    """
    outside = tmp_path_factory.mktemp("outside")
    _write(outside / "secret.yaml", "hunter2: [\n")
    target = outside if link == "folder" else outside / "secret.yaml"
    (workspace / "manifests" / "link.yaml").symlink_to(target)
    with pytest.raises(ManifestError) as caught:
        load_manifests()
    (found,) = caught.value.diagnostics
    assert "leads out of" in found.summary
    assert "hunter2" not in str(found)
    _write(outside / "secret.yaml", _model("a"))
    assert _names(load_manifests(str(outside))) == ["a"]


def test_a_file_only_selects(workspace: Path, load_manifests: Load) -> None:
    """A file as PATH, alone or beside folders, makes the run a selection. Its extension does not matter."""
    _write(workspace / "manifests" / "a.yaml", _model("a"))
    _write(workspace / "b.txt", _model("b"))
    assert not load_manifests("manifests/a.yaml").whole
    mixed = load_manifests("manifests", "b.txt")
    assert (_names(mixed), mixed.whole) == (["a", "b"], False)
    assert load_manifests("manifests", "manifests").whole


def test_a_json_file(workspace: Path, load_manifests: Load) -> None:
    """A JSON manifest is a YAML manifest."""
    _write(
        workspace / "a.json",
        '{"apiVersion": "reconciler/v1", "kind": "TunedModel", "metadata": {"name": "a"}, "spec": {'
        '"baseModel": "models/x", "tuningTask": {"trainingData": {"examples": {"examples": ['
        '{"textInput": "1", "output": "2"}]}}}}}\n',
    )
    assert _names(load_manifests("a.json")) == ["a"]


def test_nothing_found(workspace: Path, load_manifests: Load, refused: Refused) -> None:
    """Finding no manifest is an error that names the folder, unless the caller allows it."""
    (found,) = refused()
    assert (found.file, found.summary) == ("manifests", "no manifest found")
    assert "reconciler init" in found.detail
    loaded = load_manifests(allow_empty=True)
    assert (loaded.desired, loaded.whole) == ((), True)
    _write(workspace / "manifests" / "empty.yaml", "# nothing yet\n---\n")
    assert refused()[0].summary == "no manifest found"


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n---\n", "~\n"])
def test_an_empty_file(content: str, workspace: Path, load_manifests: Load, refused: Refused) -> None:
    """An empty file in a folder is ignored. Given as PATH, it is an error."""
    _write(workspace / "manifests" / "a.yaml", _model("a"))
    _write(workspace / "manifests" / "empty.yaml", content)
    assert _names(load_manifests()) == ["a"]
    (found,) = refused("manifests/empty.yaml")
    assert (found.file, found.summary) == ("manifests/empty.yaml", "the file holds no manifest")


def test_references_need_the_whole_set(workspace: Path, load_manifests: Load, refused: Refused) -> None:
    """An undeclared source is an error in the whole set. In a selection the plan decides."""
    _write(workspace / "manifests" / "child.yaml", _child("child", "parent"))
    (found,) = refused()
    assert found.summary == "TunedModel/parent is declared nowhere"
    assert _names(load_manifests("manifests/child.yaml")) == ["child"]
    _write(workspace / "manifests" / "parent.yaml", _model("parent"))
    assert _names(load_manifests()) == ["child", "parent"]


def test_a_wrong_parent_is_declared_all_the_same(workspace: Path, refused: Refused) -> None:
    """A parent with a broken manifest is no missing source for its children."""
    _write(workspace / "manifests" / "child.yaml", _child("child", "parent"))
    _write(workspace / "manifests" / "parent.yaml", _model("parent", "  top_k: 0\n"))
    assert [problem.summary for problem in refused()] == ["spec.top_k is 0, below 1"]


def test_circles_are_told_once_each(workspace: Path, refused: Refused) -> None:
    """Two circles are two problems, in a selection too. A model that only leads into a circle is none."""
    pairs = {"a": "b", "b": "a", "c": "d", "d": "e", "e": "c", "tail": "a"}
    _write(workspace / "all.yaml", "---\n".join(_child(*pair) for pair in pairs.items()))
    assert [problem.summary for problem in refused("all.yaml")] == [
        "TunedModel/a is tuned from itself: TunedModel/a from TunedModel/b from TunedModel/a",
        (
            "TunedModel/c is tuned from itself: "
            "TunedModel/c from TunedModel/d from TunedModel/e from TunedModel/c"
        ),
    ]


def test_a_long_line_of_parents(workspace: Path, load_manifests: Load) -> None:
    """5,000 models, each tuned from the one before, load without an error or deep recursion."""
    chain = [_model("m0"), *(_child(f"m{number}", f"m{number - 1}") for number in range(1, 5_000))]
    _write(workspace / "manifests" / "chain.yaml", "---\n".join(reversed(chain)))
    assert len(load_manifests().desired) == 5_000


def test_twice_in_two_files(workspace: Path, refused: Refused) -> None:
    """The error for an address in two files names both places."""
    _write(workspace / "manifests" / "a.yaml", _model("one"))
    _write(workspace / "manifests" / "b.yaml", "# the second\n" + _model("one"))
    (found,) = refused()
    assert found.summary == "TunedModel/one is declared twice, first at manifests/a.yaml:3:18"
    assert (found.file, found.line, found.column) == ("manifests/b.yaml", 4, 18)


def test_the_stack_of_a_single_file(workspace: Path, load_manifests: Load) -> None:
    """A single file uses the Stack beside or above it, because ids and variables depend on it."""
    _write(workspace / "manifests" / "stack.yaml", STACK)
    _write(workspace / "manifests" / "team" / "a.yaml", _model("a", "  top_k: ${var.top_k}\n"))
    _write(workspace / "manifests" / "b.yaml", _model("b", "  top_k: ${var.top_k}\n"))
    whole = {manifest.address: manifest for manifest in load_manifests().desired}
    for path in ("manifests/team/a.yaml", "manifests/b.yaml"):
        alone = load_manifests(path)
        assert alone.stack.name == "search-x1y2"
        assert alone.desired[0] == whole[alone.desired[0].address]
        assert alone.files == (path, "manifests/stack.yaml")
        assert not alone.whole


def test_the_stack_from_inside_the_folder(
    workspace: Path, load_manifests: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a git repository, a Stack above the working directory is found too."""
    (workspace / ".git").mkdir()
    _write(workspace / "manifests" / "stack.yaml", STACK)
    _write(workspace / "manifests" / "team" / "a.yaml", _model("a"))
    monkeypatch.chdir(workspace / "manifests" / "team")
    loaded = load_manifests("a.yaml")
    assert (loaded.stack.name, loaded.stack.file) == ("search-x1y2", "../stack.yaml")


def test_the_nearest_stack(workspace: Path, load_manifests: Load) -> None:
    """A file uses the nearest Stack. Stacks of other folders are not read."""
    _write(workspace / "stack.yaml", STACK.replace("search", "outer"))
    _write(workspace / "manifests" / "stack.yaml", STACK)
    _write(workspace / "other" / "stack.yaml", STACK.replace("search", "other"))
    _write(workspace / "manifests" / "a.yaml", _model("a"))
    _write(workspace / "elsewhere" / "b.yaml", _model("b"))
    assert load_manifests("manifests/a.yaml").stack.name == "search-x1y2"
    assert load_manifests("elsewhere/b.yaml").stack.name == "outer-x1y2"


def test_no_stack_above_the_work_tree(workspace: Path, load_manifests: Load) -> None:
    """A Stack outside the git work tree, or outside the working directory, is ignored."""
    _write(workspace / "stack.yaml", STACK)
    _write(workspace / "repository" / "a.yaml", _model("a"))
    (workspace / "repository" / ".git").mkdir()
    assert load_manifests("repository/a.yaml").stack.name == ""


def test_a_file_with_its_own_stack(workspace: Path, load_manifests: Load) -> None:
    """A selection with its own Stack uses no other."""
    _write(workspace / "stack.yaml", STACK.replace("search", "outer"))
    _write(workspace / "a.yaml", STACK + "---\n" + _model("a"))
    assert load_manifests("a.yaml").stack.name == "search-x1y2"


def test_other_files_beside_are_left_alone(workspace: Path, load_manifests: Load) -> None:
    """The search for the Stack ignores other programs' files and other models."""
    _write(workspace / "manifests" / "a.yaml", _model("a"))
    _write(workspace / "manifests" / "broken.yaml", "a: [\n")
    _write(workspace / "manifests" / "wrong.yaml", _model("wrong", "  top_k: 0\n"))
    _write(workspace / "manifests" / "helm.yaml", "kind: Stack\nname: {{ .Values.name }}\n")
    os.mkfifo(workspace / "manifests" / "pipe.yaml")
    assert load_manifests("manifests/a.yaml").stack.name == ""


def test_a_broken_stack_is_told(workspace: Path, refused: Refused) -> None:
    """If the Stack beside a file is broken, loading the file is an error."""
    _write(workspace / "manifests" / "a.yaml", _model("a"))
    _write(workspace / "manifests" / "stack.yaml", STACK + "  broken: [\n")
    assert refused("manifests/a.yaml")[0].file == "manifests/stack.yaml"


def test_two_stacks_beside_a_file(workspace: Path, refused: Refused) -> None:
    """Two Stacks beside a file are an error, as in a folder."""
    _write(workspace / "manifests" / "a.yaml", _model("a"))
    _write(workspace / "manifests" / "s1.yaml", STACK)
    _write(workspace / "manifests" / "s2.yaml", STACK)
    (found,) = refused("manifests/a.yaml")
    assert found.summary == "a second Stack; the first is at manifests/s1.yaml:1:1"


def test_only_a_stack(workspace: Path, load_manifests: Load) -> None:
    """A folder with a Stack and no model is a whole set without models."""
    _write(workspace / "manifests" / "stack.yaml", STACK)
    loaded = load_manifests()
    assert (loaded.desired, loaded.stack.name, loaded.whole) == ((), "search-x1y2", True)


def test_it_is_light() -> None:
    """Importing the package loads neither yaml nor pydantic, because every command imports it."""
    program = (
        "import reconciler.manifests, sys; "
        "print(sorted({'yaml', 'pydantic', 'csv', 'difflib', 'reconciler.providers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_kind_is_the_providers_business(workspace: Path) -> None:
    """For an unknown kind the error names the known kinds."""
    from reconciler.manifests.loading import load

    _write(workspace / "manifests" / "a.yaml", _model("a"))
    with pytest.raises(ManifestError) as caught:
        load(["manifests"], kinds={}, variables={})
    assert caught.value.diagnostics[0].detail == "Known here: Stack, Removed."


def test_names_are_read_of_manifests_that_are_wrong(workspace: Path) -> None:
    """A model's name is found even if its manifest, or the one beside it, is half-written."""
    broken, half = "kind: [TunedModel]\nmetadata: {name: b}\n", _model("a", "  temperature: hot\n")
    _write(workspace / "manifests" / "a.yaml", f"{broken}---\n{half}")
    assert load_names(["manifests"], kinds=KINDS, variables={}) == {Address("TunedModel", "a"): {}}
