"""Builds desired, recorded and live models, and strategies with which hypothesis makes whole worlds."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.errors import PlanError
from reconciler.kind import override_kinds
from reconciler.model.checks import Check
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired, Lifecycle, Removal, Replacement
from reconciler.model.live import Live, Status
from reconciler.model.names import Address, Attributes, Value
from reconciler.model.permission import Permission
from reconciler.model.stack import Guards, Stack
from reconciler.plan.binding import bind
from reconciler.plan.change import Plan
from reconciler.plan.facts import Facts, Observed, index_desired
from reconciler.plan.inputs import Inputs
from reconciler.plan.planner import Planner
from reconciler.providers.gemini.fields import HYPERPARAMETERS, PARENT, TUNED_MODEL
from reconciler.state.values import Record, RecordedData, RecordedModel, State, Verdict
from tests import formula

KIND = TUNED_MODEL.name
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CREATED = "2026-01-01T00:00:00Z"
BASE = "models/flash"
DECLARED: Attributes = {"base_model": BASE, f"{HYPERPARAMETERS}.epoch_count": 5, "temperature": 0.7}
"""What the simplest manifest declares."""
OWN: Attributes = {"top_p": 0.95, "top_k": 40, f"{HYPERPARAMETERS}.batch_size": 4}
"""The values that the service adds."""
TEMPERATURE = 0.699999988079071
"""0.7 as the service shows it. The service stores a float32 and prints a double."""
READER = Permission("GROUP", "ml@example.com", "READER")
WRITER = Permission("USER", "ann@example.com", "WRITER")


def address(name: str = "bot") -> Address:
    """Return an address of the only kind in these tests."""
    return Address(KIND, name)


def digest(word: str) -> str:
    """Return the digest of the data set with that name."""
    return hashlib.sha256(word.encode()).hexdigest()


def dataset(word: str = "one") -> DataSet:
    """Return a data set of 10 examples with 100 characters in all. The word chooses its digest."""
    return DataSet(digest(word), 10, 100, shown=f"data/{word}.jsonl", file=f"data/{word}.jsonl")


def want(name: str = "bot", data: str = "one", attributes: Attributes = DECLARED, **others: Any) -> Desired:
    """Return a manifest."""
    desired = Desired(address(name), attributes, (dataset(data),), file=f"manifests/{name}.yaml", line=1)
    return replace(desired, **others)


def model(id: str, data: str = "one", attributes: Attributes = DECLARED, **others: Any) -> RecordedModel:
    """Return a recorded model that was trained long ago and serves."""
    base = RecordedModel(
        id=id,
        name=f"tunedModels/{id}",
        digest=digest(id),
        source=str(attributes.get("base_model", "")),
        sent=attributes,
        data=(RecordedData("training_data", digest(data), 10, 100),),
        status=Status.ACTIVE,
        started=CREATED,
        create_time=CREATED,
        completed=CREATED,
        promoted=CREATED,
    )
    return replace(base, **others)


def candidate(id: str, data: str = "one", attributes: Attributes = DECLARED, **others: Any) -> RecordedModel:
    """Return a recorded model whose training was accepted."""
    return replace(model(id, data, attributes, status=Status.CREATING, completed="", promoted=""), **others)


def live(id: str, status: Status = Status.ACTIVE, attributes: Attributes = DECLARED, **others: Any) -> Live:
    """Return a model as the service shows it, with default values and widened floats."""
    shown: dict[str, Value] = {**OWN, **attributes}
    if shown.get("temperature") == 0.7:
        shown["temperature"] = TEMPERATURE
    return replace(Live(id, f"tunedModels/{id}", status, shown, create_time=CREATED), **others)


def deployable(id: str) -> str:
    """The resource name under which a model is deployed to endpoints."""
    return f"projects/1/locations/us/models/{id}@1"


def world(
    desired: Iterable[Desired] = (),
    recorded: Iterable[Record] = (),
    alive: Iterable[Live] = (),
    *,
    inputs: Inputs | None = None,
    stack: Stack | None = None,
    whole: bool = True,
    folders: tuple[str, ...] | None = None,
    tunable: Mapping[str, frozenset[str]] | None = None,
    assumed: frozenset[str] = frozenset(),
    removals: Iterable[Removal] = (),
    **observed: Any,
) -> Facts:
    """Return the facts that a command would gather."""
    facts = Facts(
        desired=index_desired(desired),
        observed=Observed(live={KIND: {live_model.id: live_model for live_model in alive}}, **observed),
        state=State(lineage="l", serial=3, resources={record.address: record for record in recorded}),
        kinds=override_kinds({KIND: TUNED_MODEL}, stack or Stack()),
        stack=stack or Stack(),
        inputs=inputs or Inputs(),
        now=NOW,
        today=NOW.date(),
        whole=whole,
        folders=folders,
        removals={removal.address: removal for removal in removals},
    )
    return facts.add_base_models(tunable or {}, assumed)


def make_plan(facts: Facts) -> Plan:
    """Return the plan of these facts."""
    return plan_with_facts(facts)[0]


def plan_with_facts(facts: Facts) -> tuple[Plan, Facts]:
    """Return the plan of these facts, bound to them, and the facts with moved records."""
    planner = Planner(facts)
    plan = planner.make_plan()
    return replace(plan, bindings=bind(planner.facts, plan.changes)), planner.facts


def id_of(
    name: str = "bot",
    generation: int = 0,
    *,
    data: str = "one",
    attributes: Attributes = DECLARED,
    source: str = "",
    stack: str = "",
    former: bool = False,
) -> str:
    """The id that design 2.5 gives, by the independent formula; `former` that of formula 1."""
    hyperparameters: dict[str, int | float] = {}
    for path, value in attributes.items():
        if path.startswith(HYPERPARAMETERS) and isinstance(value, (int, float)):
            head, *rest = path.rpartition(".")[2].split("_")
            hyperparameters[head + "".join(part.capitalize() for part in rest)] = value
    digest_of = formula.identity_digest_1 if former else formula.identity_digest
    return formula.identity(
        name,
        digest_of(
            source=source or str(attributes.get("base_model", "")),
            data=digest(data),
            hyperparameters=hyperparameters,
            generation=generation,
            stack=stack,
        ),
    )


# --- strategies: small alphabets, so that what is desired, recorded and live often meet -----------------

NAMES = ("bot", "a", "child", "n" * 31)
WORDS = ("one", "two")
EPOCHS = (5, 6)


@st.composite
def attributes_of(draw: st.DrawFn, *, parents: bool = False) -> dict[str, Value]:
    """Generate what a manifest may declare."""
    declared: dict[str, Value] = {f"{HYPERPARAMETERS}.epoch_count": draw(st.sampled_from(EPOCHS))}
    optional: dict[str, st.SearchStrategy[Value]] = {
        "temperature": st.sampled_from([0.7, 0.2, TEMPERATURE]),
        "description": st.text(max_size=3),
        "reader_project_numbers": st.sampled_from([(1, 2), (2, 1), (3,)]),
        f"{HYPERPARAMETERS}.learning_rate": st.floats(min_value=2**-20, max_value=1.0, width=32),
    }
    for path, values in optional.items():
        if draw(st.booleans()):
            declared[path] = draw(values)
    sources = ["models/flash", "models/other", "tunedModels/elsewhere"]
    source = draw(st.sampled_from(sources + [f"{KIND}/{name}" for name in NAMES] * parents))
    declared["base_model" if source.startswith("models/") else PARENT] = source
    return declared


permissions = st.none() | st.sampled_from([(), (READER,), (WRITER, READER)])
lifecycles = st.builds(
    Lifecycle,
    prevent_destroy=st.sampled_from([False, False, True]),
    ignore_changes=st.sampled_from([(), ("temperature",)]),
    keep_deposed=st.sampled_from([None, timedelta(0), timedelta(hours=24)]),
    replace=st.sampled_from(Replacement),
)


@st.composite
def manifests(draw: st.DrawFn) -> list[Desired]:
    """Generate up to four manifests. A parent may be any model, even the model itself."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    pins = st.none() | st.sampled_from([f"{name}-v{number}" for name in ("bot", "a") for number in (1, 2)])
    return [
        want(
            name,
            draw(st.sampled_from(WORDS)),
            draw(attributes_of(parents=True)),
            permissions=draw(permissions),
            id=draw(pins) if name in {"bot", "a"} else None,
            lifecycle=draw(lifecycles),
            checks=draw(st.sampled_from([(), (Check("1", "2"),)])),
        )
        for name in names
    ]


