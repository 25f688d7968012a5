"""State in the emulator's own object store, through the real client of Cloud Storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from reconciler.emulator.server import Running, run_emulator
from reconciler.errors import StateStoreError
from reconciler.state.backends import open_backend
from tests.contract.backend import (
    ANN,
    BOB,
    BackendContract,
    BreakableContract,
    LeaseContract,
    Site,
    put,
)
from tests.contract.sites import remote


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """An emulator for all tests. Each test has its own prefix."""
    with run_emulator() as served:
        yield served


def control(emulator: Running, path: str, change: object) -> None:
    """Post to the emulator's control plane."""
    requests.post(f"{emulator.url}/emulator/{path}", json=change, timeout=5).raise_for_status()


class TestEmulatedGCS(BackendContract, BreakableContract, LeaseContract):
    """gs:// with STORAGE_EMULATOR_HOST at our own emulator, which speaks the XML API."""

    @pytest.fixture
    def site(self, emulator: Running) -> Site:
        """A fresh prefix."""
        return remote("gs://bucket", {"STORAGE_EMULATOR_HOST": emulator.url})

    def test_a_reply_lost_after_the_effect_is_no_defeat(self, site: Site, emulator: Running) -> None:
        """The client repeats the write, is refused, reads back its own write, and succeeds."""
        backend = site.open()
        backend.lock(ANN)
        control(emulator, "faults", {"method": "PUT", "path": "^/bucket/", "drop": True, "when": "after"})
        backend.renew(ANN)
        control(emulator, "faults", {"method": "PUT", "path": "^/bucket/", "status": 503})
        version = backend.write(b"{}", expected=None)
        stored = site.open().read()
        assert stored is not None
        assert stored.version == version
        backend.unlock(ANN)
        site.open().lock(BOB)

    def test_the_same_bytes_again_are_another_version(self, site: Site) -> None:
        """Two writes of the same content have the same etag and different generations."""
        first, second = put(site.open(), b"{}"), put(site.open(), b"{}")
        assert first != second

    def test_a_bucket_that_does_not_exist_is_no_empty_state(self, emulator: Running) -> None:
        """If buckets must be created, a mistyped bucket is an error."""
        control(emulator, "settings", {"storage_buckets": "strict"})
        try:
            backend = open_backend("gs://bukket/p", environ={"STORAGE_EMULATOR_HOST": emulator.url})
            with pytest.raises(StateStoreError, match="bucket does not exist"):
                backend.read()
            with pytest.raises(StateStoreError, match="bucket does not exist"):
                backend.lock(ANN)
        finally:
            control(emulator, "settings", {"storage_buckets": "any"})
