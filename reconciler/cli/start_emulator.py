"""Starts the emulator, inside a command or as a server.

Rule: a missing package or an unusable file raises a UsageError with advice.
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from reconciler import bounds, strictjson
from reconciler.cli.apis import APIS
from reconciler.errors import UsageError


def _load_server() -> ModuleType:
    """Import `reconciler.emulator.server`. UsageError when one of its packages is missing or unusable."""
    try:
        from reconciler.emulator import server as module
    except ImportError as error:
        name = error.name or ""
        if name.partition(".")[0] == "reconciler":
            raise
        is_missing = isinstance(error, ModuleNotFoundError) and "." not in name
        why = f"the Python package {name} is not installed" if is_missing else str(error)
        raise UsageError(
            f"the emulator cannot be started: {why}",
            "Reinstall reconciler with its dependencies: run pip install . in its source folder.",
        ) from error
    return module


@contextmanager
def run_inside(folder: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Run an emulator in this process, with its data in `folder`; yields its address.

    Raises:
        UsageError: a package is missing, a setting is wrong, or the data cannot be kept there.
    """
    changes = _read_changes(environ)
    server = _load_server()
    data = folder / "emulator.sqlite3"
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            emulator = stack.enter_context(server.run_emulator(data=data, changes=changes))
        except OSError as error:
            raise UsageError(
                f"the emulator cannot keep its data in {data}: {error.strerror or error}",
                "Check the permissions and the free space there, or run in another folder",
            ) from error
        except sqlite3.DatabaseError as error:
            raise _build_data_error(data, error) from error
        except server.ArgumentError as error:
            raise UsageError(
                f"RECONCILER_EMULATOR_SETTINGS: {error.message}", "Write settings that docs/emulator.md lists"
            ) from error
        yield emulator.url


def _read_changes(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the emulator's settings that the environment changes. UsageError if one is malformed."""
    from reconciler.settings import read_seconds, to_settings

    text = to_settings(environ).get("RECONCILER_EMULATOR_SETTINGS", "{}")
    changes: dict[str, Any] = strictjson.loads(text.encode(), most=bounds.VARIABLE)
    seconds = read_seconds(environ, "RECONCILER_EMULATOR_SECONDS", -1.0)
    if seconds >= 0:
        changes["training_seconds"] = seconds
    for pair in filter(None, to_settings(environ).get("RECONCILER_EMULATOR_RETIRES", "").split(",")):
        name, _, day = pair.partition("=")
        # the Gemini API calls its base models models/…
        key = "retires" if name.startswith("models/") else "vertex_retires"
        if isinstance(changes.setdefault(key, {}), dict):  # the emulator refuses anything else
            changes[key][name] = day or None
    return changes


def serve(*, host: str, port: int, data: str | None, training_seconds: float | None) -> None:
    """Serve until stopped, and print the address and how to use it.

    Raises:
        UsageError: the address or the file of its data cannot be used, or a package is missing.
    """
    # click lets a number through that is none
    if training_seconds is not None and math.isnan(training_seconds):
        raise UsageError("--training-seconds: nan is not a number of seconds", "Write a number, such as 4")
    server = _load_server()
    changes = {} if training_seconds is None else {"training_seconds": training_seconds}
    try:
        server.serve(host=host, port=port, data=data, changes=changes, ready=_print_address)
    except sqlite3.DatabaseError as error:
        raise _build_data_error(data or "", error) from error
    except OSError as error:
        # asyncio repeats the address in strerror, so take the reason from errno
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        data_clause = f" or keep {data}" if data else ""
        raise UsageError(
            f"cannot listen on {host}:{port}{data_clause}: {reason}",
            f"Use another --port{', --host or --data' if data else ' or --host'}",
        ) from error


def _print_address(url: str) -> None:
    names = dict.fromkeys(api.endpoint_variable for api in APIS if api.is_emulated)
    variables = " ".join(f"{name}={url}" for name in names)
    sys.stdout.write(f"Serving on {url}\nTo use it: export {variables}\n")
    sys.stdout.flush()


def _build_data_error(data: Path | str, error: sqlite3.DatabaseError) -> UsageError:
    """Make the error for a file that is damaged or does not hold an emulator's data."""
    return UsageError(
        f"the emulator cannot use {data}: {error}",
        "If you no longer need its models, delete the file. Otherwise use another file",
    )
