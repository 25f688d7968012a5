"""The errors that people meet, and the numbers of the exit codes; `cli.exit_codes` decides between them.

Every error that a user can cause or a service can answer is one of these; anything else is a defect. The
classes form a tree: commands catch a whole branch, and `apply` decides by the leaves.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import NamedTuple

from reconciler.formats import count_noun

BODY_LIMIT = 256
"""Characters of a foreign message that an error repeats: enough to recognise, too few to leak."""


def is_panic(error: BaseException) -> bool:
    """Return whether a Rust library panicked. A panic is a BaseException: `except Exception` misses it."""
    return type(error).__name__ == "PanicException"


class ExitCode(IntEnum):
    """The exit codes of the process; scripts rely on them."""

    DONE = 0
    ERROR = 1
    CHANGES = 2
    UNFINISHED = 3
    FAILED = 4


class Severity(StrEnum):
    """Whether a problem stops a command."""

    ERROR = "error"
    WARNING = "warning"


class Diagnostic(NamedTuple):  # --help makes no Struct, and so it does not import msgspec
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

    Attributes:
        summary: what happened, where, and why.
        detail: what the user can do now.
        diagnostics: every problem, in the order of files and lines; by default the error itself.
    """

    def __init__(self, summary: str, detail: str = "", diagnostics: Iterable[Diagnostic] = ()) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.diagnostics = tuple(diagnostics) or (Diagnostic(summary, detail),)


class UsageError(ReconcilerError):
    """The command line is wrong: it asks for something that makes no sense."""


class NotJSONError(ReconcilerError):
    """Bytes are not JSON, or they are larger, deeper or longer in a number than we accept.

    `summary` gives the reason only. The caller adds which file or answer it read.
    """


class ManifestError(ReconcilerError):
    """Manifests or data sets are wrong. Carries every problem, not only the first."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        found = tuple(diagnostics)
        errors = sum(1 for problem in found if problem.severity is Severity.ERROR)
        super().__init__(f"{count_noun(errors, 'problem')} in the manifests", diagnostics=found)


class PlanError(ReconcilerError):
    """The plan is refused: a conflict, a guard, a missing majority, a protection. Nothing was changed."""


class GuardError(PlanError):
    """A guard or prevent_destroy refuses a plan, which is complete and can be shown.

    Attributes:
        plan: the refused plan (`plan.change.Plan`), for people to look at; None where there is none.
        facts: what it was made from (`plan.facts.Facts`).
    """

    plan: object = None
    facts: object = None


class StalePlanError(PlanError):
    """Something that the saved or approved plan depends on has changed since."""


class StateError(ReconcilerError):
    """The recorded state cannot be used as it is."""


class StateCorruptError(StateError):
    """The state's bytes are not a state document: they are truncated, hold conflict markers or wrong types.

    They are left untouched.
    """


class StateTooNewError(StateError):
    """The state was written by a newer version of this program."""


class StateForeignError(StateError):
    """The state belongs to another stack, service or project."""


class StateMovedError(StateError):
    """Somebody else wrote the state since it was read (a lost compare-and-swap); our write was not done."""


class StateLockedError(StateError):
    """Another run holds the lock; the error names the holder."""


class LockLostError(StateError):
    """Our lease expired, or somebody forced the lock: no further changing call may start."""


class StateStoreError(StateError):
    """The store of the state cannot be reached, or it refuses us."""


class CredentialError(ReconcilerError):
    """There is no usable credential, or it must not be sent to that address."""


class ServiceError(ReconcilerError):
    """The API answered with an error, or it did not answer.

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
    """The resource's present state does not allow this; a later state may."""


class StillTrainingError(ServiceError):
    """A model is not deleted while its training ends; it can be deleted later."""


class InUseError(ServiceError):
    """A model is not deleted while it stands on an endpoint that the tuning service did not make for it."""


class UnauthenticatedError(ServiceError):
    """401: the credential is missing, expired or not accepted."""


class ForbiddenError(ServiceError):
    """403: scopes, quota project, disabled service, or somebody else's model."""


class NotFoundError(ServiceError):
    """404."""


class AlreadyExistsError(ServiceError):
    """409: the id is taken by something other than the model that we asked for.

    Attributes:
        visible: False if nobody can see what took the id (a get keeps answering 404). Then only another
            generation of the id can be created.
    """

    def __init__(self, summary: str, detail: str = "", *, visible: bool = True, reason: str = "") -> None:
        super().__init__(summary, detail, status=409, reason=reason)
        self.visible = visible


class RateLimitedError(ServiceError):
    """429 that is not worth waiting for (limit: 0), or that lasted longer than one call may wait.

    Attributes:
        again: seconds after which to ask again; None if asking again is no use.
        named: whether the service itself gave that time.
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
    """The service has no room for a create now (a quota of tuning jobs). Nothing was begun: ask later."""


class NotReadyError(ServiceError):
    """The service is not ready for a create. Nothing was begun, and the cause goes away within minutes."""


class NotUnderstoodError(ServiceError):
    """The answer makes no sense, or is about something else. Nothing is concluded from it."""


class NoTextError(ServiceError):
    """A model answered without any text: the prompt was blocked, or the model said nothing."""


class UnavailableError(ServiceError):
    """5xx or no connection, after the safe retries: nothing was sent, or it is safe to repeat."""


class UnreadableError(UnavailableError):
    """Each reply, however often we asked, was not the JSON object that we expect."""


class StoppedError(UnavailableError):
    """The run is being stopped (Ctrl-C): a waiting call was not sent, not repeated, or not looked for."""


class ReplyLostError(ServiceError):
    """A changing call was sent, and no whole reply came. Its effect is unknown: look before repeating it."""
