"""The state as a value: records put in, taken out and shown in part."""

from __future__ import annotations

from reconciler.state.values import Cost, Record, RecordedEndpoint, State
from tests.worlds import address, model

BOT, OTHER = Record(address(), model("bot-1")), Record(address("other"), model("other-1"))


def test_an_empty_record_is_taken_out() -> None:
    """A state that does not change stays the same object, so nothing is written."""
    state = State().put(BOT, OTHER)
    assert state.put(Record(address())).resources == {OTHER.address: OTHER}
    assert state.put(BOT) is state


def test_a_selection_keeps_the_records_that_there_are() -> None:
    """The selection is to be shown. An address without a record is left out."""
    state = State(serial=3).put(BOT, OTHER)
    assert state.select([OTHER.address, address("nobody")]) == State(serial=3).put(OTHER)


def test_no_costs_are_no_change() -> None:
    """The state stays the same object, so that nothing is written."""
    state = State(costs=(Cost("2026-11-29", BOT.address, "bot-1"),))
    assert state.add_costs(()) is state


def test_the_called_endpoint_is_the_last_one_that_got_a_model() -> None:
    """While a new endpoint is set up, programs go on calling the one that it replaces."""
    first = RecordedEndpoint("first", since="2026-11-01T00:00:00Z")
    second = RecordedEndpoint("second", since="2026-11-02T00:00:00Z")
    new = RecordedEndpoint("new")
    assert Record(BOT.address).called_endpoint is None
    assert Record(BOT.address, endpoint=new).called_endpoint is None
    assert Record(BOT.address, endpoint=second, former_endpoints=(first,)).called_endpoint is second
    assert Record(BOT.address, endpoint=new, former_endpoints=(first, second)).called_endpoint is second
    assert Record(BOT.address, former_endpoints=(first,)).endpoints == (first,)
