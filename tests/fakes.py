"""Hand-written fakes: a service in memory, a provider on it, a clock, and a fuse that kills the process.

The service outlives the provider. A new process is a new FakeProvider on the same FakeService. It behaves as
the Provider protocol says. Only the emulator behaves as an API does.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from reconciler.errors import (
    AlreadyExistsError,
    ForbiddenError,
    NoCapacityError,
    NotFoundError,
    NotUnderstoodError,
    ServiceError,
    StillTrainingError,
)
from reconciler.identity import encode_example, to_float32
from reconciler.kind import FieldRole, FieldType, Kind, OnChange
from reconciler.model.checks import Prompt
from reconciler.model.data import Example
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Odd, Snapshot, Status
from reconciler.model.names import BASE_MODEL, Attributes, Value
from reconciler.model.permission import Permission
from reconciler.providers import Accepted, BaseModels, Ended, Endpoints, Fence, Handle, Training
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import TUNING_JOB

BASE = "models/gemini-1.5-flash-001-tuning"
BASES: Mapping[str, str] = {TUNED_MODEL.name: BASE, TUNING_JOB.name: "gemini-3.1-flash-lite"}
"""A base model of each kind."""
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULTS: Mapping[str, Value] = {
    "temperature": 0.9,
    "top_p": 1.0,
    "top_k": 1,
    "tuning_task.hyperparameters.batch_size": 4,
    "tuning_task.hyperparameters.epoch_count": 5,
}
"""The values that the service fills in where a create has none."""


def digest_examples(examples: Iterable[Example]) -> str:
    """Compute SHA-256 in hex over the canonical examples, one on each line, in order."""
    return hashlib.sha256(b"".join(encode_example(example) + b"\n" for example in examples)).hexdigest()


def parent_field(kind: Kind) -> str:
    """Return the path of the field that names the tuned model to tune further."""
    return next(
        field.path
        for field in kind.fields.values()
        if field.role is FieldRole.SOURCE and field.path != BASE_MODEL
    )


def epochs_field(kind: Kind) -> str:
    """Return the path of the first field that says how often a training reads the data."""
    return next(path for path in kind.fields if path.endswith(kind.epochs))


def unfenced() -> None:
    """A fence that lets everything pass."""


class Crash(BaseException):
    """Raised where the process dies. Only the test may catch it."""


class FakeClock:
    """A clock that moves only when somebody sleeps. Call it for the time; use its `sleep` to wait."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Let this many seconds pass."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the seconds pass at once."""
        with self._lock:
            self.slept.append(seconds)
            self.now += max(0.0, seconds)


class Fuse:
    """Counts the places where a process can die, and dies at the one that was asked for.

    A provider and a backend that share a fuse number all their places in one row. Run once with `at=None` and
    read `count`. Then run with every number from 1 to that count. A blown fuse stays blown, so other threads
    die too.

    Args:
        at: the number of the place to die at, or the beginning of its name. Then it is the first such place.
    """

    def __init__(self, at: int | str | None = None) -> None:
        self.at = at if isinstance(at, int) else None
        self._place = at if isinstance(at, str) else None
        self.count = 0
        self.places: list[str] = []
        self._lock = threading.Lock()

    @property
    def blown(self) -> bool:
        """Whether the process is dead."""
        return self.at is not None and self.count >= self.at

    def point(self, place: str) -> None:
        """Note a place where the process can die, such as "before create x", and die if it is the one."""
        with self._lock:
            self.count += 1
            self.places.append(place)
            if self._place is not None and self.at is None and place.startswith(self._place):
                self.at = self.count
            if self.blown:
                raise Crash(f"{self.count}: {place}")


@dataclass(slots=True)
class FakeModel:
    """A model as the service stores it. It has the digest of its data, which no API returns."""

    id: str
    kind: Kind
    source: str
    attributes: dict[str, Value]
    data: str
    examples: int
    started: float
    seconds: float
    permissions: dict[tuple[str, str], Permission] = field(default_factory=dict)
    error: str = ""
    serial: int = 0

    @property
    def name(self) -> str:
        """The resource name, made from the id or from a number that the service chose."""
        return f"{self.kind.collection}{self.id}" if self.kind.collection else f"jobs/{self.serial}"

    @property
    def operation(self) -> str:
        """The operation's name. A model that is made again under the same id gets another one."""
        return f"{self.name}/operations/op{self.serial}"

    @property
    def epochs(self) -> int:
        """How often the training reads its data."""
        epochs = self.attributes.get(epochs_field(self.kind), self.kind.default_epochs)
        assert isinstance(epochs, int)
        return max(1, epochs)

    @property
    def total_steps(self) -> int:
        """The steps as the service counts them: ceil(examples * epochs / batch)."""
        batch = self.attributes.get(self.kind.batch, self.kind.default_batch)
        assert isinstance(batch, int)
        return max(1, math.ceil(self.examples * self.epochs / max(1, batch)))


