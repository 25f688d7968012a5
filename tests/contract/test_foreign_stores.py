"""Nonsense from a store ends in a value or in our own error, and is never read beyond a state's size."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import obstore
import pytest
from obstore.store import MemoryStore

from reconciler import bounds
from reconciler.errors import StateError, StateLockedError, StateStoreError, UsageError
from reconciler.state.backends.http import HTTPBackend
from reconciler.state.backends.objects import ObjectBackend
from tests.contract.backend import ANN
from tests.contract.servers import Handler, running
from tests.limits import NET

NONSENSE = [
    b"[" * 100_000,
    b"9" * 5000,
    b"NaN",
    b"",
    b"[]",
    b"{",
    b"\xff",
    b'{"ID": [[1]]}',
    rb'{"ID": "\ud800"}',
    b"null",
    b"<Message>" * 100_000,
]


@contextmanager
def saying(status: int, content: bytes, about: Mapping[str, str] | None = None) -> Iterator[HTTPBackend]:
    """An HTTP state on a server with one fixed answer."""

    def say(handler: Handler) -> None:
        handler.body()
        handler.reply(status, content, dict(about or {}))

    methods = {f"do_{method}": say for method in ("GET", "POST", "LOCK", "UNLOCK")}
    with running(type("Saying", (Handler,), methods)) as server:
        address = f"{server.url}/s"
        yield HTTPBackend(
            address,
            environ={
                "TF_HTTP_LOCK_ADDRESS": address,
                "TF_HTTP_RETRY_MAX": "1",
                "TF_HTTP_RETRY_WAIT_MAX": "1",
                "TF_HTTP_RETRY_WAIT_MIN": "0",
            },
        )


@pytest.mark.parametrize("content", NONSENSE, ids=lambda content: str(content[:16]))
def test_nonsense_from_an_http_state_is_bytes_or_an_error(content: bytes) -> None:
    """Any bytes are accepted as a state. A nonsense lock belongs to an unknown holder."""
    with saying(200, content) as backend:
        stored = backend.read()
        assert (stored.data if stored else b"") == content
    for status in (409, 423):
        with saying(status, content) as backend:
            with pytest.raises(StateLockedError, match="is locked by"):
                backend.lock(ANN)
            with contextlib.suppress(StateError):
                backend.force_unlock("x")
    for status in (400, 500):
        with saying(status, content) as backend, pytest.raises(StateStoreError):
            backend.read()


def test_an_http_state_has_a_bound() -> None:
    """An answer larger than any state is not read."""
    with saying(200, b" " * (bounds.STATE + 1)) as backend, pytest.raises(StateStoreError, match="64 MB"):
        backend.read()


@pytest.mark.parametrize("delay", ["9" * 5000, "99999999", "never", "-5", ""])
def test_nobody_waits_as_long_as_a_state_server_likes(delay: str) -> None:
    """Retry-After counts up to TF_HTTP_RETRY_WAIT_MAX, and an invalid one is ignored."""
    began = time.monotonic()
    with saying(503, b"", {"Retry-After": delay}) as backend, pytest.raises(StateStoreError):
        backend.read()
    assert time.monotonic() - began < NET


def bucket(**objects: bytes) -> ObjectBackend:
    """A state in a bucket with these objects."""
    store = MemoryStore()
    for name, data in objects.items():
        obstore.put(store, f"default.{name}", data)
    return ObjectBackend(store, place="s3://b/default.json", key="default", lease=60.0, clock=lambda: 0.0)  # type: ignore[arg-type]


LEASES = [b"1" + b"0" * 400, b"NaN", b"Infinity", b"-1", b"0", b"1e999", b"1e9", b'"60"', b"null", b"[]"]


@pytest.mark.parametrize(
    "lock",
    [*NONSENSE, *(b'{"ID": "a", "Nonce": "n", "Lease": %b}' % lease for lease in LEASES), b'{"ID": "a"}'],
    ids=lambda content: str(content[:60]),
)
def test_a_lock_object_of_nonsense_is_not_a_lock_of_ours(lock: bytes) -> None:
    """A nonsense lock object is neither taken over nor waited for."""
    backend = bucket(lock=lock)
    for act in (backend.lock, backend.renew):
        with pytest.raises(StateStoreError, match="is not a lock of ours"):
            act(ANN)
    with pytest.raises(StateStoreError, match="is not a lock of ours"):
        backend.force_unlock("a")


def test_objects_have_a_bound() -> None:
    """An object larger than any state is refused by its size before it is read."""
    with pytest.raises(StateStoreError, match="larger than 64 MB"):
        bucket(json=b" " * (bounds.STATE + 1)).read()
    with pytest.raises(StateStoreError, match="larger than 1 MB"):
        bucket(lock=b" " * (bounds.LOCK + 1)).lock(ANN)


@pytest.mark.parametrize(
    "address", ["http://user:pw@[::1/x", "https://user:pw@host:99999/x", "http://h:x/pw"]
)
def test_an_address_that_is_none_is_told_without_repeating_it(address: str) -> None:
    """The error for an invalid address does not repeat it, because it may hold a password."""
    with pytest.raises(UsageError, match="RECONCILER_STATE") as refused:
        HTTPBackend(address, environ={})
    assert "pw" not in str(refused.value)
    with pytest.raises(UsageError, match="TF_HTTP_LOCK_ADDRESS"):
        HTTPBackend("https://h/x", environ={"TF_HTTP_LOCK_ADDRESS": address})
