"""Stable endpoints, what is deployed to them, and the checkpoints that can be."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

DRAIN = timedelta(seconds=60)
"""By default a replaced model stays deployed for this time, for the requests that it is answering."""


class Serving(Struct, frozen=True):
    """The stable endpoint that a manifest declares: the one name that programs call for ever.

    Attributes:
        endpoint: its id, which is ours.
        location: where it is. "" for the location of the endpoint that the service makes for the model.
        drain: how long the replaced model stays deployed after the new one has taken its traffic.
        adopt: take over an endpoint of this id that is not ours, with what is deployed to it.
        allow_interruption: undeploy the old model before the new one is deployed.
        is_default: the manifest names no endpoint. If one is recorded, it is kept.
        checkpoint: the checkpoint of the model to deploy: LAST, BEST or an id. "" leaves that to the service.
    """

    endpoint: str
    location: str = ""
    drain: timedelta = DRAIN
    adopt: bool = False
    allow_interruption: bool = False
    is_default: bool = False
    checkpoint: str = ""


LAST = "last"
"""The checkpoint at the end of the training."""

BEST = "best"
"""The checkpoint that answers most of the checks right; if several answer as many, the earliest."""


class Checkpoint(Struct, frozen=True):
    """A state of a model during its training, which the service has kept.

    Attributes:
        id: only this model knows it.
        epoch, step: when it was taken; 0 if the service does not say.
        endpoint: resource name of the endpoint that the tuning service made for it. "" if there is none.
    """

    id: str
    epoch: int = 0
    step: int = 0
    endpoint: str = ""


class Deployment(Struct, frozen=True):
    """A model that is deployed to an endpoint.

    Attributes:
        id: of the deployment. Only this endpoint knows it.
        model: resource name of the model, with its version.
        checkpoint: id of the deployed checkpoint, "" for the model's default.
        traffic: percent of the endpoint's requests that it answers.
    """

    id: str
    model: str
    checkpoint: str = ""
    traffic: int = 0

    def is_of(self, model: str) -> bool:
        """Return whether it is of a model, whose project may be named by its id or by its number."""
        return bool(model) and self.model.partition("/locations/")[2] == model.partition("/locations/")[2]


class LiveEndpoint(Struct, frozen=True):
    """An endpoint as the service shows it.

    Attributes:
        name: its resource name.
        id, location: parts of the name.
        owner: the digest of the address that it is labelled with. "" if it has no label of ours.
        deployments: what is deployed to it, sorted by id.
    """

    name: str
    id: str
    location: str
    owner: str = ""
    deployments: tuple[Deployment, ...] = ()
