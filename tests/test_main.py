"""How the process of a command is run."""

from __future__ import annotations

import subprocess
import sys

COUNT = """
import contextlib, gc, sys
from reconciler.__main__ import main
before = sum(one["collections"] for one in gc.get_stats())
with contextlib.suppress(SystemExit):
    main()
print(sum(one["collections"] for one in gc.get_stats()) - before, gc.get_count()[0], file=sys.stderr)
"""


def test_a_short_command_searches_for_no_cycles() -> None:
    """The collector neither runs while a command is imported nor has anything to search when it has ended."""
    result = subprocess.run(
        [sys.executable, "-c", COUNT, "--help"], capture_output=True, text=True, check=True
    )
    searches, left = map(int, result.stderr.split())
    assert searches == 0
    assert left < 1000
