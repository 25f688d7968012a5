"""Stores whose answer is wrong: the client finds out what was stored, and claims no more than it knows."""

from __future__ import annotations

import json

import pytest

from reconciler.errors import (
    LockLostError,
    StateError,
    StateLockedError,
    StateMovedError,
    StateStoreError,
)
from reconciler.model.names import Address
from reconciler.state.backends import Backend
from reconciler.state.session import StateManager
from reconciler.state.values import Record, RecordedModel
from tests.contract.backend import ANN, BOB
from tests.contract.servers import Server
from tests.contract.sites import http, remote

OURS, THEIRS = json.dumps(ANN.to_json()).encode(), json.dumps(BOB.to_json()).encode()
DATA = b'{"serial": 1}'
REFUSALS = [400, 403, 404, 409, 412, 423, 500, 502, 503]


def refused(backend: Backend, data: bytes = DATA, expected: str | None = None) -> StateError:
    """Write, and return how the store refused it."""
    with pytest.raises(StateError) as caught:
        backend.write(data, expected=expected)
    return caught.value


def locked(server: Server) -> Backend:
    """A client that holds the lock and does not retry."""
    backend = http(server, RETRY_MAX="0")
    backend.lock(ANN)
    return backend


def test_http_a_lock_that_could_not_be_given_back_is_given_back_by_the_next_try(terraform: Server) -> None:
    """After a failed UNLOCK, the next unlock or lock releases the old lock."""
    manager = StateManager(http(terraform, RETRY_MAX="0"), operation="apply", who="ann")
    with manager.locked():
        terraform.faults.refuse.append(500)
    assert terraform.holder is None
    backend = locked(terraform)
    terraform.faults.refuse.append(500)
    with pytest.raises(StateStoreError):
        backend.unlock(ANN)
    backend.lock(BOB)
    assert terraform.holder == BOB.to_json()


def test_http_a_lock_that_the_server_keeps_is_told_and_not_waited_for(terraform: Server) -> None:
    """If UNLOCK answers 404 but the lock stays, the error says that it is our own, without waiting."""
    backend = locked(terraform)
    terraform.faults.refuse.append(404)
    backend.unlock(ANN)
    with pytest.raises(StateError, match=f"still holds the lock {ANN.id}, which this run gave back") as told:
        backend.lock(BOB)
    assert not isinstance(told.value, StateLockedError)
    assert f"reconciler force-unlock {ANN.id}" in told.value.detail
    assert backend.force_unlock(ANN.id).id == ANN.id


@pytest.mark.parametrize("status", [303, *REFUSALS])
@pytest.mark.parametrize("words", [OURS, b"", b"no JSON", b"[]"], ids=["ours", "empty", "text", "list"])
def test_http_stored_and_refused_is_stored(terraform: Server, status: int, words: bytes) -> None:
    """A refused write that was stored is a success, unless another holder is named."""
    backend = locked(terraform)
    terraform.faults.lies.append(("POST", status, words))
    version = backend.write(DATA, expected=None)
    stored = backend.read()
    assert stored is not None
    assert (stored.data, stored.version) == (DATA, version)
    assert backend.write(b'{"serial": 2}', expected=version)


def test_a_commit_survives_a_409_that_was_no_conflict(terraform: Server) -> None:
    """The run keeps its lock, and later commits succeed."""
    manager = StateManager(http(terraform), operation="apply", who="ann")
    with manager.locked() as session:
        holder = json.dumps(terraform.holder).encode()
        terraform.faults.lies.append(("POST", 409, holder))
        state = session.state.put(Record(Address("TunedModel", "a"), RecordedModel("a-id")))
        session.commit(state)
        session.commit(state.put(Record(Address("TunedModel", "b"), RecordedModel("b-id"))))
        assert session.state.serial == 2
    assert terraform.holder is None


def test_http_stored_and_somebody_elses_lock_is_told_as_both(terraform: Server) -> None:
    """The error says that the lock is lost and that the write arrived."""
    backend = locked(terraform)
    terraform.faults.lies.append(("POST", 409, THEIRS))
    error = refused(backend)
    assert isinstance(error, LockLostError)
    assert "not ours any more: " in error.summary
    assert "stored all the same" in error.detail
    assert "Nothing was written" not in error.detail
    stored = backend.read()
    assert stored is not None
    assert stored.data == DATA


