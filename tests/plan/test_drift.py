"""Drift: live against what was last applied, class by class, as case files; and what must always hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from reconciler.model.names import Address
from reconciler.plan.change import Drift, DriftClass
from reconciler.plan.drift import find_drift, find_selected_drift
from reconciler.plan.facts import Facts
from reconciler.plan.inputs import Inputs
from reconciler.state.values import Record
from tests import worlds
from tests.casefiles import Case, cases, field_text, permission_text
from tests.limits import examples

CASES = cases("drift")
ALWAYS: dict[str, Any] = {
    "fields": [],
    "permissions": [],
    "fails": True,
    "detail": "",
    "retires": "",
    "or_later": False,
    "days_left": None,
}
"""What a case does not mention must be so."""


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    """The file's name is the claim."""
    own = frozenset((worlds.KIND, case.id(id)) for id in case.body.get("own", ()))
    found = find_drift(case.world(), own=own)
    expected = [{**ALWAYS, **one, "id": case.id(one["id"])} for one in case.expected["drift"]]
    assert [shown(drift) for drift in found] == [{"address": "bot", **one} for one in expected]


def shown(drift: Drift) -> dict[str, Any]:
    """The finding in a case's words."""
    return {
        "address": drift.address.name if drift.address else None,
        "class": str(drift.drift_class),
        "id": drift.id,
        "fields": [field_text(one) for one in drift.fields],
        "permissions": [permission_text(one) for one in drift.permissions],
        "fails": drift.fails,
        "detail": drift.detail,
        "retires": drift.retires,
        "or_later": drift.or_later,
        "days_left": drift.days_left,
    }


def test_every_class_is_shown_by_a_case() -> None:
    """A class that no case shows is one that nobody has tested."""
    spoken = {one["class"] for case in CASES for one in case.expected["drift"]}
    assert spoken == {str(one) for one in DriftClass}


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds.worlds())
def test_drift_is_about_records_and_what_is_our_own(world: Facts) -> None:
    """It works in any world.

    The findings are sorted, about recorded addresses, and about no foreign model.
    """
    own = frozenset((worlds.KIND, id) for id in list(world.observed.live[worlds.KIND])[::2])
    found = find_drift(world, own=own)
    managed = [drift.address for drift in found if drift.address is not None]
    assert managed == sorted(managed)
    assert set(managed) <= world.state.resources.keys()
    recorded = {one.id for record in world.state.resources.values() for one in record.models}
    for drift in found:
        if drift.address is None:
            assert (worlds.KIND, drift.id) in own
            assert drift.id not in recorded
            assert not drift.fails


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds.worlds())
def test_a_model_that_is_as_sent_has_not_drifted(world: Facts) -> None:
    """Where every recorded model is live just as it was sent, nothing has changed and nothing is missing.

    What has been trained and serves nobody yet is a note, and no more.
    """
    live = [
        worlds.live(one.id, attributes=one.sent, permissions=one.permissions)
        for record in world.state.resources.values()
        for one in record.models
    ]
    records = [
        Record(
            record.address,
            record.serving and replace(record.serving, create_time=worlds.CREATED),
            record.candidate and replace(record.candidate, create_time=worlds.CREATED),
        )
        for record in world.state.resources.values()
    ]
    found = find_drift(worlds.world(world.desired.values(), records, live))
    assert {(one.address, one.drift_class, one.fails) for one in found} == {
        (one.address, DriftClass.UNPROMOTED, False)
        for one in records
        if one.candidate is not None and not one.candidate.is_pending
    }


@pytest.mark.parametrize(
    ("target", "whole", "found"),
    [("", True, ["bot", "other", None]), ("", False, ["bot", "other"]), ("bot", True, ["bot"])],
)
def test_a_selection_leaves_out_what_has_no_address(
    target: str, found: list[str | None], *, whole: bool
) -> None:
    """Unmanaged models concern all manifests, so a selection does not name them."""
    recorded = [Record(worlds.address(name), worlds.model(f"{name}-1")) for name in ("bot", "other")]
    stranger = worlds.live("elsewhere")
    world = worlds.world(
        [worlds.want("bot"), worlds.want("other")],
        recorded,
        [stranger],
        whole=whole,
        inputs=Inputs(targets=(target,) if target else ()),
    )
    drift = find_selected_drift(world, own=frozenset({(worlds.KIND, "elsewhere")}))
    assert [one.address and one.address.name for one in drift] == found


def test_a_record_of_an_unknown_kind_has_no_drift() -> None:
    """A newer version wrote it, and nobody here can ask for its model."""
    foreign = Record(Address("Foo", "m"), worlds.model("m-1"))
    assert find_drift(worlds.world([], [foreign])) == ()