@dataclass(slots=True)
class Failure:
    """An error that the service raises instead of, or after, doing what it was asked."""

    method: str
    error: BaseException
    when: str = "before"
    id: str | None = None
    times: int = 1


class FakeService:
    """The service: its models, and everything that was trained and deleted. It survives crashes.

    Args:
        clock: the time in seconds, by which trainings go on.
        training_seconds: how long each takes.
        list_lag: seconds before a new model appears in `list`.
        get_lag: seconds before a new model appears in `get` and `poll`.
        tunable: the base models on offer. None means the one in BASES for the kind.
        kind: the kind of its models.

    Attributes:
        history: every model that was ever trained here, with those that were deleted.
        creates: how many trainings were started under each id. Every one costs money.
        deletes: ids in the order in which they were deleted.
        calls: (method, id) of every call that arrived.
        failing: the error in which a training ends, by the id, or by the id without its digest.
        forbidden: ids that belong to somebody else. For these, get answers 403.
        odd: ids of models that the service describes in a form that nobody understands, and why.
        hidden: ids that a create is refused for, though a get answers 404.
        keeps_creating: whether a model in training cannot be deleted.
        room: how many models may train at once. None means any number.
        page: how many states a call returns.
        answer: what `generate` says.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        training_seconds: float = 100.0,
        list_lag: float = 0.0,
        get_lag: float = 0.0,
        tunable: frozenset[str] | None = None,
        kind: Kind = TUNED_MODEL,
    ) -> None:
        self.clock = clock
        self.training_seconds = training_seconds
        self.list_lag = list_lag
        self.get_lag = get_lag
        self.tunable = frozenset({BASES[kind.name]}) if tunable is None else tunable
        self.kind = kind
        self.models: dict[str, FakeModel] = {}
        self.history: list[FakeModel] = []
        self._serials = itertools.count(1)
        self.creates: Counter[str] = Counter()
        self.deletes: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.failures: list[Failure] = []
        self.failing: dict[str, str] = {}
        self.forbidden: set[str] = set()
        self.hidden: set[str] = set()
        self.odd: dict[str, str] = {}
        self.keeps_creating = False
        self.room: int | None = None
        self.page = 1000
        self.answer: Callable[[FakeModel, str], str] = lambda model, prompt: f"{model.id}: {prompt}"
        self.lock = threading.RLock()

    # ---- for tests

    def fail(
        self,
        method: str,
        error: BaseException,
        *,
        when: str = "before",
        id: str | None = None,
        times: int = 1,
    ) -> None:
        """Let the next calls of a method raise: before the effect, or after it (a lost reply)."""
        self.failures.append(Failure(method, error, when, id, times))

    def add(
        self,
        id: str,
        attributes: Attributes | None = None,
        *,
        source: str = "",
        examples: Sequence[Example] = (Example("1", "2"),),
        status: Status = Status.ACTIVE,
        error: str = "",
    ) -> FakeModel:
        """Add a model that somebody else created. It does not count as a create."""
        started = self.clock() - (0.0 if status is Status.CREATING else self.training_seconds)
        model = self._made(id, attributes or {}, source or BASES[self.kind.name], examples, started)
        if status is Status.FAILED:
            model.error = error or "training failed"
        self.models[id] = model
        return model

    def status(self, model: FakeModel) -> Status:
        """The state: CREATING until the training has ended."""
        if self.clock() - model.started < model.seconds:
            return Status.CREATING
        return Status.FAILED if model.error else Status.ACTIVE

    def finish(self) -> None:
        """End all trainings now."""
        for model in self.models.values():
            model.started = min(model.started, self.clock() - model.seconds)

    @property
    def changes(self) -> list[tuple[str, str]]:
        """The calls that change something."""
        return [call for call in self.calls if call[0] in CHANGING]

    # ---- for the provider

    def _made(
        self, id: str, attributes: Attributes, source: str, examples: Sequence[Example], started: float
    ) -> FakeModel:
        kept = {path: value for path, value in DEFAULTS.items() if path in self.kind.fields}
        for path, value in attributes.items():
            row = self.kind.fields[path]
            if row.role is not FieldRole.SOURCE:
                numeric = row.type is FieldType.FLOAT32 and isinstance(value, (int, float))
                kept[path] = to_float32(value) if numeric and not isinstance(value, (str, tuple)) else value
        parent = next((model for model in self.history if model.name == source), None)
        if parent is None and not source.startswith(self.kind.collection or "jobs/"):
            kept[BASE_MODEL] = source
        else:
            kept[parent_field(self.kind)] = self.kind.build_reference(parent.id) if parent else source
        return FakeModel(
            id=id,
            kind=self.kind,
            source=source,
            attributes=kept,
            data=digest_examples(examples),
            examples=len(examples),
            started=started,
            seconds=self.training_seconds,
            error=self.failing.get(id) or self.failing.get(id.rpartition("-")[0]) or "",
            serial=next(self._serials),
        )

    def visible(self, id: str, lag: float) -> FakeModel | None:
        """Return the model if it is older than the lag."""
        if id in self.forbidden:
            raise ForbiddenError(f"You do not have permission to access tuned model {id}", status=403)
        model = self.models.get(id)
        return model if model is not None and self.clock() - model.started >= lag else None

    def train(self, id: str, desired: Desired, source: str, examples: Sequence[Example]) -> FakeModel:
        """Do what a POST does: start a training, or refuse it because the id is taken."""
        if id in self.forbidden:
            raise AlreadyExistsError(f"{id} belongs to somebody else", visible=True)
        if id in self.hidden:
            raise AlreadyExistsError(f"{id} exists and cannot be seen", visible=False)
        existing = self.models.get(id)
        if existing is None:
            if self.room is not None and self._training() >= self.room:
                raise NoCapacityError("no room for another training", status=429)
            model = self._made(id, desired.attributes, source, examples, self.clock())
            self.models[id] = model
            self.history.append(model)
            self.creates[id] += 1
            return model
        asked = self._made(id, desired.attributes, source, examples, 0.0)
        for path, row in self.kind.fields.items():
            fixed = row.on_change is OnChange.REPLACE and (
                path in desired.attributes or row.role is FieldRole.SOURCE
            )
            if fixed and existing.attributes.get(path) != asked.attributes.get(path):
                raise AlreadyExistsError(f"{id} exists and is another model: {path}", visible=True)
        return existing

    def _training(self) -> int:
        return sum(self.status(model) is Status.CREATING for model in self.models.values())

    def live(self, model: FakeModel) -> Live:
        """Return the model as a GET shows it, which leaves out why a training failed."""
        status = self.status(model)
        done = "" if status is Status.CREATING else _time(model.started + model.seconds)
        return Live(
            id=model.id,
            name=model.name,
            status=status,
            attributes=dict(model.attributes),
            create_time=_time(model.started),
            complete_time=done,
            snapshots=self.curve(model),
        )

    def curve(self, model: FakeModel) -> tuple[Snapshot, ...]:
        """Return one snapshot for each quarter of the training."""
        share = min(1.0, (self.clock() - model.started) / model.seconds) if model.seconds else 1.0
        return tuple(
            Snapshot(
                step=max(1, model.total_steps * quarter // 4),
                epoch=quarter,
                mean_loss=1.0 / quarter,
            )
            for quarter in range(1, 5)
            if share >= quarter / 4
        )


CHANGING = frozenset({"create", "update", "delete", "set_permissions"})


def _time(seconds: float) -> str:
    return (EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


class FakeProvider:
    """The provider of one process, on a service. It implements `providers.Provider`.

    Args:
        service: shared with the providers of other processes.
        fuse: where this process dies. Every call has a place before its effect and one after it.
    """

    def __init__(self, service: FakeService, *, fuse: Fuse | None = None) -> None:
        self.service = service
        self.fuse = fuse or Fuse()

    @property
    def kind(self) -> Kind:
        """The kind of the service: TunedModel unless it was made for another."""
        return self.service.kind

    @property
    def endpoints(self) -> Endpoints | None:
        """None, because this service has no stable endpoints."""
        return None

    @contextmanager
    def _call(self, method: str, id: str = "", fence: Fence = unfenced) -> Iterator[None]:
        self.fuse.point(f"before {method} {id}".rstrip())
        with self.service.lock:
            self.service.calls.append((method, id))
            self._fail(method, id, "before")
            fence()
            yield
            self._fail(method, id, "after")
        self.fuse.point(f"after {method} {id}".rstrip())

    def _fail(self, method: str, id: str, when: str) -> None:
        for failure in self.service.failures:
            matches = (failure.method, failure.when) == (method, when) and failure.id in {None, id}
            ours = isinstance(failure.error, AlreadyExistsError) and id in self.service.models
            if matches and failure.times > 0 and not ours:
                # A provider that looks first finds our model, so it meets no such error.
                failure.times -= 1
                raise failure.error

    def _model(self, handle: Handle, lag: float | None = None) -> FakeModel:
        model = self.service.visible(handle.id, self.service.get_lag if lag is None else lag)
        if model is None:
            raise NotFoundError(f"{self.kind.build_reference(handle.id)} does not exist.", status=404)
        return model

    def list(self, *, own: bool = False, progress: bool = False) -> Iterator[Live | Odd]:
        """Return every model that is older than the lag. All of them count as ours."""
        del own, progress
        with self._call("list"):
            service = self.service
            old = [
                model
                for model in service.models.values()
                if service.clock() - model.started >= service.list_lag
            ]
            hidden = service.forbidden | service.odd.keys()
            found = [service.live(model) for model in old if model.id not in hidden]
            odd = [Odd(id, id, why) for id, why in service.odd.items()]
        yield from found
        yield from odd

    def list_states(self) -> Iterator[Mapping[str, Status]]:
        """Yield the states of a page of models, with a call for each page."""
        service = self.service
        found = [
            (model.name, service.status(model))
            for model in service.models.values()
            if model.id not in service.odd and service.clock() - model.started >= service.list_lag
        ]
        for first in range(0, len(found), service.page) or [0]:
            with self._call("states"):
                page = dict(found[first : first + service.page])
            yield page

    def get(self, handle: Handle) -> Live | None:
        """Return one model."""
        with self._call("get", handle.id):
            if handle.id in self.service.odd:
                raise NotUnderstoodError(self.service.odd[handle.id])
            model = self.service.visible(handle.id, self.service.get_lag)
            return None if model is None else self.service.live(model)

    def measure_data(self, desired: Sequence[Desired]) -> Sequence[Desired]:
        """Do nothing, because no data is stored elsewhere."""
        return desired

    def read_data(self, uri: str) -> None:
        """Return nothing, because no data is stored elsewhere."""
        del uri

    def create(
        self,
        desired: Desired,
        id: str,
        source: str,
        examples: Mapping[str, Iterable[Example]],
        *,
        fence: Fence,
        attempted: bool = False,
    ) -> Accepted:
        """Start a training, or find the one that was started under this id."""
        del attempted
        with self._call("create", id, fence):
            model = self.service.train(id, desired, source, tuple(examples[desired.data[0].field]))
            return Accepted(model.name, model.operation, model.total_steps, _time(model.started))

    def update(self, handle: Handle, attributes: Attributes, *, fence: Fence) -> None:
        """Set these fields and no others."""
        with self._call("update", handle.id, fence):
            model = self._model(handle)
            for path, value in attributes.items():
                row = self.kind.fields[path]
                if row.on_change is not OnChange.UPDATE:
                    raise ServiceError(f"{path} is immutable", status=400)
                numeric = row.type is FieldType.FLOAT32 and isinstance(value, (int, float))
                model.attributes[path] = (
                    to_float32(value) if numeric and not isinstance(value, (str, tuple)) else value
                )

    def delete(self, handle: Handle, *, fence: Fence) -> None:
        """Delete the model. If it is gone already, that is a success."""
        with self._call("delete", handle.id, fence):
            model = self.service.visible(handle.id, 0.0)
            if model is not None:
                if self.service.keeps_creating and self.service.status(model) is Status.CREATING:
                    raise StillTrainingError(f"{handle.id} is still in training", status=400)
                del self.service.models[handle.id]
                self.service.deletes.append(handle.id)

    def poll(self, handle: Handle) -> Training:
        """Return how far the training is. Only this call tells why a training failed."""
        with self._call("poll", handle.id):
            model = self._model(handle)
            found = self.service.live(model)
            share = min(1.0, max(0.0, (self.service.clock() - model.started) / (model.seconds or 1.0)))
            return Training(
                status=found.status,
                percent=100.0 * share,
                step=int(model.total_steps * share),
                total_steps=model.total_steps,
                snapshots=found.snapshots,
                error=model.error if found.status is Status.FAILED else "",
                live=found,
            )

    def list_permissions(self, handle: Handle) -> tuple[Permission, ...]:
        """Return who may use the model."""
        with self._call("permissions", handle.id):
            return tuple(sorted(self._model(handle).permissions.values()))

    def set_permissions(self, handle: Handle, desired: Sequence[Permission], *, fence: Fence) -> None:
        """Set exactly these permissions. The service stores e-mail addresses in lower case."""
        with self._call("set_permissions", handle.id, fence):
            kept = [replace(manifest, email_address=manifest.email_address.lower()) for manifest in desired]
            self._model(handle).permissions = {permission.grantee: permission for permission in kept}

    def generate(self, handle: Handle, prompt: Prompt, *, temperature: float | None = None) -> str:
        """Return what the service's `answer` returns."""
        del temperature
        with self._call("generate", handle.id):
            model = self._model(handle)
            if self.service.status(model) is not Status.ACTIVE:
                raise ServiceError(f"{handle.id} is not ACTIVE", status=400)
            return self.service.answer(model, prompt.text or prompt.line)

    def list_ended(self) -> Iterator[Ended]:
        """Return nothing, because a deletion leaves nothing behind."""
        yield from ()

    def list_base_models(self) -> BaseModels:
        """Return the base models that the service offers."""
        with self._call("base_models"):
            return BaseModels(self.service.tunable)

    def find_endpoint(self, handle: Handle) -> str:
        """Return the resource name without a call."""
        return handle.name or self.kind.build_reference(handle.id)