def ids_around(desired: Iterable[Desired]) -> list[str]:
    """Generate ids that these manifests use, and some others."""
    found = ["elsewhere", "bot-v1", "bot-v2", "a-v1", "bot-aaaaaaaa", "n" * 31 + "-aaaaaaaa", "stranger"]
    for manifest in desired:
        source = str(manifest.attributes.get("base_model", manifest.attributes.get(PARENT, "")))
        word = next(word for word in WORDS if digest(word) == manifest.data[0].digest)
        found += [
            id_of(manifest.address.name, generation, data=word, attributes=manifest.attributes, source=source)
            for generation in (0, 1, 15)
        ]
    return found


@st.composite
def models(draw: st.DrawFn, ids: list[str]) -> RecordedModel:
    """Generate any recorded model."""
    time = st.sampled_from(["", CREATED, "2026-11-22T11:00:00Z"])
    status = draw(st.none() | st.sampled_from(Status))
    return model(
        draw(st.sampled_from(ids)),
        draw(st.sampled_from(WORDS)),
        draw(attributes_of()),
        status=status,
        create_time=draw(time) if status else "",
        promoted=draw(time),
        deposed=draw(time),
        permissions=draw(permissions),
        verdict=draw(st.sampled_from(Verdict)),
    )


@st.composite
def records(draw: st.DrawFn, ids: list[str]) -> list[Record]:
    """Generate up to four records with at most four models each. No id is recorded twice."""
    unused = draw(st.permutations(sorted(set(ids))))
    found = []
    for name in draw(st.lists(st.sampled_from((*NAMES, "gone")), unique=True)):
        count = draw(st.integers(0, min(4, len(unused))))
        taken, unused = unused[:count], unused[count:]
        every = [draw(models([id])) for id in taken]
        places = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
        serving = every.pop() if every and places[0] else None
        trained = every.pop() if every and places[1] else None
        held = every.pop() if every and places[2] else None
        record = Record(
            address(name),
            serving,
            trained,
            tuple(every),
            (replace(held, held=CREATED, held_by="ann@desk"),) if held else (),
            prevent_destroy=draw(st.sampled_from([False, False, True])),
        )
        if not record.is_empty:
            found.append(record)
    return found


