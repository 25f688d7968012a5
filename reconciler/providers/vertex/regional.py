"""What the providers of tuning jobs and of copies do alike: places, stable endpoints, and no permissions."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from reconciler.errors import UsageError
from reconciler.kind import Kind
from reconciler.model.desired import Desired
from reconciler.model.permission import Permission
from reconciler.providers import Fence, Handle
from reconciler.providers.vertex.endpoints import VertexEndpoints
from reconciler.providers.vertex.fields import LOCATION, PROJECT
from reconciler.providers.vertex.regions import Regions


class RegionalProvider:
    """The part of `providers.Provider` that both kinds of Vertex AI share.

    Args:
        kind: the kind that is served.
        regions: open the transports.
        stable: the stable endpoints of all locations.
    """

    def __init__(self, kind: Kind, regions: Regions, stable: VertexEndpoints) -> None:
        self._kind = kind
        self._regions = regions
        self._stable = stable

    @property
    def kind(self) -> Kind:
        """The kind that is served."""
        return self._kind

    @property
    def endpoints(self) -> VertexEndpoints:
        """The stable endpoints of all locations."""
        return self._stable

    def _set_place(self, desired: Desired) -> Desired:
        """Fill in a model's project and location."""
        declared = desired.attributes
        try:
            project, location = self._regions.place(declared.get(PROJECT), declared.get(LOCATION))
        except UsageError:  # the first request reports the fault
            return desired
        return replace(desired, effective={LOCATION: location, PROJECT: project})

    def list_permissions(self, handle: Handle) -> tuple[Permission, ...]:
        """Return nothing, because the project's IAM decides who has access."""
        del handle
        return ()

    def set_permissions(self, handle: Handle, desired: Sequence[Permission], *, fence: Fence) -> None:
        """Refuse, because the project's IAM decides who has access."""
        del fence
        if desired:
            raise UsageError(
                f"{handle.id}: a {self._kind.name} has no permissions of its own", "Use the project's IAM."
            )
