"""A program that runs the command and kills itself at one of its state writes.

Usage: crash_point.py NUMBER sync|before|after|link COMMAND…

It sends itself SIGKILL at the NUMBER-th replacement of the state file: before the new bytes are synced,
before the new file is put in place, or after that. With `link` it does so at the NUMBER-th new file that
`import --all` puts in place.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

_NUMBER, _WHEN = int(sys.argv[1]), sys.argv[2]
_written = 0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _sync(descriptor: int, sync: Any = os.fsync) -> None:
    if _WHEN == "sync" and _written + 1 == _NUMBER:
        _die()
    sync(descriptor)


def _replace(source: Any, target: Any, replace: Any = os.replace) -> None:
    global _written  # noqa: PLW0603 - this process has one life
    if not str(source).endswith(".tmp"):
        replace(source, target)
        return
    _written += 1
    if _WHEN == "before" and _written == _NUMBER:
        _die()
    replace(source, target)
    if _WHEN == "after" and _written == _NUMBER:
        _die()


_linked = 0


def _link(source: Any, target: Any, link: Any = os.link) -> None:
    global _linked  # noqa: PLW0603 - this process has one life
    _linked += 1
    if _WHEN == "link" and _linked == _NUMBER:
        _die()
    link(source, target)


if __name__ == "__main__":
    os.fsync, os.replace, os.link = _sync, _replace, _link  # type: ignore[assignment]
    from reconciler.cli.app import main

    main(sys.argv[3:])
