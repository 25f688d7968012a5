"""Which signals ask a run to stop: Ctrl-C, a cancelled job, a closed terminal.

Rule: they are all dealt with alike, wherever signals are dealt with.
"""

from __future__ import annotations

import signal
import threading
from functools import cache


@cache
def stopping() -> tuple[signal.Signals, ...]:
    """The signals that stop a run; asked first by `main`, because later none looks as it did at the start.

    SIGHUP is one of them unless it was ignored then: that is how `nohup` says that a run is to outlive its
    terminal.
    """
    hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hang_up)


def interrupt() -> None:
    """From now on each of them is as Ctrl-C: KeyboardInterrupt, so that locks are given back."""
    if threading.current_thread() is threading.main_thread():
        for number in stopping()[1:]:  # Ctrl-C is one already, unless whoever started us ignores it
            signal.signal(number, signal.default_int_handler)
