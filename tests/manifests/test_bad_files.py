"""Files that cannot be read as text, or should not be read at all."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler import bounds, textfiles
from reconciler.errors import Diagnostic, UsageError
from tests.limits import repeats

Refused = Callable[..., list[Diagnostic]]

GOOD = """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: numbers}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task: {training_data: {file: data/numbers.jsonl}}
"""


@pytest.mark.parametrize(
    ("content", "place", "said"),
    [
        (GOOD.encode("utf-16"), (1, 1), "the file is UTF-16 or UTF-32"),
        (GOOD.encode("utf-32"), (1, 1), "the file is UTF-16 or UTF-32"),
        (GOOD.encode("utf-16-le"), (1, 2), "the control character U+0000"),
        (GOOD.replace("numbers}", "num\xe9ros}").encode("latin-1"), (3, 21), "byte 0xe9 at offset 63"),
        (b"\xef\xbb\xbf# caf\xe9\n" + GOOD.encode(), (1, 6), "byte 0xe9 at offset 8"),
        (b"\xff", (1, 1), "byte 0xff at offset 0"),
        (GOOD.encode() + b"# \xed\xa0\x80\n", (7, 3), "byte 0xed at offset 185"),
        (GOOD.encode() + b"\x00" * 9, (7, 1), "the control character U+0000"),
        (b"\x7fELF\x02\x01\x01\x00", (1, 1), "the control character U+007F"),
        (b"\x1f\x8b\x08\x00", (1, 2), "byte 0x8b at offset 1"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", (2, 2), "byte 0xe2 at offset 10"),
        (("# \x1b[31m\n" + GOOD).encode(), (1, 3), "the control character U+001B"),
        (("# \ufffe\n" + GOOD).encode(), (1, 3), "the control character U+FFFE"),
        (("x: " + "[" * 100_000).encode(), (1, 67), "nested more than 64 levels"),
        (("x: " + "{a: " * 100_000).encode(), (1, 256), "nested more than 64 levels"),
        (("- " * 100_000).encode(), (1, 129), "nested more than 64 levels"),
        (("? " * 100_000).encode(), (1, 3), "a key must be a single text"),
        ("\n".join(" " * depth + "a:" for depth in range(200)).encode(), (65, 65), "nested more than 64"),
        (("a: " + "x" * 1_000_000 + "\n").encode(), (1, 1), "not a manifest"),
        (("a: [" + "x," * 500_001 + "]\n").encode(), (1, 1_000_001), "more than 500,000 values"),
        (("a: [" + "&a x, " * 50_000 + "]\n").encode(), (1, 1), "not a manifest"),
        (
            ("a: &a [" + "x," * 999 + "]\nb: [" + "*a," * 20 + "]\n").encode(),
            (2, 35),
            "the aliases of this document stand for more than 10,000 values",
        ),
        *repeats((b"a: [" + b"[]," * 500_001 + b"]\n", (1, 1_499_999), "more than 500,000 values")),
    ],
)
def test_bad_bytes(
    content: bytes, place: tuple[int, int], said: str, workspace: Path, refused: Refused
) -> None:
    """A file that is no YAML text is refused at its first wrong character, without a crash."""
    (workspace / "manifests" / "case.yaml").write_bytes(content)
    found = refused()
    assert (found[0].line, found[0].column) == place
    assert said in found[0].summary


def test_too_large(workspace: Path, refused: Refused) -> None:
    """A manifest over 32 MB is refused without being read (the file here is sparse)."""
    with (workspace / "manifests" / "case.yaml").open("wb") as file:
        file.truncate(bounds.MANIFEST + 1)
    (found,) = refused()
    assert found.summary == "cannot be read: it is larger than 32 MB"


def test_too_large_data(workspace: Path, refused: Refused) -> None:
    """A data file over 64 MB is refused without being read."""
    with (workspace / "manifests" / "data" / "numbers.jsonl").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    (workspace / "manifests" / "case.yaml").write_text(GOOD)
    (found,) = refused()
    assert found.summary == "data/numbers.jsonl: cannot be read: it is larger than 64 MB"


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    os.chdir(here)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _circle(path: Path) -> None:
    other = path.with_name("other.link")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_fifo, "cannot be read: it is not a regular file"),
        (_socket, "cannot be read: it is not a regular file"),
        (_device, "leads out of the working directory"),
        (_circle, "cannot be read: its symbolic links go round in a circle"),
        (_dangling, "there is no such file"),
        (Path.mkdir, "cannot be read: it is a folder"),
    ],
)
def test_data_that_is_no_file(
    make: Callable[[Path], None], said: str, workspace: Path, refused: Refused
) -> None:
    """A pipe, a socket, a device, a folder or a circle of links is refused at once."""
    make(workspace / "manifests" / "data" / "case.jsonl")
    (workspace / "manifests" / "case.yaml").write_text(GOOD.replace("numbers.jsonl", "case.jsonl"))
    (found,) = refused()
    assert said in found.summary
    assert (found.line, found.column) == (6, 39)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_fifo, "it is not a regular file"),
        (_device, "the link leads out of the folder that was given"),
        (_dangling, "there is no such file"),
        (_circle, "its symbolic links go round in a circle"),
    ],
)
def test_manifest_that_is_no_file(
    make: Callable[[Path], None], said: str, workspace: Path, refused: Refused
) -> None:
    """A manifest in a folder that is no regular file is refused at once."""
    make(workspace / "manifests" / "case.yaml")
    found = refused()
    assert found[0].file == "manifests/case.yaml"
    assert said in found[0].summary


def test_a_pipe_given_itself(workspace: Path, refused: Refused) -> None:
    """A pipe given as PATH is refused at once."""
    _fifo(workspace / "pipe.yaml")
    (found,) = refused("pipe.yaml")
    assert "it is not a regular file" in found.summary


def test_a_path_too_long_is_told_whatever_is_in_it(workspace: Path, refused: Refused) -> None:
    """A data path that is too long for the system is a problem of the manifest, even with a backslash."""
    for name in ("x" * 300, "x\\" * 200):
        (workspace / "manifests" / "case.yaml").write_text(GOOD.replace("data/numbers", name))
        (found,) = refused()
        assert found.summary.endswith(": cannot be read: File name too long")


@pytest.mark.parametrize("target", ["../secret.jsonl", "manifests/../../secret.jsonl"])
def test_a_link_out_of_the_tree(target: str, workspace: Path, refused: Refused) -> None:
    """A link inside the tree to a file outside is refused, because its content would be uploaded."""
    (workspace / "repository" / "manifests").mkdir(parents=True)
    (workspace / "repository" / ".git").mkdir()
    (workspace / "secret.jsonl").write_text('{"text_input": "1", "output": "2"}\n')
    (workspace / "repository" / "manifests" / "link.jsonl").symlink_to(workspace / "secret.jsonl")
    (workspace / "repository" / "manifests" / "folder").symlink_to(workspace)
    for file in ("link.jsonl", "folder/secret.jsonl", f"../{target}"):
        text = GOOD.replace("data/numbers.jsonl", file)
        (workspace / "repository" / "manifests" / "case.yaml").write_text(text)
        (found,) = refused("repository/manifests")
        assert "leads out of the git work tree" in found.summary


def test_what_git_keeps_for_itself_is_no_data(workspace: Path, refused: Refused) -> None:
    """Data inside .git is refused, by a link too: it may hold a credential and is not under review."""
    (workspace / "repository" / ".git" / "deep").mkdir(parents=True)
    (workspace / "repository" / ".git" / "deep" / "d.jsonl").write_text(
        '{"text_input": "1", "output": "2"}\n'
    )
    (workspace / "repository" / "link.jsonl").symlink_to(".git/deep/d.jsonl")
    for file in (".git/deep/d.jsonl", "link.jsonl"):
        (workspace / "repository" / "case.yaml").write_text(GOOD.replace("data/numbers.jsonl", file))
        (found,) = refused("repository")
        assert "leads out of the git work tree" in found.summary


def test_a_tree_of_a_similar_name(workspace: Path, refused: Refused) -> None:
    """/x/repository-2 is not inside /x/repository."""
    (workspace / "repository" / ".git").mkdir(parents=True)
    (workspace / "repository-2").mkdir()
    (workspace / "repository-2" / "numbers.jsonl").write_text('{"text_input": "1", "output": "2"}\n')
    text = GOOD.replace("data/numbers.jsonl", "../repository-2/numbers.jsonl")
    (workspace / "repository" / "case.yaml").write_text(text)
    (found,) = refused("repository")
    assert "leads out of the git work tree" in found.summary


def test_no_such_path(load_manifests: Callable[..., object]) -> None:
    """A PATH that does not exist is a usage error that names `reconciler init`."""
    for path in ("nowhere", "", "manifests/nowhere.yaml", "a\0b"):
        with pytest.raises(UsageError) as caught:
            load_manifests(path)
        assert caught.value.detail
    with pytest.raises(UsageError) as caught:
        load_manifests("nowhere")
    assert "reconciler init" in caught.value.detail


def test_reasons() -> None:
    """Each kind of unreadable file has an error with advice."""
    assert textfiles.explain_unreadable(PermissionError(13, "Permission denied")) == (
        "cannot be read: Permission denied",
        "Make it readable for the user that runs this command.",
    )
    assert (
        textfiles.explain_unreadable(ValueError("embedded null byte"))[0]
        == "cannot be read: embedded null byte"
    )
