"""The condition of the models for `status`, once or again and again.

Rules: it only reads. A look sends one list request for each kind. Up to eight trainings of a kind are polled
too; of more, the list tells enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from reconciler import observe
from reconciler.apply import schedule
from reconciler.apply.execute import read_training
from reconciler.errors import ServiceError, StateError, StoppedError
from reconciler.events import Progress
from reconciler.model.live import Live
from reconciler.model.names import Address
from reconciler.operation import Operation
from reconciler.plan.status import ModelStatus, find_status, is_training, list_in_training
from reconciler.state.values import RecordedModel

_MISSES = 5
"""A watch ends after this many looks in a row that failed."""
_COST = 4.0
"""The least pause after a look, as a multiple of its duration."""


def look(operation: Operation) -> tuple[ModelStatus, ...]:
    """Find the status of the selected models now. UsageError if --target or --exclude matches nothing."""
    state = operation.read_state()
    addresses = operation.select(state)
    facts = operation.read_facts(state, briefly=True)

    def poll(training: tuple[Address, RecordedModel, Live]) -> Progress:
        address, model, _ = training
        try:
            told = operation.find_provider(address).poll(observe.make_handle(model))
        except StoppedError:
            raise
        except ServiceError:  # the list has shown that it is in training, so it stays in the table
            return tell(training)
        return schedule.measure_progress(address, model, told, operation.now())

    def tell(training: tuple[Address, RecordedModel, Live]) -> Progress:
        address, model, live = training
        told = read_training(live, model.total_steps)
        return schedule.measure_progress(address, model, told, operation.now())

    in_training = list_in_training(facts, addresses)
    count = Counter(address.kind for address, _, _ in in_training)
    few = [training for training in in_training if count[training[0].kind] <= schedule.MANY]
    many = [training for training in in_training if count[training[0].kind] > schedule.MANY]
    found = (*observe.run_each(poll, few, operation.parallelism), *map(tell, many))
    return find_status(facts, addresses, {progress.id: progress for progress in found})


def watch(operation: Operation) -> Iterator[tuple[ModelStatus, ...]]:
    """Yield the status now, and again until nothing is in training or the run stops.

    A look that fails is repeated, except the first. The fifth failure in a row is raised.
    """
    began = operation.clock()
    found = look(operation)
    misses = 0
    while True:
        if not misses:
            yield found
            if not is_training(found):
                return
        pause = max(_choose_pause(found), _COST * (operation.clock() - began), 2.0**misses - 1)
        if operation.stopping.wait(min(pause, schedule.LONGEST)):
            return
        began = operation.clock()
        try:
            found, misses = look(operation), 0
        except (StoppedError, KeyboardInterrupt):  # the second stops a look that hangs
            return
        except (ServiceError, StateError):
            misses += 1
            if misses == _MISSES:
                raise


def _choose_pause(found: Sequence[ModelStatus]) -> float:
    """Choose the seconds until the next look: what the training asks for that is looked at most often."""
    running = [model.progress for model in found if model.progress is not None]
    return min(
        (schedule.choose_interval(progress.elapsed, progress.remaining) for progress in running),
        default=schedule.SHORTEST,
    )
