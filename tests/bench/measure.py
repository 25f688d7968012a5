"""How long things take: `make bench` prints it, no test asserts it.

Commands are run as people run them, a process each, against an emulator in another process whose trainings
take no time; requests are counted by the emulator.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "reconciler"]
STARTS = 20
A_FILE = 100
"""Manifests in one file."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one command: wall-clock and processor seconds, and peak MiB."""

    wall: float
    processor: float
    peak: float


def measured(command: Sequence[str], folder: Path, environ: dict[str, str] | None = None) -> Cost:
    """What a command costs that must succeed."""
    log = folder / "bench.log"
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} exited {process.returncode}:\n{log.read_text()[-2000:]}")
    unit = 1024 if sys.platform == "linux" else 1024 * 1024
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def cold_start(command: Sequence[str], folder: Path) -> Cost:
    """The medians of some starts, after one that fills the caches."""
    measured(command, folder)
    costs = [measured(command, folder) for _ in range(STARTS)]
    return Cost(
        statistics.median(one.wall for one in costs),
        statistics.median(one.processor for one in costs),
        max(one.peak for one in costs),
    )


def write_manifests(folder: Path, count: int) -> None:
    """So many models, with three inline examples each."""
    target = folder / "manifests"
    target.mkdir(parents=True)
    (target / "stack.yaml").write_text(
        "apiVersion: reconciler/v1\nkind: Stack\nmetadata: {name: bench}\n", encoding="utf-8"
    )
    for first in range(0, count, A_FILE):
        documents = [
            f"""\
apiVersion: reconciler/v1
kind: TunedModel
metadata:
  name: model-{number:05}
  labels: {{team: team-{number % 7}}}
spec:
  display_name: Model {number}
  base_model: models/gemini-1.5-flash-001-tuning
  temperature: 0.7
  tuning_task:
    hyperparameters: {{batch_size: 2, learning_rate: 0.001, epoch_count: 5}}
    training_data:
      examples:
        examples:
          - {{text_input: "{number}", output: "{number + 1}"}}
          - {{text_input: "{number + 1}", output: "{number + 2}"}}
          - {{text_input: "{number + 2}", output: "{number + 3}"}}
"""
            for number in range(first, min(first + A_FILE, count))
        ]
        (target / f"models-{first:05}.yaml").write_text("---\n".join(documents), encoding="utf-8")


class Emulator:
    """One in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str) -> Any:
        """A request to its control plane."""
        request = urllib.request.Request(f"{self.url}/emulator/{path}", method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def count(self) -> int:
        """The requests of the API since the last count."""
        count: int = self.ask("GET", "requests?after=1000000000")["count"]
        self.ask("DELETE", "requests")
        return count


@contextmanager
def emulator() -> Iterator[Emulator]:
    """Run one while it is needed; trainings take no time."""
    process = subprocess.Popen(
        [*COMMAND, "emulator", "--port", "0", "--training-seconds", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Emulator(process.stdout.readline().split()[-1])
    finally:
        process.terminate()
        process.wait()


def say(what: str, cost: Cost, *notes: str) -> None:
    """One row."""
    print(
        f"{what:<42} {cost.wall * 1000:>8,.0f} ms {cost.processor * 1000:>8,.0f} ms {cost.peak:>6,.0f} MiB"
        f"   {', '.join(notes)}",
        flush=True,
    )


def starts(folder: Path) -> None:
    """The time until `--help` is there, beside Terraform's where it is installed."""
    ours = cold_start([str(Path(sys.executable).with_name("reconciler")), "--help"], folder)
    say("reconciler --help", ours, f"median of {STARTS}")
    say("python -c pass", cold_start([sys.executable, "-c", "pass"], folder), "the floor")
    terraform = shutil.which("terraform")
    if terraform is None:
        print("terraform is not installed: no comparison")
        return
    theirs = cold_start([terraform, "-help"], folder)
    say("terraform -help", theirs, f"ratio {ours.wall / theirs.wall:.2f}, goal: at most 2")


def runs(folder: Path, count: int, server: Emulator, *, apply: bool) -> None:
    """The life of so many models."""
    here = folder / str(count)
    write_manifests(here, count)
    environ = {**os.environ, "GOOGLE_GEMINI_BASE_URL": server.url}
    steps: list[tuple[str, list[str]]] = [
        ("validate", ["validate"]),
        ("plan, all to train", ["plan"]),
    ]
    if apply:
        steps += [
            ("apply, all to train", ["apply", "--auto-approve", "--parallelism", "10"]),
            ("plan, nothing to do", ["plan"]),
            ("drift", ["drift"]),
        ]
    server.ask("POST", "reset")
    server.count()
    for name, arguments in steps:
        cost = measured([*COMMAND, *arguments], here, environ)
        say(f"{count:>6,} models: {name}", cost, f"{server.count():,} requests")


def main() -> None:
    """Everything, some minutes."""
    with tempfile.TemporaryDirectory() as name, emulator() as server:
        folder = Path(name)
        print(f"{'':<42} {'wall clock':>11} {'processor':>11} {'peak':>10}")
        starts(folder)
        runs(folder, 100, server, apply=True)
        runs(folder, 1_000, server, apply=True)
        runs(folder, 10_000, server, apply=False)


if __name__ == "__main__":
    main()
