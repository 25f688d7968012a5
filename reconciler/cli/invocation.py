"""A command line as a value: read from the options, and written again in messages that name a command.

Rule: a command that a message names works on the same state, manifests and variables.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.cli.options import LOCK_TIMEOUT, PARALLELISM
from reconciler.errors import UsageError
from reconciler.formats import format_period
from reconciler.model.stack import Guards
from reconciler.plan.inputs import Inputs
from reconciler.settings import hide_login
from reconciler.settings.secrecy import LEFT_OUT

if TYPE_CHECKING:
    from reconciler.plan.change import Drift, Plan

_LOCKING = frozenset({"apply", "destroy", "rollback", "wait"})
"""Commands that take --lock-timeout, of those that a message names."""

_GUARDS = {"max_trainings": "--max-trainings", "max_deletes": "--max-deletes", "max_cost": "--max-cost"}
_SELECTION = {
    "targets": "--target",
    "excludes": "--exclude",
    "replace": "--replace",
    "retry_failed": "--retry-failed",
    "destroy": "--destroy",
    "refresh_only": "--refresh-only",
}
_NAMED_COMMAND = (
    r"\breconciler (state [a-z]+|apply|drift|force-unlock|import|output|plan|rollback|show|wait)\b"
    r"(?! --(?:emulator|state)\b)"
)
"""A command in an advice, without the options of this run."""
_IN_A_PLAN = {"variables": "--var", "variable_files": "--var-file", **_SELECTION, **_GUARDS}
"""Parameters that a saved plan holds, with their options."""


class Need(Enum):
    """The manifests that a command needs."""

    MODELS = auto()
    """All of them, and they declare at least one model."""
    ANY = auto()
    """All of them. It is not an error if there are none."""
    STACK = auto()
    """The Stack alone, if there is one: what is wrong in other manifests does not stop the command."""


class Resume(Struct, frozen=True):
    """Command lines that continue: `wait` for what was begun, `apply` the rest, or the command `again`."""

    wait: str
    apply: str
    again: str


class Lists(Enum):
    """The lists that a command asks for in any case, unless something is wrong."""

    NONE = auto()
    MODELS = auto()
    PROGRESS = auto()
    """Those that `Provider.list` yields with `progress`."""


class Invocation(Struct, frozen=True):
    """A command and the options that it shares with others.

    Attributes:
        command: its name.
        paths: () for the default folder.
        need: which manifests it needs.
        is_selecting: the paths, folders too, only select records: the Stack may be found above them.
        reads_training: see `manifests.loading.load`.
        arguments: what only this command takes, as it was typed.
    """

    command: str
    paths: Sequence[str] = ()
    state_url: str | None = None
    emulator: bool = False
    parallelism: int = PARALLELISM
    lock_timeout: timedelta = LOCK_TIMEOUT
    variables: Sequence[str] = ()
    variable_files: Sequence[str] = ()
    inputs: Inputs = field(default_factory=Inputs)
    need: Need = Need.MODELS
    is_selecting: bool = False
    reads_training: bool = True
    arguments: Sequence[str] = ()

    @classmethod
    def read(cls, command: str, given: Mapping[str, Any], need: Need = Need.MODELS) -> Invocation:
        """Read the options that a command was given. One that destroys needs no manifests."""
        selection: dict[str, Any] = {
            name: tuple(value) if isinstance(value, (list, tuple)) else value
            for name in _SELECTION
            if (value := given.get(name)) is not None
        }
        inputs = Inputs(**selection, guards=Guards(*(given.get(name) for name in _GUARDS)))
        if inputs.refresh_only and inputs.destroy:
            raise UsageError(
                "--refresh-only plans nothing, and --destroy plans deletions", "Give one of them"
            )
        rest = {name: value for name, value in given.items() if name not in {*_SELECTION, *_GUARDS}}
        return cls(command, **rest, inputs=inputs, need=Need.ANY if inputs.destroy else need)

    @classmethod
    def read_for_plan(cls, command: str, given: Mapping[str, Any], plan: Plan) -> Invocation:
        """Read the options given with a saved plan, which holds its paths, variables, selection and guards.

        Raises:
            UsageError: one of these is given again, or only the plan was made with --emulator.
        """
        again = [option for name, option in _IN_A_PLAN.items() if _is_given(given.get(name))]
        if again or len(given["paths"]) > 1:
            raise UsageError(
                f"{given['paths'][0]} is a saved plan, which holds its paths, variables, selection and "
                f"guards: {', '.join(again) or 'more paths'} cannot be given again",
                "Apply it as it is, or make a new plan",
            )
        if plan.context.embedded and not given["emulator"]:  # before a credential is looked for in vain
            raise UsageError(
                f"{given['paths'][0]} was made with --emulator, and is for the emulator alone",
                "Add --emulator, or make a new plan without it",
            )
        rest = {name: value for name, value in given.items() if name not in {*_IN_A_PLAN, "paths"}}
        flags = [f"{name}={value}" for name, value in plan.inputs.variables.items()]
        need = Need.ANY if plan.inputs.destroy else Need.MODELS
        return cls(command, **rest, paths=plan.inputs.paths, variables=flags, inputs=plan.inputs, need=need)

    # -- command lines for messages ----------------------------------------------------------------

    def spell(self, command: str) -> str:
        """Write a command line with these options, without the values of variables."""
        words = self._begin_line(command)
        if self.parallelism != PARALLELISM:
            words += ["--parallelism", str(self.parallelism)]
        if self.lock_timeout != LOCK_TIMEOUT and command in _LOCKING:
            words += ["--lock-timeout", format_period(self.lock_timeout.total_seconds())]
        words += self.arguments if command == self.command else ()
        for variable in self.variables:
            words += ["--var", f"{variable.partition('=')[0]}={LEFT_OUT}"]
        for file in self.variable_files:
            words += ["--var-file", file]
        words += [word for pattern in self.inputs.targets for word in ("--target", pattern)]
        words += [word for pattern in self.inputs.excludes for word in ("--exclude", pattern)]
        return shlex.join([*words, *self.paths])

    def spell_apply(self, file: str) -> str:
        """Write the command line that applies the plan that this command saved."""
        return shlex.join([*self._begin_line("apply"), file])

    def spell_resume(self) -> Resume:
        """Write the command lines that continue this command."""
        again = self.spell(self.command)
        if self.command == "destroy":
            return Resume(wait=again, apply=again, again=again)
        if self.command == "rollback":  # wait promotes candidates, and a rollback has none
            selected = replace(self, inputs=replace(self.inputs, targets=(self.arguments[0],)))
            finish = selected.spell("apply")
            return Resume(wait=finish, apply=finish, again=again)
        return Resume(wait=self.spell("wait"), apply=self.spell("apply"), again=again)

    def complete(self, advice: str) -> str:
        """Add this run's --emulator and --state to the commands that an advice names."""
        return re.sub(_NAMED_COMMAND, lambda found: shlex.join(self._begin_line(found[1])), advice)

    def complete_plan(self, plan: Plan) -> Plan:
        """Add them to the commands that the notes of a plan name, too."""
        changes = (replace(one, notes=self._complete_all(one.notes)) for one in plan.changes)
        return replace(
            plan,
            changes=tuple(changes),
            drift=self.complete_drift(plan.drift),
            notes=self._complete_all(plan.notes),
        )

    def complete_drift(self, found: Iterable[Drift]) -> tuple[Drift, ...]:
        """Add them to the commands that drift names, too."""
        return tuple(replace(one, detail=self.complete(one.detail)) for one in found)

    def _complete_all(self, notes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(self.complete, notes))

    def _begin_line(self, command: str) -> list[str]:
        words = ["reconciler", *command.split()]
        words += ["--emulator"] if self.emulator else []
        if self.state_url:  # without its login, which is in TF_HTTP_USERNAME or is typed again
            words += ["--state", hide_login(self.state_url).replace("…@", "", 1)]
        return words


def _is_given(value: object) -> bool:
    """Return whether an option was on the command line; --max-deletes 0 is."""
    return value is not None and value is not False and value != ()