@pytest.mark.parametrize("status", [400, 403, 500])
def test_http_refused_and_not_stored_is_said_to_be_unchanged(terraform: Server, status: int) -> None:
    """The client reads back, and the error says that nothing was written."""
    backend = locked(terraform)
    terraform.faults.refuse[:] = [0, status]
    error = refused(backend)
    assert isinstance(error, StateStoreError)
    assert "Nothing was written. What was recorded before is unchanged." in error.detail


def test_http_refused_in_our_own_name_is_no_lost_lock(terraform: Server) -> None:
    """A refusal that names our own lock, with nothing stored, is a failure and no lost lock."""
    backend = locked(terraform)
    terraform.faults.words = OURS
    terraform.faults.refuse[:] = [0, 409]
    error = refused(backend)
    assert isinstance(error, StateStoreError)
    assert "Nothing was written" in error.detail
    assert backend.write(DATA, expected=None)


def test_http_another_run_without_the_write_is_a_lost_lock(terraform: Server) -> None:
    """The client reads back, and the error says that the lock is lost and nothing was written."""
    backend = locked(terraform)
    terraform.holder = BOB.to_json()
    error = refused(backend)
    assert isinstance(error, LockLostError)
    assert "Nothing was written" in error.detail


@pytest.mark.parametrize("holder", [OURS, THEIRS])
def test_http_what_cannot_be_looked_for_is_not_known(terraform: Server, holder: bytes) -> None:
    """If the state cannot be read after a refusal, the error says that the result is unknown."""
    backend = locked(terraform)
    terraform.faults.words = holder
    terraform.faults.refuse[:] = [0, 409, 500]
    error = refused(backend)
    assert "is not known" in error.detail
    assert "Nothing was written" not in error.detail
    assert "unchanged" not in error.detail


def test_http_a_lost_answer_is_not_called_a_failed_write(terraform: Server) -> None:
    """Without an answer the error says that the write may have arrived, as it did."""
    backend = locked(terraform)
    terraform.faults.lose_replies_of[:] = ["POST"]
    error = refused(backend)
    assert "is not known" in error.detail
    assert "unchanged" not in error.detail
    stored = backend.read()
    assert stored is not None


@pytest.mark.parametrize("status", [400, 403, 409, 412, 500, 503])
def test_a_bucket_that_stores_and_refuses_has_stored(gcs: Server, status: int) -> None:
    """The client reads the object back, and a stored write is a success despite the answer."""
    backend = remote("gs://bucket", {"STORAGE_EMULATOR_HOST": gcs.url}).open()
    backend.lock(ANN)
    gcs.faults.lies.append(("PUT", status, b"<Error/>"))
    version = backend.write(DATA, expected=None)
    gcs.faults.lies.append(("PUT", status, b"<Error/>"))
    version = backend.write(b'{"serial": 2}', expected=version)
    stored = backend.read()
    assert stored is not None
    assert (stored.data, stored.version) == (b'{"serial": 2}', version)
    gcs.faults.lies.append(("PUT", status, b"<Error/>"))
    backend.unlock(ANN)
    backend.lock(BOB)
    assert gcs.faults.lies == []


def test_a_bucket_that_refuses_and_stores_nothing_says_so(gcs: Server) -> None:
    """After a real 403 the client reads back, and the error says that the state is unchanged."""
    backend = remote("gs://bucket", {"STORAGE_EMULATOR_HOST": gcs.url}).open()
    backend.lock(ANN)
    gcs.faults.refuse[:] = [403]
    error = refused(backend)
    assert isinstance(error, StateStoreError)
    assert "What was recorded before is unchanged." in error.detail
    gcs.faults.refuse[:] = [403, 403]
    unknown = refused(backend)
    assert "is not known" in unknown.detail
    assert gcs.faults.refuse == []
    assert isinstance(refused(backend, b"2", expected='{"version": "7"}'), StateMovedError)
    gcs.faults.lies.append(("GET", 403, b"<Error/>"))
    unread = refused(backend, b"2", expected='{"version": "7"}')
    assert isinstance(unread, StateStoreError)
    assert "is not known" in unread.detail
