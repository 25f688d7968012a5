"""A forked command finds what a new interpreter would find, and a signal reaches it at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import fork_server
from tests.limits import NET

FOUND = """
import functools, json, os, signal, sys, threading
ours = [module for name, module in sys.modules.items() if name.partition(".")[0] == "reconciler"]
values = [value for module in ours for value in vars(module).values()]
cached = [one.cache_info().currsize for one in values if isinstance(one, functools._lru_cache_wrapper)]
streams = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}
print(json.dumps({
    "arguments": sys.argv,
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "descriptors": sorted(int(one) for one in os.listdir("/dev/fd") if os.path.exists(f"/dev/fd/{one}")),
    "inheritable": [os.get_inheritable(one) for one in range(3)],
    "process": [os.getpgrp(), os.getsid(0)],
    "signals": {
        str(one): str(signal.getsignal(one)).partition(" at 0x")[0] for one in signal.valid_signals()
    },
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "cached": sum(cached),
    "threads": threading.active_count(),
    "streams": {
        name: [one.fileno(), one.encoding, one.errors, one.line_buffering, one.write_through, one.isatty()]
        for name, one in streams.items()
    },
    "input": sys.stdin.read(),
}))
"""
WAITS = """
import time
while True:
    time.sleep(0.05)
"""
"""It sleeps in short pieces, because a signal just before a sleep is noticed only after that sleep."""


def start(folder: Path, program: str, *, fresh: bool = False) -> subprocess.Popen[str]:
    """Start a program with pipes as its streams."""
    file = folder / "program.py"
    file.write_text(program, encoding="utf-8")
    return fork_server.start(
        ["one", "--two=\udcff"],
        program=[str(file)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(fork_server.ROOT), "X": "ä"},
        fresh=fresh,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def look(folder: Path, *, fresh: bool) -> dict[str, Any]:
    """Return what a program finds when it starts."""
    with start(folder, FOUND, fresh=fresh) as process:
        said, _ = process.communicate("said", timeout=NET)
        found: dict[str, Any] = json.loads(said)
        assert process.returncode == 0
        return found


def test_a_fork_finds_what_a_new_interpreter_finds(tmp_path: Path) -> None:
    """Arguments, folder, environment, streams, descriptors, signals, group, session, and nothing cached."""
    assert look(tmp_path, fresh=False) == look(tmp_path, fresh=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_that_is_sent_at_once_ends_a_fork(tmp_path: Path, number: signal.Signals) -> None:
    """An early signal ends a fork, which does not inherit the server's ignored signals."""
    with start(tmp_path, WAITS) as process:
        process.send_signal(number)
        assert process.wait(NET) == -number


def test_a_command_that_cannot_start_is_an_error_of_the_test_and_of_no_other(tmp_path: Path) -> None:
    """A missing folder is an error of that command, and the next command starts."""
    with pytest.raises((AssertionError, FileNotFoundError)):
        fork_server.start([], cwd=tmp_path / "missing", env=dict(look(tmp_path, fresh=False)["environment"]))
    assert look(tmp_path, fresh=False)["arguments"][1:] == ["one", "--two=\udcff"]
