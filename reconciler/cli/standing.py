"""Signals after the end: what a run has ended in stands, and what still hangs can be left.

Rule: a late SIGINT, SIGTERM or SIGHUP never changes the exit code, and never has to be answered with SIGKILL.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from reconciler.cli import signals


class _Standing:
    """A handler: the first signal ends the step that may be interrupted, the second one the process."""

    def __init__(self, code: int) -> None:
        self._code = code
        self._met = False
        self.interrupts = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self._met:
            os._exit(self._code)
        self._met = True
        if self.interrupts:
            raise KeyboardInterrupt

    def install(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in signals.stopping():
                signal.signal(number, self)


def keep(code: int) -> None:
    """From now on the exit code stands: one signal is ignored, the next one leaves with the code at once."""
    _Standing(code).install()


def seal() -> None:
    """Nothing can hang any more: signals are ignored, also by the interpreter's end.

    That takes back every handler written in Python, and the default would kill.
    """
    if threading.current_thread() is threading.main_thread():
        for number in signals.stopping():
            signal.signal(number, signal.SIG_IGN)


def attempt(step: Callable[[], None], code: int) -> bool:
    """Do what may hang after all is done; whether it came to its end, or a signal ended it.

    The exit code stands meanwhile, and afterwards.
    """
    standing = _Standing(code)
    try:
        try:
            standing.interrupts = True
            standing.install()
            step()
        finally:
            standing.interrupts = False
    except KeyboardInterrupt:
        return False
    return True
