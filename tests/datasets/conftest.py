"""Training data is tested as users have it, named by a manifest."""

from __future__ import annotations

from tests.manifests.conftest import cases, load_manifests, refused, workspace

__all__ = ["cases", "load_manifests", "refused", "workspace"]
