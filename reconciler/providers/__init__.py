"""One API each, behind one small protocol; the core never asks which.

A provider translates: model values in, requests out; JSON in, model values out. It decides nothing,
records nothing, and retries only what is safe twice (`http`). Methods are called from several
threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from reconciler.kind import Kind
from reconciler.model import Attributes, Desired, Example, Live, Odd, Permission, Snapshot, Status

Fence: TypeAlias = Callable[[], None]
"""Says whether a request that changes something may still be sent; raises what the call shall end with.

Between the decision to call and the sending, minutes may pass: a call waits for its turn, for a 429, for a
list that lags, or the whole process stands still. Rule: whoever starts a changing call passes a fence, and
the transport asks it on the calling thread, right before each sending of each such request.
"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A create that the service took: the training runs, or is done.

    Attributes:
        name: the API's resource name.
        operation: name of the long-running operation, "" when the service has none or it is unknown.
        total_steps: as the service counts, None when it does not say.
    """

    name: str
    operation: str = ""
    total_steps: int | None = None
    create_time: str = ""


@dataclass(frozen=True, slots=True)
class Training:
    """How a training is going: one answer to one poll."""

    status: Status
    percent: float | None = None
    step: int | None = None
    total_steps: int | None = None
    snapshots: tuple[Snapshot, ...] = ()
    error: str = ""
    live: Live | None = None


@dataclass(frozen=True, slots=True)
class Handle:
    """How a provider finds a model again: what the record knows of it."""

    id: str
    name: str = ""
    operation: str = ""


@dataclass(frozen=True, slots=True)
class BaseModels:
    """What can be tuned today; `tunable` are the names that offer it.

    `assumed`: from documentation, because the service does not tell; then it refuses nothing.
    """

    tunable: frozenset[str]
    assumed: bool = False


class Provider(Protocol):
    """The service behind a kind.

    Every method may raise errors.ServiceError or errors.CredentialError.
    """

    @property
    def kind(self) -> Kind:
        """The kind it serves, with its field table."""

    def list(self, *, own: bool = False) -> Iterator[Live | Odd]:
        """Every model that we can see, whole; `own` leaves out what others shared with us.

        What cannot be understood of one stops nobody: it comes as an Odd.
        """

    def get(self, handle: Handle) -> Live | None:
        """One model; None when the service says it does not exist. Forbidden raises."""

    def measure_data(self, wants: Sequence[Desired]) -> Sequence[Desired]:
        """The same, with the digest of each data set that lies elsewhere; reads only.

        A data set that is not there keeps the digest "".
        """

    def create(
        self,
        want: Desired,
        id: str,
        source: str,
        examples: Mapping[str, Iterable[Example]],
        *,
        fence: Fence,
        attempted: bool = False,
    ) -> Accepted:
        """Start the training of `want` under our `id`; answers when it is accepted.

        Safe to call again with the same id: after a lost reply it looks first, and an existing model
        of ours with the same fields is success.

        Args:
            want: what is declared.
            id: the identity chosen beforehand.
            source: the resource name of the model to tune ("models/x" or "tunedModels/y").
            examples: DataSet.field to its examples, none for data that lies elsewhere. Each iteration reads
                them anew, and raises StalePlanError before its end when they are not what was measured.
            fence: asked before each sending.
            attempted: an earlier run may have sent it; where no id of ours refuses a second one, it is
                looked for until a list cannot lag any more.

        Raises:
            NoCapacityError: the service has no room for it now; nothing was begun.
            AlreadyExistsError: the id is taken by a model that is not the one asked for
                (`visible`), or by something that nobody can see.
        """

    def update(self, handle: Handle, attributes: Attributes, *, fence: Fence) -> None:
        """Set just these fields (PATCH with a mask)."""

    def delete(self, handle: Handle, *, fence: Fence) -> None:
        """Delete it, cancelling its training first if that still runs; already gone is success.

        Raises:
            StillTrainingError: the service does not delete it while its training ends.
        """

    def poll(self, handle: Handle) -> Training:
        """How its training goes: from the operation where there is one, else from the model.

        Raises NotFoundError when neither exists.
        """

    def list_permissions(self, handle: Handle) -> tuple[Permission, ...]:
        """Who may use it, without the owner that the service set itself."""

    def set_permissions(self, handle: Handle, want: Sequence[Permission], *, fence: Fence) -> None:
        """Create, patch and delete until exactly `want` remains (the owner of the model stays)."""

    def generate(self, handle: Handle, prompt: str, *, temperature: float | None = None) -> str:
        """The text of the first candidate."""

    def list_base_models(self) -> BaseModels:
        """Which base models can be tuned now."""

    def find_endpoint(self, handle: Handle) -> str:
        """The resource name that a program calls for inference."""


Providers = Mapping[str, Provider]
"""Kind name to its provider."""
