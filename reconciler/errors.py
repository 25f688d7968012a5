"""The errors that people meet, and the numbers of the exit codes; `cli.exit_codes` decides between them.

Every error that a user can cause or a service can answer is one of these; anything else is a defect.

    ReconcilerError
    ├── UsageError                     a wrong command line
    ├── NotJSONError                   bytes that should be JSON and are not, or are more than we take
    ├── ManifestError                  carries every Diagnostic found, not only the first
    ├── PlanError                      the plan is refused: conflict, guard, missing majority, protection
    │   ├── GuardError                 a guard or prevent_destroy refuses a plan, which can be shown
    │   └── StalePlanError             what a saved plan was bound to has moved
    ├── StateError                     the state cannot be used as it is
    │   ├── StateCorruptError          truncated, conflict markers, wrong types
    │   ├── StateTooNewError           written by a newer version
    │   ├── StateForeignError          another stack's, service's or project's state
    │   ├── StateMovedError            a compare-and-swap lost: somebody else wrote
    │   ├── StateLockedError           another run holds the lock; names the holder
    │   ├── LockLostError              our lease expired, or somebody forced the lock
    │   └── StateStoreError            the store cannot be reached or refuses us
    ├── CredentialError                no usable credential, or one that may not be sent there
    └── ServiceError                   the API answered with an error, or did not answer
        ├── InvalidArgumentError       400
        ├── UnauthenticatedError       401
        ├── ForbiddenError             403
        ├── NotFoundError              404
        ├── AlreadyExistsError         409
        ├── RateLimitedError           429 that was not worth waiting for, or lasted too long
        │   └── NoCapacityError        the service has no room now: nothing was begun, wait and ask again
        ├── NotReadyError              the service is not ready yet: nothing was begun, it passes by itself
        ├── NotUnderstoodError         an answer that makes no sense: nothing is concluded from it
        ├── UnavailableError           5xx, or no connection: nothing was sent or it is safe to repeat
        │   ├── UnreadableError        answered, again and again, by something that is no JSON
        │   └── StoppedError           the run is being stopped (Ctrl-C); the call was not sent (again)
        └── ReplyLostError             sent, no whole reply: the effect is unknown; look before repeating
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from reconciler.formats import count_noun

BODY_LIMIT = 256
"""Characters of a foreign message that an error repeats: enough to recognise, too few to leak."""


def is_panic(error: BaseException) -> bool:
    """Whether a library written in Rust gave up: a BaseException, which no `except Exception` meets."""
    return type(error).__name__ == "PanicException"


class ExitCode(IntEnum):
    """What the process answers; scripts rely on it."""

    DONE = 0
    ERROR = 1
    CHANGES = 2
    UNFINISHED = 3
    FAILED = 4


class Severity(StrEnum):
    """Whether a problem stops a command."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem, with its place.

    Attributes:
        summary: what is wrong and why, one sentence, no final stop needed.
        detail: what to do now; may be empty.
        file: path as the user gave it, or None where no file is concerned.
        line: 1-based, or None.
        column: 1-based, or None.
        severity: whether it stops a command.
        address: the manifest's address ("TunedModel/x") where known.
    """

    summary: str
    detail: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    severity: Severity = Severity.ERROR
    address: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        text = f"{place}: {self.summary}" if place else self.summary
        return f"{text}\n    {self.detail}" if self.detail else text


class ReconcilerError(Exception):
    """Root of the tree.

    Args:
        summary: what happened, where, and why.
        detail: what the user can do now.
    """

    def __init__(self, summary: str, detail: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The error as diagnostics; one, unless a subclass collected more."""
        return (Diagnostic(self.summary, self.detail),)


class UsageError(ReconcilerError):
    """The command line asks for something that makes no sense."""


class NotJSONError(ReconcilerError):
    """Bytes that should be JSON are none, or are larger, deeper or longer in a number than we take.

    `summary` says why, and not of what: whoever reads a file or an answer says that.
    """


class ManifestError(ReconcilerError):
    """Manifests or data sets are wrong; carries all problems at once."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        found = tuple(diagnostics)
        errors = sum(1 for one in found if one.severity is Severity.ERROR)
        super().__init__(f"{count_noun(errors, 'problem')} in the manifests")
        self._diagnostics = found

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Every problem, in the order of files and lines."""
        return self._diagnostics


