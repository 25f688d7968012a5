"""A task: one change, and its position in its list of steps."""

from __future__ import annotations

from typing import assert_never

from msgspec import Struct

from reconciler.errors import ReconcilerError
from reconciler.events import APPLY, WAIT, Event, Skipped, Verb
from reconciler.model.names import Address
from reconciler.observe import make_handle
from reconciler.plan import steps
from reconciler.plan.change import Change
from reconciler.plan.recording import find_model
from reconciler.providers import Handle, Provider
from reconciler.state.values import Record


class Settled(Struct, frozen=True):
    """The effect of a step's outcome.

    Attributes:
        record: the new record.
        events: yielded once the record is committed.
        steps: number of finished steps.
        ended: nothing more is done for the task in this run.
        vacated: addresses that a record was moved away from.
        falls_back: a deployment failed, and the model that served is deployed again.
    """

    record: Record
    events: tuple[Event, ...] = ()
    steps: int = 0
    ended: bool = False
    vacated: tuple[Address, ...] = ()
    falls_back: bool = False


class Task(Struct, eq=False):
    """One change that is being executed.

    Attributes:
        id: id of the change's model. A create may have to take another generation, and so another id.
        seen: the record that the plan was made from, under its new address.
        generation: generation of the model to create.
        attempted: an earlier run recorded the create, and may have sent its request.
        position: index of the next step. The list itself never changes.
        ended: nothing more is done for the task in this run.
        misses: number of polls in a row that failed.
        odd: number of polls in a row whose answer was not understood.
        error: the last error of a poll or a refused call.
        not_before: clock time of the next try, if the service refused a call for now; 0.0 if it did not.
        has_named_time: the service itself named that time, so an earlier try is useless.
        refused: clock time at which a call was first refused for now; None if none was.
        falls_back: a deployment failed, so the steps that deploy the former model again are not left out.
    """

    change: Change
    provider: Provider
    id: str
    seen: Record
    generation: int = 0
    attempted: bool = False
    position: int = 0
    ended: bool = False
    misses: int = 0
    odd: int = 0
    error: ReconcilerError | None = None
    not_before: float = 0.0
    has_named_time: bool = False
    refused: float | None = None
    falls_back: bool = False

    @property
    def next(self) -> steps.Step | None:
        """The next step; None if nothing is left."""
        if self.ended or self.position >= len(self.change.steps):
            return None
        step = self.change.steps[self.position]
        is_fallback = isinstance(step, steps.Deploy) and step.is_fallback
        return None if is_fallback and not self.falls_back else step

    @property
    def wait(self) -> steps.Wait | None:
        """What the next step waits for; None if it can start."""
        return None if self.next is None else self.next.after

    @property
    def is_watching(self) -> bool:
        """Whether the next step only waits for the service."""
        return self.next is not None and self.next.nature is steps.Nature.WATCH

    @property
    def is_accepted(self) -> bool:
        """Whether the service accepted the task's create in this run."""
        return any(isinstance(step, steps.Create) for step in self.change.steps[: self.position])

    @property
    def changes_what_serves(self) -> bool:
        """Whether a step is left that lets another model or another checkpoint serve."""
        return any(map(_lets_another_serve, self.change.steps[self.position :]))

    @property
    def operation(self) -> Verb:
        """The name of the next step in events: people know trainings and deletions, not our steps."""
        left = self.change.steps[self.position :]
        return next((name for name in map(name_operation, left) if name), Verb.CREATE)

    def skip(
        self, reason: str, *, unfinished: bool = True, resume: str = WAIT, trouble: bool = False
    ) -> Skipped:
        """Build the event that the next step is not executed in this run."""
        address, operation = self.change.address, self.operation
        return Skipped(address, operation, reason, self.id, unfinished, resume, trouble)

    def find_handle(self, record: Record, id: str = "") -> Handle:
        """Return the handle of the model with this id, by default of the one that the change is about."""
        model = find_model(record, id or self.id)
        return make_handle(model) if model else Handle(id or self.id, self.change.name)

    def advance(self, settled: Settled) -> None:
        """Move on by the steps that are done."""
        self.position += settled.steps
        self.falls_back = self.falls_back or settled.falls_back
        self.ended = self.ended or settled.ended


def _lets_another_serve(step: steps.Step) -> bool:
    if isinstance(step, steps.AwaitDeployment):
        return not step.trial
    return isinstance(step, (steps.Promote, steps.ChooseCheckpoint, steps.SetDefaultCheckpoint))


