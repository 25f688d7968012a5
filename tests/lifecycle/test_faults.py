"""Faults of the services, through the real transport and providers, against the emulator.

Each row ends in success or in one clear error with advice, and independent models continue. The next run
without the fault converges without a second training. The same code runs every row for both APIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler.events import Failed, Skipped
from reconciler.model.desired import Desired
from tests.lifecycle.apis import APIS, GEMINI, VERTEX, Api
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.faults import CREATING, ERROR, NEW, OK, ROWS, Row, Wants
from tests.lifecycle.simulation import want

SETTINGS: Mapping[str, Any] = {
    "training_seconds": 3,
    "list_lag_seconds": 0,
    "delete_creating": "allow",
    "vertex_concurrent_jobs": 4,
    "vertex_over_quota": "queue",
    "vertex_cancel_seconds": 0.5,
}
"""Settings of the emulator, unless a row says otherwise."""

CASES = [
    (name, api.kind.name)
    for name, row in ROWS.items()
    for api in ([row.only[0]] if row.only else APIS.values())
]
NOW = CASES[::14]
"""Every fourteenth fault, of both APIs in turn: `make test` tries these, `make test-all` the others."""


def declared(wants: Wants, api: Api) -> tuple[Desired, ...]:
    """The manifests of the API's kind."""
    return tuple(want(kind=api.kind, **manifest) for manifest in wants)


def rules(row: Row, api: Api) -> list[dict[str, Any]]:
    """The row's faults, as the emulator knows them; each is counted."""
    found = [api.rule(call, **fault) if call in api.calls else dict(fault) for call, fault in row.rules]
    return [{"times": 99 if {"train", "lag"} & rule.keys() else 1, **rule} for rule in found]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=() if (name, kind) in NOW else pytest.mark.thorough)
        for name, kind in CASES
    ],
)
def test_a_fault_ends_in_success_or_one_clear_error(emulator: Emulator, name: str, kind: str) -> None:
    """The run succeeds or gives one clear error. The next run finishes without a second training."""
    row, api = ROWS[name], APIS[kind]
    hangs = any("hang" in fault for _, fault in row.rules)
    settings = {**SETTINGS, **(row.settings or {})}
    sim = EmulatedSimulation(emulator, timeout=0.4 if hangs else 20.0, **settings)
    wants = declared(row.wants, api)
    faults = rules(row, api)
    if row.begun:
        emulator.fault(fault for fault in faults if "train" in fault)
        faults = [fault for fault in faults if "train" not in fault]
    if row.wants not in NEW or row.forgets:
        sim.manifests = declared(CREATING, api)
        sim.apply(wait=not row.begun)
    if row.forgets:
        sim.store.stored = None
    sim.manifests = wants
    emulator.fault(faults)
    if row.code is ERROR:
        with pytest.raises(ReconcilerError, match=f"(?i){row.says}") as caught:
            sim.apply()
        assert caught.value.detail, "it does not say what to do"
    else:
        run = sim.apply()
        assert run.code is row.code, run.events
        problems = [
            event
            for event in run.events
            if isinstance(event, Failed) or (isinstance(event, Skipped) and event.unfinished)
        ]
        assert len(problems) == (row.code is not OK), problems
        for problem in problems:
            assert problem.address.name == "a"
            text = problem.error if isinstance(problem, Failed) else problem.reason
            assert row.says.lower() in text.lower()
            assert not isinstance(problem, Failed) or problem.advice, "it does not say what to do"
        told = row.forgets or any(
            event.startswith("b ") and event.endswith("Completed") for event in run.told
        )
        assert told, "b did not go on"
    unmet = [rule for rule in rules(row, api) if {**rule, "skip": 0} in emulator.faults()]
    assert not unmet, f"the run has not met {unmet}"
    emulator.heal()
    sim.clock.sleep(1000)  # by then, lists show everything
    sim.apply(retry_failed=True)
    assert sim.settled()
    trainings = emulator.trainings(api.kind)
    assert set(trainings.values()) == {1}, trainings
    serving = {resource.serving.id for resource in sim.state.resources.values() if resource.serving}
    assert len(serving) == 2
    assert emulator.alive(api.kind) == serving


def test_there_are_enough_faults() -> None:
    """Each API has at least thirty rows, so that a dropped row is noticed."""
    for kind, least in ((GEMINI.kind, 65), (VERTEX.kind, 100)):
        assert sum(api == kind.name for _, api in CASES) >= least
