"""What the call of a step works on."""

from __future__ import annotations

from msgspec import Struct

from reconciler.apply.tasks import Task
from reconciler.checks import Examples
from reconciler.model.desired import Desired
from reconciler.providers import Handle
from reconciler.state.values import Record


class Subject(Struct, frozen=True):
    """The task, models and data that a step works on.

    Attributes:
        task: the task. It does not change while its call is under way.
        record: the record of the address when the step starts.
        desired: the declared model; None if no manifest declares it.
        source: the resource name of the model to tune from; "" if the step creates nothing.
        examples: reads a data set again and verifies its digest.
    """

    task: Task
    record: Record
    desired: Desired | None
    source: str
    examples: Examples

    def find_handle(self, id: str = "") -> Handle:
        """See `Task.find_handle`."""
        return self.task.find_handle(self.record, id)