class PlanError(ReconcilerError):
    """The plan is refused; nothing was sent that changes anything."""

    def __init__(self, summary: str, detail: str = "", diagnostics: Iterable[Diagnostic] = ()) -> None:
        super().__init__(summary, detail)
        self._diagnostics = tuple(diagnostics)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Every reason for the refusal."""
        return self._diagnostics or super().diagnostics


class GuardError(PlanError):
    """The plan is whole, and is more than is allowed.

    Attributes:
        plan: the refused plan (`plan.values.Plan`), for people to look at; None where there is none.
    """

    plan: object = None


class StalePlanError(PlanError):
    """What the saved or approved plan was bound to has moved."""


class StateError(ReconcilerError):
    """The recorded state cannot be used."""


class StateCorruptError(StateError):
    """The state's bytes are not a state document; they are left untouched."""


class StateTooNewError(StateError):
    """The state was written by a newer version of this program."""


class StateForeignError(StateError):
    """The state belongs to another stack, service or project."""


class StateMovedError(StateError):
    """Somebody else wrote the state since it was read; our write was not done."""


class StateLockedError(StateError):
    """Another run holds the lock."""


class LockLostError(StateError):
    """We no longer hold the lock: no further changing call may start."""


class StateStoreError(StateError):
    """The place where the state is kept cannot be used."""


class CredentialError(ReconcilerError):
    """There is no usable credential, or it must not be sent to that address."""


class ServiceError(ReconcilerError):
    """The API refused or failed.

    Attributes:
        status: HTTP status, or None where there was no reply.
        reason: the service's own word for it ("PERMISSION_DENIED"), "" where it has none.
        said: the service's own words, printable, where advice may depend on them; else "".
    """

    def __init__(
        self, summary: str, detail: str = "", *, status: int | None = None, reason: str = "", said: str = ""
    ) -> None:
        super().__init__(summary, detail)
        self.status = status
        self.reason = reason
        self.said = said


class InvalidArgumentError(ServiceError):
    """400: the request will never succeed as it is."""


class WrongStateError(InvalidArgumentError):
    """The resource is in a state in which this cannot be done to it; later it may be."""


class StillTrainingError(ServiceError):
    """A model is not deleted while its training ends; it can be deleted later."""


class UnauthenticatedError(ServiceError):
    """401: the credential is missing, expired or not accepted."""


class ForbiddenError(ServiceError):
    """403: scopes, quota project, disabled service, or somebody else's model."""


class NotFoundError(ServiceError):
    """404."""


class AlreadyExistsError(ServiceError):
    """409: the id is taken by something that is not the model we asked for.

    Attributes:
        visible: False when nobody can see what took it (a get keeps answering 404): another
            generation of the id is the way out.
    """

    def __init__(self, summary: str, detail: str = "", *, visible: bool = True, reason: str = "") -> None:
        super().__init__(summary, detail, status=409, reason=reason)
        self.visible = visible


class RateLimitedError(ServiceError):
    """429 that is not worth waiting for (limit: 0), or that outlasted the patience of one call.

    Attributes:
        again: seconds after which it is worth asking again; None where it is not.
        named: the service itself named that time.
    """

    def __init__(
        self,
        summary: str,
        detail: str = "",
        *,
        status: int | None = None,
        reason: str = "",
        again: float | None = None,
        named: bool = False,
    ) -> None:
        super().__init__(summary, detail, status=status, reason=reason)
        self.again = again
        self.named = named


class NoCapacityError(RateLimitedError):
    """A create was refused for want of room (a quota of trainings at once): ask again later."""


class NotReadyError(ServiceError):
    """A create was refused for something that passes by itself within minutes; nothing was begun."""


class NotUnderstoodError(ServiceError):
    """The API answered with what makes no sense, or about something else: nothing is concluded from it."""


class NoTextError(ServiceError):
    """A model answered, and without any text: the prompt was blocked, or it said nothing."""


class UnavailableError(ServiceError):
    """5xx or no connection, after the safe retries."""


class UnreadableError(UnavailableError):
    """A reply that is not the JSON object expected, however often it is asked for."""


class StoppedError(UnavailableError):
    """The run is being stopped: a call that had to wait was not sent, or not sent or looked for again."""


class ReplyLostError(ServiceError):
    """A changing call was sent and no whole reply came: look before repeating."""
