"""The only writer: a plan becomes calls, commits and events, in this order.

Record first, call second, report third: the intents of all creates are committed before the first
call, and an event is yielded only after the commit that proves it. One loop alone commits and yields;
calls run on a small thread pool. The lock is held while calls run and outcomes are recorded, never
while a training is merely watched.
"""

from reconciler.apply.context import Context
from reconciler.apply.run import apply

__all__ = ["Context", "apply"]
