"""Opens what earlier runs have measured when it is first needed, because most runs measure no file.

Rule: this module is light to import. `data_cache` and its library are imported when the cache is opened.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.datasets.cache_use import NAME, Use

if TYPE_CHECKING:
    from reconciler.datasets.data_cache import DataCache


class OpenCache:
    """Opens a `DataCache` once.

    Args:
        folder: where it is kept; None for nowhere.
        use: what the command may do with it.

    Attributes:
        folder: the same.
    """

    def __init__(self, folder: Path | None = None, use: Use = Use.NOTHING) -> None:
        self.folder, self._use = folder, use
        self._named: set[str] = set()
        self._cache: DataCache | None = None

    def get(self) -> DataCache:
        """Return the cache."""
        if self._cache is None:
            from reconciler.datasets.data_cache import DataCache

            self._cache = DataCache(self.folder, self._use)
        return self._cache

    def name(self, place: str) -> None:
        """Keep what is remembered of a file or an object, because a manifest names it."""
        self._named.add(place)

    def close(self, manifests: Collection[str]) -> None:
        """Close the cache, see `DataCache.close`. Does nothing if nothing was ever remembered."""
        if self._cache is not None or (self.folder is not None and (self.folder / NAME).exists()):
            self.get().close(manifests, self._named)
