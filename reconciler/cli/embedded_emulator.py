"""The emulator as the command line starts it: inside a command, or as a server.

Rule: what is missing or in the way is an error of the user's set-up, and says what to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

from reconciler.errors import UsageError


def server() -> ModuleType:
    """`reconciler.emulator.server`.

    Raises:
        UsageError: one of its packages is not installed, or cannot be used as it is.
    """
    try:
        from reconciler.emulator import server as module
    except ImportError as error:
        name = error.name or ""
        if name.partition(".")[0] == "reconciler":
            raise
        missing = isinstance(error, ModuleNotFoundError) and "." not in name
        why = f"the Python package {name} is not installed" if missing else str(error)
        raise UsageError(
            f"the emulator cannot be started: {why}",
            "Install this program again with what it depends on: in the folder of its source, pip install .",
        ) from error
    return module


@contextmanager
def inside(folder: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """The address of an emulator that runs in this process, its data in `folder`.

    Raises:
        UsageError: a package is missing, or the data cannot be kept there.
    """
    from reconciler.emulator import Settings
    from reconciler.http import seconds_of

    running = server().running
    seconds = seconds_of(environ, "RECONCILER_EMULATOR_SECONDS", -1.0)
    settings = Settings(training_seconds=seconds) if seconds >= 0 else None
    data = folder / "emulator.sqlite3"
    with ExitStack() as stays:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            emulator = stays.enter_context(running(data=data, settings=settings))
        except OSError as error:
            raise UsageError(
                f"the emulator cannot keep its data in {data}: {error.strerror or error}",
                "Make room for it there, or run in another folder",
            ) from error
        except sqlite3.DatabaseError as error:
            raise not_its_data(data, error) from error
        yield emulator.url


def not_its_data(data: Path | str, error: sqlite3.DatabaseError) -> UsageError:
    """What to say of a file that is not an emulator's, or is damaged."""
    return UsageError(
        f"the emulator cannot use {data}: {error}",
        "If its models are of no use any more, delete the file; else give another one",
    )
