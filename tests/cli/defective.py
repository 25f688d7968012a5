"""Runs the command with a defect added to it, in a process that a test starts.

Usage: defective.py PLACE COMMAND…: the command raises an unexpected TypeError at PLACE.
"""

from __future__ import annotations

import sys
from typing import Any


def _defect(*_arguments: Any, **_named: Any) -> Any:
    raise TypeError("a defect")


def _after(original: Any) -> Any:
    def act(*arguments: Any, **named: Any) -> Any:
        original(*arguments, **named)
        _defect()

    return act


def _put_in(place: str) -> None:
    from reconciler.apply import worker
    from reconciler.cli import execution
    from reconciler.providers.gemini.provider import GeminiProvider
    from reconciler.render import stream

    places: dict[str, tuple[Any, str, Any]] = {
        "list": (GeminiProvider, "list", _defect),
        "create": (GeminiProvider, "create", _after(GeminiProvider.create)),
        "settle": (worker, "settle", _defect),
        "show": (stream, "build_event_records", _defect),
        "conclude": (execution, "print_summary", _defect),
    }
    owner, name, replacement = places[place]
    getattr(owner, name)  # fails if the name was changed: these tests would then prove nothing
    setattr(owner, name, replacement)


if __name__ == "__main__":
    from reconciler.cli.app import main

    _put_in(sys.argv[1])
    main(sys.argv[2:])
