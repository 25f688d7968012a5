"""Files that are created as a whole, and what a killed process leaves of them."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from reconciler.files import create, remove_abandoned_drafts


def run_and_end() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_drafts_of_dead_processes_are_removed(tmp_path: pathlib.Path) -> None:
    """A file that another run is writing stays, and so does every file with another name."""
    dead, alive = run_and_end(), os.getpid()
    abandoned = {f".a.yaml.{dead}.tmp", f".b.c.yaml.{dead}.tmp", f".a.yaml.{10**10 - 1}.tmp"}
    kept = {f".a.yaml.{alive}.tmp", f"a.yaml.{dead}.tmp", f".a.json.{dead}.tmp", ".a.yaml.x.tmp", "a.yaml"}
    for name in abandoned | kept:
        (tmp_path / name).touch()
    (tmp_path / f".link.yaml.{dead}.tmp").symlink_to(tmp_path / "a.yaml")
    (tmp_path / f".folder.yaml.{dead}.tmp").mkdir()
    remove_abandoned_drafts(tmp_path, ".yaml")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == kept | {f".link.yaml.{dead}.tmp", f".folder.yaml.{dead}.tmp"}
    remove_abandoned_drafts(tmp_path / "nowhere", ".yaml")


def test_a_created_file_leaves_no_draft(tmp_path: pathlib.Path) -> None:
    """There is one file, with all of its content."""
    create(tmp_path / "a.yaml", b"text")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.yaml", b"text")]