def name_operation(step: steps.Step) -> Verb | None:  # noqa: C901, PLR0912  # a row for each step
    """Name a step for events; None if no event is about it."""
    match step:
        case steps.Move():
            return Verb.MOVE
        case steps.GoBack():
            return Verb.ROLLBACK
        case steps.Intent():
            return None
        case steps.Create(copies=True) | steps.AwaitTraining(copies=True):
            return Verb.COPY
        case steps.Create() | steps.AwaitTraining() | steps.ReportFailure():
            return Verb.CREATE
        case steps.Deletion() | steps.AwaitEnd():
            return Verb.DELETE
        case steps.Update():
            return Verb.UPDATE
        case steps.SetPermissions():
            return Verb.PERMISSIONS
        case steps.RunChecks():
            return Verb.CHECK
        case steps.ChooseCheckpoint() | steps.SetDefaultCheckpoint():
            return Verb.CHECKPOINT
        case steps.Promote() | steps.HoldBack():
            return Verb.PROMOTE
        case steps.Forget() | steps.ForgetDeposed():
            return Verb.FORGET
        case steps.CreateEndpoint(trial=True) | steps.Deploy(trial=True) | steps.AwaitDeployment(trial=True):
            return Verb.CHECK
        case steps.CreateEndpoint():
            return Verb.CREATE_ENDPOINT
        case steps.Deploy() | steps.AwaitDeployment():
            return Verb.DEPLOY
        case steps.AwaitDrain() | steps.Undeploy():
            return Verb.UNDEPLOY
        case steps.DeleteEndpoint():
            return Verb.DELETE_ENDPOINT
        case _:
            assert_never(step)


def choose_command(  # noqa: C901, PLR0912  # a row for each step
    step: steps.Step | None,
) -> str:
    """Choose the command that continues from this step: see `events.Skipped`."""
    match step:
        case steps.Update(of=steps.Role.SERVING) | steps.SetPermissions(of=steps.Role.SERVING):
            return APPLY
        case steps.Delete(deposed=True, after=None):
            return WAIT
        case steps.Create() | steps.ReportFailure() | steps.Intent():
            return APPLY
        case steps.DeleteFirst() | steps.Delete() | steps.Forget() | steps.ForgetDeposed():
            return APPLY
        case steps.AwaitTraining() | steps.AwaitEnd() | steps.Update() | steps.SetPermissions():
            return WAIT
        case steps.RunChecks() | steps.Promote() | steps.HoldBack() | steps.DeleteReplaced() | None:
            return WAIT
        case steps.Deploy(of=steps.Role.CANDIDATE) | steps.AwaitDeployment(of=steps.Role.CANDIDATE):
            return WAIT
        case steps.ChooseCheckpoint() | steps.SetDefaultCheckpoint():
            return WAIT if step.of is steps.Role.CANDIDATE else APPLY
        case steps.CreateEndpoint(trial=True) | steps.DeleteEndpoint(trial=True):
            return WAIT
        case steps.CreateEndpoint() | steps.Deploy() | steps.AwaitDeployment():
            return APPLY
        case steps.AwaitDrain() | steps.Undeploy() | steps.DeleteEndpoint(is_due=True):
            return WAIT
        case steps.DeleteEndpoint():
            return APPLY
        case _:
            assert_never(step)


def is_still_ours(  # noqa: C901, PLR0912  # a row for each step
    task: Task, record: Record
) -> bool:
    """Return whether the record still has the task's model where its next step expects it.

    While we only watch, other runs may promote, restore, delete or forget that model. Then we leave it.
    """
    serving = "" if record.serving is None else record.serving.id
    candidate = "" if record.candidate is None else record.candidate.id
    deposed = {model.id for model in (*record.held, *record.deposed)}
    match task.next:
        case None | steps.Move() | steps.ReportFailure():
            return True
        case steps.DeleteReplaced() | steps.Forget() | steps.ForgetDeposed():
            return True
        case steps.Intent():
            return record == task.seen
        case steps.AwaitEnd(is_namesake=True):
            return task.id == candidate and task.id in deposed
        case steps.Delete(after=None):
            return task.id in {serving, candidate, *deposed}
        case steps.AwaitEnd() | steps.Delete():
            return task.id in deposed - {serving, candidate}
        case steps.Update(of=steps.Role.SERVING) | steps.SetPermissions(of=steps.Role.SERVING):
            return task.id == serving
        case steps.Create() | steps.DeleteFirst() | steps.AwaitTraining() | steps.Update():
            return task.id == candidate
        case steps.SetPermissions() | steps.RunChecks() | steps.Promote() | steps.HoldBack():
            return task.id == candidate
        case steps.ChooseCheckpoint() | steps.SetDefaultCheckpoint():
            return task.id == (candidate if task.next.of is steps.Role.CANDIDATE else serving)
        case steps.DeleteEndpoint(trial=True):
            return True
        case steps.CreateEndpoint(trial=True) | steps.Deploy(trial=True) | steps.AwaitDeployment(trial=True):
            return record.trial is not None and task.id == candidate
        case steps.Deploy() | steps.AwaitDeployment():
            return has_endpoint(record, task.next.endpoint) and (
                task.falls_back or task.id == (candidate if task.next.of is steps.Role.CANDIDATE else serving)
            )
        case steps.AwaitDrain():
            return record.endpoint is not None
        case steps.CreateEndpoint() | steps.DeleteEndpoint():
            return has_endpoint(record, task.next.id)
        case steps.Undeploy():
            return has_endpoint(record, task.next.endpoint)
        case _:
            assert_never(task.next)


def has_endpoint(record: Record, id: str) -> bool:
    """Return whether an endpoint is recorded."""
    return any(endpoint.id == id for endpoint in record.endpoints)
