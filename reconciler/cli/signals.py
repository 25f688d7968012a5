"""The signals that ask a run to stop: Ctrl-C, a cancelled job, a closed terminal.

Rules: all of them are dealt with alike. Signals that arrive after the run cannot change its exit code, and a
second one exits at once, so that SIGKILL is never needed.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import Any


@cache
def find_stopping_signals() -> tuple[signal.Signals, ...]:
    """List SIGINT, SIGTERM and SIGHUP. Call it first in `main`, before any handler is set.

    SIGHUP is left out if it was ignored at the start: that is how `nohup` says that a run is to outlive its
    terminal.
    """
    hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hang_up)


def _handle(numbers: tuple[signal.Signals, ...], handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            signal.signal(number, handler)


def raise_interrupts() -> None:
    """Make each of them raise KeyboardInterrupt, as Ctrl-C does, so that locks are given back."""
    # not SIGINT: Python raises it already, unless our parent process ignores it
    _handle(find_stopping_signals()[1:], signal.default_int_handler)


@contextmanager
def detaching(stopping: threading.Event) -> Iterator[None]:
    """Let the first signal set `stopping`, and the second raise KeyboardInterrupt, while the block runs.

    After the block, signals are ignored.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    _handle(find_stopping_signals(), stop)
    try:
        yield
    finally:
        ignore()


def ignore() -> None:
    """Ignore the signals, even while the interpreter ends and Python's own handlers are gone."""
    _handle(find_stopping_signals(), signal.SIG_IGN)


class _Fixed:
    """A handler once the exit code is fixed: the first signal may interrupt a step, the second one exits."""

    def __init__(self, code: int, *, is_interrupting: bool = False) -> None:
        self._code = code
        self._was_met = False
        self.is_interrupting = is_interrupting

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self._was_met:
            os._exit(self._code)
        self._was_met = True
        if self.is_interrupting:
            raise KeyboardInterrupt


def fix_exit_code(code: int) -> None:
    """Ignore the next signal, and exit with this code at the one after it."""
    _handle(find_stopping_signals(), _Fixed(code))


def run_interruptibly(step: Callable[[], None], code: int) -> bool:
    """Run a step that may hang, after the exit code is fixed. Returns False if a signal ended it."""
    handler = _Fixed(code, is_interrupting=True)
    try:
        try:
            _handle(find_stopping_signals(), handler)
            step()
        finally:
            handler.is_interrupting = False
    except KeyboardInterrupt:
        return False
    return True