@st.composite
def alive(draw: st.DrawFn, ids: list[str]) -> list[Live]:
    """Generate the live models: some of these ids, in any state."""
    return [
        live(
            id,
            draw(st.sampled_from(Status)),
            draw(attributes_of()),
            create_time=draw(st.sampled_from(["", CREATED, "2026-11-22T11:00:00Z"])),
            permissions=draw(permissions),
        )
        for id in draw(st.lists(st.sampled_from(ids), unique=True))
    ]


inputs = st.builds(
    Inputs,
    targets=st.sampled_from([(), (), ("bot",), (f"{KIND}/*",), ("team=search",)]),
    excludes=st.sampled_from([(), (), ("a",)]),
    replace=st.sampled_from([(), (), ("bot",)]),
    retry_failed=st.booleans(),
    destroy=st.sampled_from([False, False, False, True]),
    guards=st.builds(Guards, max_trainings=st.none() | st.integers(0, 2)),
)


@st.composite
def worlds(draw: st.DrawFn, *, options: st.SearchStrategy[Inputs] = inputs, tunable: bool = True) -> Facts:
    """Generate any combination of desired, recorded and live models."""
    desired = draw(manifests())
    ids = ids_around(desired)
    offered: Mapping[str, frozenset[str]] = {KIND: frozenset({BASE})} if tunable else {}
    return world(
        desired,
        draw(records(ids)),
        draw(alive(ids)),
        inputs=draw(options),
        whole=draw(st.sampled_from([True, True, False])),
        tunable=draw(st.sampled_from([{}, offered])),
        forbidden=draw(st.sampled_from([{}, {}, {(KIND, "bot-v1"): "403"}])),
    )


def count_calls(facts: Facts) -> int:
    """The calls of Python functions while a plan is made or refused."""
    calls = 0

    def note(_frame: FrameType, happened: str, _value: object) -> None:
        nonlocal calls
        calls += happened == "call"

    sys.setprofile(note)
    try:
        with suppress(PlanError):
            make_plan(facts)
    finally:
        sys.setprofile(None)
    return calls
