"""How the process of a command is run."""

from __future__ import annotations

import subprocess
import sys

COUNT = """
import atexit, gc, sys
from reconciler.__main__ import main
before = sum(one["collections"] for one in gc.get_stats())
atexit.register(lambda: print(sum(one["collections"] for one in gc.get_stats()) - before, file=sys.stderr))
main()
"""

FREED = """
import atexit, sys
from reconciler.__main__ import main

class Kept:
    def __del__(self, write=sys.__stderr__.write):
        write("freed")

kept = Kept()
atexit.register(sys.__stderr__.write, "told ")
main()
"""


def _run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_short_command_searches_for_no_cycles() -> None:
    """The collector does not run while a command is imported and run."""
    result = _run(COUNT, "--help")
    assert result.returncode == 0
    assert result.stderr.split() == ["0"]


def test_a_process_ends_without_freeing_what_it_holds() -> None:
    """All output is written, libraries are told, the code is the command's, and no object is freed."""
    result = _run(FREED, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith("Usage: reconciler")
    assert "Serve both APIs on this machine" in result.stdout
    assert result.stderr == "told "
    assert _run(FREED, "plan", "nowhere").returncode == 1
