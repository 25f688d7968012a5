"""The checkpoint of a model that is to serve at its stable endpoint. `endpoints` has the rows.

Rule: a choice is recorded before anything is deployed. Without a declared choice nobody manages it. A copy
has the one of its source, and after a rollback it is the one that the model had before.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import Diagnostic
from reconciler.model.endpoint import Deployment, Serving
from reconciler.model.live import Live, Status
from reconciler.plan.case import Case, refuse
from reconciler.plan.change import Change
from reconciler.plan.checkpoints import (
    Selection,
    count_unasked,
    explain_missing,
    find_wanted,
    select,
    select_copied,
)
from reconciler.plan.steps import ChooseCheckpoint, GoBack, Role, SetDefaultCheckpoint, Step, find_step
from reconciler.state.values import Record, RecordedModel

_PATH = "serving.checkpoint"


class Pick(Struct, frozen=True):
    """A model, and its checkpoint that is to serve.

    Attributes:
        model: as recorded. None if there is none yet.
        live: None unless it is trained and seen.
        selection: None if any checkpoint will do.
    """

    model: RecordedModel | None
    live: Live | None = None
    selection: Selection | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be chosen."""
        return self.selection is not None and not self.selection.is_chosen

    @property
    def chosen(self) -> str:
        """The id of the checkpoint that was chosen already. "" if there is none."""
        return self.selection.id if self.selection is not None and self.selection.is_chosen else ""

    @property
    def has_default(self) -> bool:
        """Whether the chosen checkpoint is the model's default already, or none is chosen."""
        if self.selection is None:
            return True
        default = self.live.default_checkpoint if self.live is not None else ""
        return self.selection.is_chosen and default == self.selection.id

    def accepts(self, deployment: Deployment) -> bool:
        """Return whether a deployment of this model has the right checkpoint."""
        if self.selection is None:
            return True
        return self.selection.is_chosen and deployment.checkpoint == self.selection.id


def pick_checkpoint(
    case: Case, main: Change, serving: Serving, record: Record, model: RecordedModel
) -> Pick | Diagnostic:
    """Find the checkpoint that is to serve. Refuses one that a trained model does not have.

    Args:
        case: the address.
        main: what is decided for its model.
        serving: as declared.
        record: as it is when the first call of `main` is made.
        model: the model of that record that is to serve.
    """
    shown = case.find_live(model)
    live = shown if shown is not None and shown.status is Status.ACTIVE else None
    if record.held or find_step(main.steps, GoBack):
        former = Selection(model.choice, model.checkpoint, is_chosen=True) if model.checkpoint else None
        return Pick(model, live, former)
    if not case.kind.trains:
        return Pick(model, live, select_copied(model, live))
    selection = select(serving, case.desired.checks, model, live, serves=model is record.serving)
    if selection is None or live is None or selection.id or find_wanted(selection.choice, live.checkpoints):
        return Pick(model, live, selection)
    return refuse(
        case.desired,
        f"{case.desired.address}: {explain_missing(model.id, serving.checkpoint, live.checkpoints)}",
        "Correct serving.checkpoint: nothing is trained again",
        path=_PATH,
    )


def settle_choice(record: Record, pick: Pick) -> Record:
    """Record a choice that needs no call, or that nobody makes any more."""
    model, selection = pick.model, pick.selection
    if model is None or pick.is_open:
        return record
    choice, checkpoint = ("", "") if selection is None else (selection.choice, selection.id)
    if (model.choice, model.checkpoint) == (choice, checkpoint):
        return record
    settled = replace(model, choice=choice, checkpoint=checkpoint)
    if model is record.candidate:
        return replace(record, candidate=settled)
    return replace(record, serving=settled)


def choose(case: Case, pick: Pick, of: Role) -> Iterator[Step]:
    """Choose a checkpoint that was not chosen before, and run the checks with it."""
    selection, checks = pick.selection, case.desired.checks
    if selection is None or selection.is_chosen or pick.model is None:
        return
    asks = count_unasked(selection, checks, pick.model, pick.live) if checks else 0
    yield ChooseCheckpoint(of, selection.choice, selection.id, checks, asks)


def set_default(pick: Pick, of: Role) -> Iterator[Step]:
    """Make the chosen checkpoint the model's default, if it is not."""
    if pick.selection is not None and not pick.has_default:
        yield SetDefaultCheckpoint(of, pick.selection.id)
