"""What another state says of the source of a copy, and what a copy's steps leave recorded."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.model.names import Address
from reconciler.plan import steps
from reconciler.plan.copies import CopySource, SourceFault, read_source
from reconciler.plan.recording import Done, EndpointReady, Renumbered, recorded_after
from reconciler.state.values import Record, RecordedEndpoint, RecordedModel, State, Verdict

BOT = Address("TuningJob", "bot")
NAME = "projects/1/locations/us/models/m@1"
SERVING = RecordedModel("bot-1", model=NAME, verdict=Verdict.PASSED, promoted="2026-11-20T10:00:00Z")
COPY = RecordedModel("support-waits")


def read(record: Record | None, service: str = "google") -> CopySource | SourceFault:
    """Read a state with this record, in a run for Google's service."""
    state = State("l", 1, service=service, resources={} if record is None else {BOT: record})
    return read_source(state, BOT, service="google", word="gs://dev")


def test_a_state_names_what_serves_with_its_checkpoint() -> None:
    """The name holds the version, and the checkpoint if one was chosen."""
    record = Record(BOT, replace(SERVING, checkpoint="3"), manifest="manifests/bot.yaml")
    found = CopySource(f"{NAME}#3", "bot-1", "manifests/bot.yaml", SERVING.promoted, "", Verdict.PASSED)
    assert read(record) == found


@pytest.mark.parametrize(
    ("record", "service", "why", "is_refused"),
    [
        (Record(BOT, SERVING), "emulator", "it records models of the service emulator", True),
        (None, "google", "it records no TuningJob/bot", False),
        (Record(BOT, None, SERVING), "google", "TuningJob/bot serves no model there yet", False),
        (Record(BOT, replace(SERVING, model="")), "", "an older version recorded TuningJob/bot", False),
    ],
)
def test_a_state_that_names_no_source_says_why(
    record: Record | None, service: str, why: str, *, is_refused: bool
) -> None:
    """Each fault has advice. Only another service can never be right."""
    found = read(record, service)
    assert isinstance(found, SourceFault)
    assert found.why.startswith(why)
    assert found.advice
    assert found.is_refused is is_refused


def test_a_copy_that_gets_its_id_takes_the_endpoint_for_its_checks_along() -> None:
    """That endpoint has the copy's id, and nothing was created under the other one."""
    record = Record(BOT, None, COPY, trial=RecordedEndpoint(COPY.id))
    named = recorded_after(steps.Create(COPY.id, copies=True), record, Renumbered(SERVING), "")
    assert named == Record(BOT, None, SERVING, trial=RecordedEndpoint(SERVING.id))


def test_an_endpoint_for_checks_that_is_not_recorded_any_more_stays_so() -> None:
    """Another run has deleted it. An outcome that the step cannot have is a defect."""
    step = steps.CreateEndpoint("support-waits", trial=True)
    assert recorded_after(step, Record(BOT), EndpointReady("n", "us"), "") == Record(BOT)
    with pytest.raises(TypeError):
        recorded_after(step, Record(BOT, trial=RecordedEndpoint("x")), Done(), "")
