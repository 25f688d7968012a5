"""Models as their service shows them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from reconciler.model.endpoint import Checkpoint
from reconciler.model.names import Attributes
from reconciler.model.permission import Permission

LAG_SECONDS = 60.0
"""The time for which a service may not show an accepted change. No document says, so the user can set it."""


class Status(StrEnum):
    """A live model's condition, whatever the service calls it."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"


class Snapshot(Struct, frozen=True):
    """One point of the loss curve."""

    step: int
    epoch: int
    mean_loss: float


class Odd(Struct, frozen=True):
    """A model that the service lists in a form that cannot be read. Only its existence is known.

    Attributes:
        id: as `Live.id`; "" if it cannot be read either.
        name: its name in messages.
        why: the part that cannot be read.
    """

    id: str
    name: str
    why: str


class Live(Struct, frozen=True):
    """A model as the service shows it.

    Attributes:
        id: the identity we compare by: the chosen tunedModelId, or what stands for it.
        name: the API's resource name ("tunedModels/x").
        attributes: every field of the kind's table that the service returned, defaults included.
        permissions: None when they were not asked for.
        error: the operation's error where it was looked up, else "".
        times: RFC 3339 as received.
        base: the base model that a copy stands on, if the service tells it. "" for other models.
        outputs: its other results to show, name to resource name or number.
        aliases: path to all names of a value that has several; `attributes` has one of them.
        data: path of each data set of which the service shows where it lies, to that address or name.
        label: the id of ours that the service keeps as a label of it, "" for none.
        unclear: path of a field that the service shows in two ways, to both of them in words.
        traffic: endpoints that send it requests, except those that the service made for it and its
            checkpoints. Empty if the service has no endpoints.
        billed_tokens: what its training is billed for, 0 until the service tells.
        deployable: the resource name, with its version, under which endpoints have it. "" if there is none.
        checkpoints: in the order of the training. Empty if the service shows none.
        default_checkpoint: id of the one that is deployed where none is asked for. "" if it is not shown.
    """

    id: str
    name: str
    status: Status
    attributes: Attributes
    create_time: str = ""
    complete_time: str = ""
    snapshots: tuple[Snapshot, ...] = ()
    permissions: tuple[Permission, ...] | None = None
    error: str = ""
    base: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    unclear: Mapping[str, str] = field(default_factory=dict)
    traffic: tuple[str, ...] = ()
    billed_tokens: int = 0
    deployable: str = ""
    checkpoints: tuple[Checkpoint, ...] = ()
    default_checkpoint: str = ""

    @property
    def shown(self) -> Attributes:
        """Every attribute, under all its names: what is compared with a declaration."""
        return {**self.attributes, **self.aliases} if self.aliases else self.attributes
