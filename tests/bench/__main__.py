"""Measure: ours, the floor and Terraform side by side, in one run, in turn. `make bench` runs this.

    python -m tests.bench [--quick] [--out FOLDER] [ROW …]

Nothing here needs a quiet machine. The programs of a row run in turn, so a load meets all of them. The load
is printed, and processor seconds stand beside wall-clock seconds. The result is bench.json, with every run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.costs import Cost, measure
from tests.bench.provider.build import build_provider, list_missing
from tests.bench.rows import OURS, PROVIDER, ROWS, TERRAFORM, Beside, Row

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


class Service:
    """The stand-in, in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the stand-in itself."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}/bench/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@contextmanager
def serve(seconds: float) -> Iterator[Service]:
    """Run a stand-in while it is needed."""
    command = [sys.executable, "-m", "tests.bench.service", str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Service(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()


def make_environ(home: Path, url: str) -> dict[str, str]:
    """Return the environment of everything that is measured: no credential, no check for a newer version."""
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "GOOGLE_GEMINI_BASE_URL": url,
        "GOOGLE_VERTEX_BASE_URL": url,
        "CHECKPOINT_DISABLE": "1",
    }


def run_module(name: str, *arguments: object) -> None:
    """Make a part of a world in a process of its own, see `costs`."""
    subprocess.run([sys.executable, "-m", f"tests.bench.{name}", *map(str, arguments)], cwd=ROOT, check=True)


def make_world(row: Row, folder: Path, service: Service, environ: Mapping[str, str]) -> None:
    """Make what our command works on: manifests, and for models that are there already state and service."""
    folder.mkdir()
    if not row.world:
        return
    run_module("worlds", "models" if row.world == "new" else row.world, folder, row.size)
    if row.world == "models":
        run_module("recorded", folder, service.url)
    if row.world in {"models", "jobs"}:
        measure(["reconciler", "apply", "--auto-approve"], folder, environ)


def make_terraform(
    beside: Beside, row: Row, folder: Path, names: Mapping[str, str], environ: Mapping[str, str]
) -> None:
    """Make Terraform's folder: once for all plans, and for each apply."""
    if beside.resources in {"planned", "provided"} and folder.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    if beside.resources == "provided":
        run_module("worlds", "provided", folder, row.size, names["url"], names["provider"])
        return
    run_module("worlds", "terraform", folder, max(row.size, 1), beside.resources)
    measure(["terraform", "init", "-no-color"], folder, environ)


def count(service: Service, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Cost:
    """Measure a command, and count what the service receives and sends meanwhile."""
    service.ask("GET", "counts")
    cost = measure(command, folder, environ)
    return replace(cost, **service.ask("GET", "counts"))


def measure_row(row: Row, folder: Path, provider: Path | None = None) -> dict[str, list[Cost]]:
    """Measure the programs of a row in turn, after one run of ours that fills the caches.

    `provider` is the folder of the Go provider. Without it, or without Terraform, that program has no runs.
    """
    costs: dict[str, list[Cost]] = {OURS: [], **{beside.name: [] for beside in row.beside}}
    folder.mkdir()
    with serve(row.seconds) as service:
        environ = make_environ(folder, service.url)
        here = folder / "ours"
        make_world(row, here, service, environ)
        names = {
            "manifests": str(here / "manifests"),
            "url": service.url,
            "data": str(here / "data" / "examples.jsonl"),
            "provider": str(provider or ""),
        }
        for at in range(-1, row.rounds):
            if row.forgotten:
                (here / row.forgotten).unlink(missing_ok=True)
            if row.world == "new":
                service.ask("POST", "nothing")
            cost = count(service, ["reconciler", *row.ours], here, environ)
            if at < 0:
                continue
            costs[OURS].append(cost)
            for beside in row.beside:
                if at < beside.rounds and is_here(beside, provider):
                    command, there, its_environ = prepare(beside, row, folder, names, environ)
                    costs[beside.name].append(count(service, command, there, its_environ))
                    check_plan(command, there)
    return costs


def is_here(beside: Beside, provider: Path | None) -> bool:
    """Whether another program is on this machine. The floor always is."""
    if beside.name == PROVIDER:
        return provider is not None
    return beside.name != TERRAFORM or shutil.which("terraform") is not None


def prepare(
    beside: Beside, row: Row, folder: Path, names: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[list[str], Path, Mapping[str, str]]:
    """Return the command of another program, its folder and its environment. Terraform's folder is made."""
    arguments = [argument.format(**names) for argument in beside.arguments]
    if not beside.resources:
        return [sys.executable, str(Path(__file__).with_name("floor.py")), *arguments], folder, environ
    there = folder / beside.resources
    environ = {**environ, "TF_CLI_CONFIG_FILE": str(there / "terraformrc")}
    make_terraform(beside, row, there, names, environ)
    return ["terraform", *arguments], there, environ


def check_plan(command: Sequence[str], folder: Path) -> None:
    """End here if a plan of Terraform found something to do: its exit code does not always tell."""
    said = (folder / "bench.log").read_text(encoding="utf-8")
    if command[:2] == ["terraform", "plan"] and "No changes." not in said:
        sys.exit(f"{' '.join(command)} found something to do:\n{said[-2000:]}")


def prepare_provider(rows: Iterable[Row], machine: dict[str, Any]) -> Path | None:
    """Make the Go provider if a row needs it and the machine has what it takes. Returns its folder."""
    if not any(beside.name == PROVIDER for row in rows for beside in row.beside):
        return None
    if missing := list_missing():
        print(f"{PROVIDER} is left out. What it takes and is not here: {', '.join(missing)}", flush=True)
        return None
    provider = build_provider()
    told = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, check=True, text=True)
    machine["go"] = told.stdout.strip().removeprefix("go")
    return provider


def describe_machine() -> dict[str, Any]:
    """Say on what it is measured, and how busy that is."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    model = next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )
    terraform = ""
    if shutil.which("terraform"):
        told = subprocess.run(
            ["terraform", "version", "-json"],
            capture_output=True,
            check=True,
            env={**os.environ, "CHECKPOINT_DISABLE": "1"},
        )
        terraform = json.loads(told.stdout)["terraform_version"]
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30,
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "terraform": terraform,
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def main() -> None:
    """Measure every row, print each as it is done, and write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="small worlds and few rounds, for development")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench", help="folder of bench.json")
    parser.add_argument("rows", nargs="*", help=f"which rows: {', '.join(row.key for row in ROWS)}")
    options = parser.parse_args()
    rows = [row for row in ROWS if not options.rows or row.key in options.rows]
    if options.quick:
        rows = [
            replace(
                row,
                size=row.quick,
                rounds=min(row.rounds, 3),
                beside=tuple(replace(one, rounds=1) for one in row.beside),
            )
            for row in rows
            if row.quick
        ]
    machine = describe_machine()
    provider = prepare_provider(rows, machine)
    result: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "quick": options.quick,
        "machine": machine,
        "rows": [],
    }
    print(report.describe(result), flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for row in rows:
            costs = measure_row(row, Path(name) / row.key, provider)
            runs = {who: [asdict(cost) for cost in each] for who, each in costs.items()}
            result["rows"].append({"key": row.key, "size": row.size, "runs": runs})
            print(report.show_row(result, row), flush=True)
            shutil.rmtree(Path(name) / row.key)
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / "bench.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    report.write_chart(result, options.out / "bench.svg")
    print(f"Written: {options.out / 'bench.json'} and bench.svg")


if __name__ == "__main__":
    main()
