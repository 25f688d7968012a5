"""Measures one command: seconds, processor seconds, peak memory. Rule: the measuring process stays small.

The kernel counts the memory of a process from the fork on, so the peak of a child is at least the size of
this process. So worlds are made by other processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: wall-clock and processor seconds, peak MiB, and what the stand-in counted."""

    wall: float
    processor: float
    peak: float
    requests: int = 0
    bytes: int = 0


def measure(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Cost:
    """Run a command that must succeed, and return its cost."""
    log = folder / "bench.log"
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} exited {process.returncode}:\n{log.read_text()[-2000:]}")
    unit = 1024 if sys.platform == "linux" else 1024 * 1024
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)
