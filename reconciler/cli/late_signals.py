"""What a run may end in, and signals after its end.

Rules: nothing ends in 1 once something may have been begun at a service, a defect of ours neither. A late
SIGINT, SIGTERM or SIGHUP never changes the exit code, and never has to be answered with SIGKILL.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from reconciler.cli import signals
from reconciler.errors import ExitCode

_BEGUN: list[Callable[[], bool]] = []


def watch(begun: Callable[[], bool]) -> None:
    """From now on an error ends in 4 where `begun` says that a call may have begun something."""
    _BEGUN.append(begun)


def of_error(code: int) -> int:
    """The exit code of a run that an error ended: 4 in place of 1 once something may have been begun."""
    if code == ExitCode.ERROR and any(begun() for begun in _BEGUN):
        return ExitCode.FAILED
    return code


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
