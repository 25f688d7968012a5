"""The state's JSON: what is written, what is read, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from reconciler import bounds
from reconciler.errors import (
    ReconcilerError,
    StateCorruptError,
    StateError,
    StateForeignError,
    StateTooNewError,
)
from reconciler.model.checks import Score
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.model.permission import Permission
from reconciler.state.file import convert_records, dumps, loads, read_records
from reconciler.state.values import (
    QUOTA,
    Cost,
    MonthlyCost,
    Record,
    RecordedCheckpoint,
    RecordedData,
    RecordedEndpoint,
    RecordedEstimate,
    RecordedModel,
    State,
    Verdict,
    check_foreign,
)
from tests.limits import examples

HERE = Path(__file__).parents[1]
GOLDEN = HERE / "golden" / "state"
CALM = settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
"""It has no deadline, because a busy machine is no failure."""

A, B = Address("TunedModel", "a"), Address("TunedModel", "b")

texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = texts.filter(bool)
counts = st.integers(0, 2**63 - 1)
scalars = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
addresses = st.builds(
    Address, st.sampled_from(["TunedModel", "TuningJob"]), st.text("abc-1", min_size=1, max_size=8)
)


unknowns = st.dictionaries(
    st.sampled_from(["holds", "score"]), st.sampled_from(['"x"', "1", "null", '{"a": [1.5]}'])
)


def models() -> st.SearchStrategy[RecordedModel]:
    """Any model that a writer could record. Making this strategy takes longer than drawing from it."""
    every: dict[str, st.SearchStrategy[Any]] = {field.name: texts for field in fields(RecordedModel)}
    every |= {
        "formula": counts,
        "generation": counts,
        "sent": st.dictionaries(
            texts, st.one_of(scalars, st.lists(scalars, max_size=3).map(tuple)), max_size=4
        ),
        "data": st.lists(
            st.builds(RecordedData, names, texts, counts, counts, st.booleans(), unknowns), max_size=2
        ).map(tuple),
        "status": st.one_of(st.none(), st.sampled_from(Status)),
        "permissions": st.one_of(
            st.none(), st.lists(st.builds(Permission, names, texts, names, unknowns), max_size=2).map(tuple)
        ),
        "total_steps": st.one_of(st.none(), counts),
        **dict.fromkeys(
            ("started", "deposed", "kept_until", "held"), st.sampled_from(["", "2026-11-28T10:00:00Z"])
        ),
        "verdict": st.sampled_from(Verdict),
        "estimate": st.one_of(
            st.none(),
            st.builds(
                RecordedEstimate, counts, st.booleans(), amounts, texts, amounts, st.booleans(), unknowns
            ),
        ),
        "billed_tokens": counts,
        "scores": st.lists(st.builds(Score, names, texts, counts, counts, unknowns), max_size=2).map(tuple),
        "checkpoints": st.lists(
            st.builds(
                RecordedCheckpoint,
                names,
                st.lists(st.builds(Score, names, texts, counts, counts, unknowns), max_size=2).map(tuple),
                unknowns,
            ),
            max_size=2,
        ).map(tuple),
        "unknown": unknowns,
    }
    return st.fixed_dictionaries(every).map(lambda values: RecordedModel(**values))


amounts = st.one_of(st.none(), st.floats(0, 1e9))
costs = st.builds(
    Cost, st.just("2026-11-29"), addresses, names, counts, amounts, texts, st.booleans(), counts
)
older_costs = st.builds(
    MonthlyCost, st.just("2026-10"), counts, counts, st.floats(0, 1e9), texts, st.booleans()
)


MODELS = models()


@st.composite
def states(draw: st.DrawFn) -> State:
    """Any state whose models are in one slot each."""
    numbers = iter(range(10_000))
    resources = {}

    def number(model: RecordedModel) -> RecordedModel:
        return replace(model, id=f"{next(numbers)}-{model.id}")

    for address in draw(st.lists(addresses, unique=True, max_size=4)):
        record = Record(
            address,
            serving=number(draw(MODELS)) if draw(st.booleans()) else None,
            candidate=number(draw(MODELS)) if draw(st.booleans()) else None,
            deposed=(number(draw(MODELS)),) if draw(st.booleans()) else (),
            held=(number(draw(MODELS)),) if draw(st.booleans()) else (),
            prevent_destroy=draw(st.booleans()),
            manifest=draw(st.sampled_from(["", "manifests/a.yaml"])),
            unknown=draw(unknowns),
        )
        if not record.is_empty:
            resources[address] = record
    return State(
        lineage=draw(texts),
        serial=draw(counts),
        stack=draw(texts),
        workspace=draw(names),
        service=draw(st.sampled_from(["", "google", "emulator"])),
        project=draw(texts),
        resources=resources,
        costs=tuple(draw(st.lists(costs, max_size=2))),
        older_costs=tuple(draw(st.lists(older_costs, max_size=2))),
    )


def types_of(state: State) -> list[type]:
    """The types of all sent values: 1, 1.0 and True are equal, and are not the same."""
    found = [model for address in sorted(state.resources) for model in state.resources[address].models]
    values = [model.sent[key] for model in found for key in sorted(model.sent)]
    return [type(one) for value in values for one in (value if isinstance(value, tuple) else (value,))]


@CALM
@given(states())
def test_every_state_reads_back_as_it_was_written(state: State) -> None:
    """It is equal in every value and in the type of every number. Written again, it has the same bytes."""
    data = dumps(state)
    read = loads(data, place="here")
    assert read == state
    assert types_of(read) == types_of(state)
    assert dumps(read) == data


_ODD = st.sampled_from([None, "", "x", 0, -1, 2**63 - 1, 1e39, True, [], [None], {}, {"id": "x"}])


@CALM
@given(states(), st.data())
def test_msgspec_converts_records_as_they_are_read(state: State, data: st.DataObject) -> None:
    """Whatever is odd in a document: what is converted is what is read, to the type of each number."""
    documents = json.loads(dumps(state))["resources"]
    containers = [found for document in documents for found in _list_containers(document)]
    for found in data.draw(st.lists(st.sampled_from(containers), max_size=2)) if containers else ():
        keys = st.sampled_from([*found, "sent", "started", "id", "unknown"])
        found[data.draw(keys)] = data.draw(_ODD)
    converted = convert_records(documents)
    if converted is None:
        return
    assert read_records(documents) == converted
    assert types_of(State(resources={record.address: record for record in converted})) == types_of(
        State(resources={record.address: record for record in read_records(documents)})
    )


def _list_containers(document: object) -> list[dict[str, Any]]:
    """The objects of a document, at any depth."""
    inner = list(document.values()) if isinstance(document, dict) else document
    if not isinstance(inner, list):
        return []
    found = [one for value in inner for one in _list_containers(value)]
    return [document, *found] if isinstance(document, dict) else found


@CALM
@given(states())
def test_what_this_version_writes_is_converted(state: State) -> None:
    """Only a key that a newer program has written leaves the records to the readers."""
    documents = json.loads(dumps(state))["resources"]
    is_newer = any({"holds", "score"} & found.keys() for found in _list_containers(documents))
    assert (convert_records(documents) is None) == is_newer


@CALM
@given(states(), st.randoms())
def test_bytes_do_not_depend_on_the_order_of_the_resources(state: State, random: object) -> None:
    """Two runs that record the same write the same bytes."""
    assert hasattr(random, "shuffle")
    items = list(state.resources.items())
    random.shuffle(items)
    assert dumps(replace(state, resources=dict(items))) == dumps(state)


@CALM
@given(states(), st.data())
def test_lines_that_are_kept_change_nothing(state: State, data: st.DataObject) -> None:
    """A writer that keeps lines of earlier states writes the same bytes as a new writer."""
    kept: dict[Address, tuple[Record, str]] = {}
    assert dumps(state, kept) == dumps(state)
    changed = {
        address: replace(record, prevent_destroy=not record.prevent_destroy)
        for address, record in state.resources.items()
        if data.draw(st.booleans())
    }
    later = replace(state, resources={**state.resources, **changed})
    assert dumps(later, kept) == dumps(later)
    without = replace(state, resources=changed)
    assert dumps(without, kept) == dumps(without)


@CALM
@given(states())
def test_each_resource_is_one_line_and_the_lines_are_sorted(state: State) -> None:
    """The document has a line for each header key and each resource, so that a diff reads well."""
    text = dumps(replace(state, costs=(), older_costs=())).decode()
    assert text.endswith("}\n")
    lines = [line for line in text.split("\n") if line.startswith("    {")]
    found = [Address.parse(json.loads(line.rstrip(","))["address"]) for line in lines]
    assert found == sorted(state.resources)
    header = [line.split('"')[1] for line in text.split("\n") if line.startswith('  "')]
    assert header == ["version", "lineage", "serial", "stack", "workspace", "service", "project", "resources"]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_every_version_ever_written_still_loads(path: Path) -> None:
    """A state of each version reads as this exact value, for ever."""
    assert loads(path.read_bytes(), place=str(path)) == GOLDEN_STATES[path.stem]


GOLDEN_STATES = {
    "version-1": State(
        lineage="6f1c2f0e-52a3-4f0c-9d0b-0e8f6f3a1c11",
        serial=7,
        stack="numbers-k3f9",
        workspace="default",
        service="google",
        project="my-project",
        resources={
            Address("TunedModel", "number-generator"): Record(
                Address("TunedModel", "number-generator"),
                serving=RecordedModel(
                    id="number-generator-mfrggzdf",
                    name="tunedModels/number-generator-mfrggzdf",
                    digest="6162636465" + "00" * 27,
                    source="models/gemini-1.5-flash-001-tuning",
                    sent={
                        "display_name": "Zähler „eins“",
                        "temperature": 0.7,
                        "top_k": 40,
                        "tuning_task.hyperparameters.learning_rate": 0.001,
                        "reader_project_numbers": (123, 456),
                    },
                    data=(RecordedData("training_data", "ab" * 32, 15, 183),),
                    status=Status.ACTIVE,
                    permissions=(Permission("GROUP", "ml@example.com", "READER"),),
                    operation="tunedModels/number-generator-mfrggzdf/operations/4d5e6f",
                    total_steps=38,
                    verdict=Verdict.PASSED,
                    started="2026-11-20T10:00:00Z",
                    create_time="2026-11-20T10:00:01.123456Z",
                    completed="2026-11-20T11:30:00Z",
                    promoted="2026-11-20T11:30:02Z",
                ),
                candidate=RecordedModel(
                    id="number-generator-onswg4tf",
                    generation=1,
                    permissions=(),
                    data=(RecordedData("training_data", "cd" * 32, 16, 190, assumed=True),),
                    started="2026-11-21T10:00:00Z",
                ),
                deposed=(
                    RecordedModel(
                        id="number-generator-pfxxkidb",
                        status=Status.FAILED,
                        error="the training data were refused",
                        deposed="2026-11-19T08:00:00Z",
                    ),
                ),
                prevent_destroy=True,
            ),
            Address("TuningJob", "roman"): Record(
                Address("TuningJob", "roman"),
                candidate=RecordedModel(id="roman-kjxw2ylo", status=Status.CREATING),
            ),
        },
    ),
    "version-2": State(
        lineage="6f1c2f0e-52a3-4f0c-9d0b-0e8f6f3a1c11",
        serial=8,
        resources={
            Address("TunedModel", "bot"): Record(
                Address("TunedModel", "bot"),
                candidate=RecordedModel(
                    id="bot-mfrggzdf",
                    formula=2,
                    waiting=QUOTA,
                    waiting_since="2026-11-28T18:00:00Z",
                    waiting_said="Quota exceeded.",
                ),
                manifest="manifests/bot.yaml",
            ),
        },
    ),
    "version-3": State(
        lineage="6f1c2f0e-52a3-4f0c-9d0b-0e8f6f3a1c11",
        serial=9,
        resources={
            Address("TuningJob", "support"): Record(
                Address("TuningJob", "support"),
                serving=RecordedModel(
                    id="support-kjxw2ylo",
                    formula=2,
                    status=Status.ACTIVE,
                    estimate=RecordedEstimate(
                        220, at_most=True, amount=0.0022, currency="USD", token_price=10.0
                    ),
                    billed_tokens=228,
                ),
            ),
        },
        costs=(
            Cost(
                "2026-11-28",
                Address("TuningJob", "support"),
                "support-kjxw2ylo",
                228,
                0.00228,
                "USD",
                expected=220,
            ),
            Cost(
                "2026-11-29",
                Address("TunedModel", "gone"),
                "gone-mfrggzdf",
                amount=1.25,
                currency="EUR",
                is_estimate=True,
            ),
        ),
        older_costs=(
            MonthlyCost("2026-01", 3, 900),
            MonthlyCost("2026-01", 120, 17_500_000, 52.5, "USD"),
            MonthlyCost("2026-02", 2, 4000, 0.04, "USD", is_estimate=True),
        ),
    ),
    "version-5": State(
        lineage="6f1c2f0e-52a3-4f0c-9d0b-0e8f6f3a1c11",
        serial=10,
        resources={
            Address("TuningJob", "support"): Record(
                Address("TuningJob", "support"),
                serving=RecordedModel(id="support-kjxw2ylo", formula=2, status=Status.ACTIVE),
                endpoint=RecordedEndpoint(
                    "support",
                    "us",
                    "projects/123/locations/us/endpoints/support",
                    deployed="4242424242",
                    operation="projects/123/locations/us/endpoints/support/operations/7",
                    since="2026-11-29T08:00:00Z",
                    interrupted=True,
                ),
                former_endpoints=(
                    RecordedEndpoint(
                        "sales",
                        "us",
                        "projects/123/locations/us/endpoints/sales",
                        deployed="1234567890",
                        since="2026-11-28T08:00:00Z",
                        retired="2026-11-29T08:00:00Z",
                        kept_until="2026-11-30T08:00:00Z",
                    ),
                ),
            ),
        },
    ),
}


GOLDEN_STATES["version-4"] = State(
    lineage="6f1c2f0e-52a3-4f0c-9d0b-0e8f6f3a1c11",
    serial=10,
    resources={
        Address("TunedModel", "bot"): Record(
            Address("TunedModel", "bot"),
            serving=RecordedModel("bot-mfrggzdf", formula=2, status=Status.ACTIVE),
            held=(
                RecordedModel(
                    "bot-kjxw2ylo",
                    formula=2,
                    status=Status.ACTIVE,
                    promoted="2026-11-28T18:00:00Z",
                    held="2026-11-29T06:00:00Z",
                    held_by="ann@desk",
                ),
            ),
        ),
    },
)


def test_every_golden_file_has_its_value_and_the_newest_is_what_is_written_today() -> None:
    """No version is forgotten, and the format cannot change without a new version."""
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(GOLDEN_STATES)
    for name, state in GOLDEN_STATES.items():
        assert dumps(state) == (GOLDEN / f"{name}.json").read_bytes()


def test_version_2_is_written_only_where_a_record_holds_what_version_1_cannot() -> None:
    """Whoever does not use what is new can go back to an older program. A path or formula 2 is new."""
    plain = Record(A, serving=RecordedModel("a-1"))
    assert State(resources={A: plain}).version == 1
    assert State(resources={A: replace(plain, manifest="manifests/a.yaml")}).version == 2
    assert State(resources={A: replace(plain, serving=RecordedModel("a-1", formula=2))}).version == 2
    assert State(resources={A: replace(plain, deposed=(RecordedModel("a-0", formula=2),))}).version == 2
    assert State(resources={A: replace(plain, candidate=RecordedModel("a-2", waiting=QUOTA))}).version == 2
    assert State(resources={A: replace(plain, held=(RecordedModel("a-3"),))}).version == 4


def test_version_5_is_written_only_where_an_endpoint_is_recorded() -> None:
    """An older program would delete a model under a stable endpoint. Without one it can read the state."""
    plain, endpoint = Record(A, serving=RecordedModel("a-1")), RecordedEndpoint("support")
    assert State(resources={A: plain}).version == 1
    assert State(resources={A: replace(plain, endpoint=endpoint)}).version == 5
    assert State(resources={A: replace(plain, former_endpoints=(endpoint,))}).version == 5
    alone = State(lineage="x", resources={A: Record(A, endpoint=endpoint)})
    assert loads(dumps(alone), place="here") == alone


UNKNOWN = [
    ('"prevent_destroy": true', '"prevent_destroy": true, "hold": {"by": ["ann", 1.5]}'),
    ('"total_steps": 38', '"total_steps": 38, "score": null'),
    ('"examples": 15', '"examples": 15, "tokens": 900'),
    ('"role": "READER"', '"role": "READER", "until": "2027-01-01"'),
    ('"status": "CREATING"', '"status": "CREATING", "waits_for": "quota"'),
]


@pytest.mark.parametrize(("text", "by"), UNKNOWN, ids=["record", "serving", "data", "grant", "candidate"])
def test_what_a_newer_program_recorded_is_kept_and_written_back(text: str, by: str) -> None:
    """An unknown key of a record does not refuse the state, and the next write keeps it."""
    golden = (GOLDEN / "version-1.json").read_text()
    state = loads(golden.replace(text, by, 1).encode(), place="here")
    assert json.loads(dumps(state)) == json.loads(golden.replace(text, by, 1))


REFUSED = yaml.safe_load((HERE / "cases" / "state" / "refused.yaml").read_text())


@pytest.mark.parametrize("case", REFUSED, ids=[case["claim"] for case in REFUSED])
def test_a_state_that_is_not_understood_is_refused(case: dict[str, str]) -> None:
    """Each case is a file that is not a state. The message says where it is wrong, and what to do."""
    golden = (GOLDEN / "version-1.json").read_text()
    text = case["text"] if "text" in case else golden.replace(case["replace"], case["by"])
    assert text != golden
    with pytest.raises(StateCorruptError) as caught:
        loads(text.encode("latin-1" if case.get("latin") else "utf-8"), place="state/default.json")
    assert case["says"] in caught.value.summary
    assert caught.value.summary.startswith("state/default.json:")
    advice = "give another place with --state" if "Terraform" in caught.value.summary else "plan"
    assert advice in caught.value.detail


@CALM
@given(st.data())
def test_a_state_cut_anywhere_is_refused(data: st.DataObject) -> None:
    """A state that is cut at any byte is refused, unless only the last line end is missing."""
    whole = (GOLDEN / "version-1.json").read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(StateCorruptError):
        loads(whole[:cut], place="here")


@CALM
@given(st.data())
def test_a_flipped_byte_is_refused_or_still_a_state(data: st.DataObject) -> None:
    """A damaged file raises nothing but our own errors."""
    damaged = bytearray((GOLDEN / "version-1.json").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        loads(bytes(damaged), place="here")
    except ReconcilerError as error:
        assert error.detail  # noqa: PT017 (both outcomes are right; an error must say what to do)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"version": 1' + "0" * 5000 + "}", "\ufeff"])
def test_a_hostile_file_ends_in_our_error(text: str) -> None:
    """Deep nesting and endless numbers are refused like any other file."""
    with pytest.raises(StateCorruptError):
        loads(text.encode(), place="here")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    """An editor on Windows does not make a state unreadable."""
    golden = (GOLDEN / "version-1.json").read_text()
    edited = b"\xef\xbb\xbf" + golden.replace("\n", "\r\n").encode()
    assert loads(edited, place="here") == GOLDEN_STATES["version-1"]


def test_a_newer_state_is_refused_with_the_way_to_upgrade() -> None:
    """A version we do not know is not read, even when all of its keys look familiar."""
    golden = (GOLDEN / "version-1.json").read_text()
    with pytest.raises(StateTooNewError, match="version 6") as caught:
        loads(golden.replace('"version": 1', '"version": 6').encode(), place="here")
    assert "pip install" in caught.value.detail


def test_half_characters_from_a_service_do_not_stop_a_commit() -> None:
    """An error text with a lone surrogate is written with a replacement character instead."""
    state = State(
        lineage="x", resources={A: Record(A, candidate=RecordedModel("a-1", error="bad \ud800 text"))}
    )
    record = loads(dumps(state), place="here").resources[A]
    assert record.candidate is not None
    assert record.candidate.error == "bad \ufffd text"


def test_a_model_in_two_slots_is_never_written() -> None:
    """A model that serves in one slot could be deleted in the other, so it is not recorded."""
    both = State(
        resources={
            A: Record(A, serving=RecordedModel("same")),
            B: Record(B, deposed=(RecordedModel("same"),)),
        }
    )
    with pytest.raises(ValueError, match="same is recorded twice"):
        dumps(both)
    other_kind = Address("TuningJob", "a")
    dumps(
        State(
            resources={
                A: Record(A, serving=RecordedModel("same")),
                other_kind: Record(other_kind, RecordedModel("same")),
            }
        )
    )


def test_a_candidate_may_share_a_pinned_id_with_the_model_that_goes_first() -> None:
    """delete_first records the new training under the id of the old model before the old one is deleted."""
    old, new = RecordedModel("pinned", create_time="2026-01-01T00:00:00Z"), RecordedModel("pinned")
    data = dumps(State(resources={A: Record(A, candidate=new, deposed=(old,))}))
    assert loads(data, place="here").resources[A].deposed == (old,)
    for wrong in (
        Record(A, serving=new, deposed=(old,)),
        Record(A, serving=old, candidate=new),
        Record(A, deposed=(old, new)),
    ):
        with pytest.raises(ValueError, match="recorded twice"):
            dumps(State(resources={A: wrong}))


def test_numbers_that_are_not_finite_are_never_written() -> None:
    """JSON has no NaN."""
    with pytest.raises(StateError, match="not JSON compliant"):
        dumps(State(resources={A: Record(A, serving=RecordedModel("a", sent={"temperature": float("nan")}))}))


def test_reading_a_state_needs_no_heavy_library() -> None:
    """The core starts fast: no pydantic, yaml, requests or rich behind the codec and the session."""
    code = (
        "import sys, reconciler.state.file, reconciler.state.session, reconciler.state.backends.local\n"
        "print(sorted({'pydantic', 'yaml', 'requests', 'google.auth', 'rich', 'deepdiff', 'obstore'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE.parent
    )
    assert done.stdout.strip() == "[]"


NAMED = State(lineage="x", stack="numbers", service="google", project="p1")


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (lambda: check_foreign(NAMED, stack="other"), ["numbers", "other", "--state"]),
        (lambda: check_foreign(NAMED, stack=""), ["numbers", "no manifest names a Stack"]),
        (lambda: check_foreign(NAMED, stack=None, service="emulator"), ["Google", "emulator", "--emulator"]),
        (
            lambda: check_foreign(
                replace(NAMED, service="emulator"),
                stack="numbers",
                service="google",
                variables={"endpoint": "AN_ENDPOINT"},
            ),
            ["an emulator", "Google", "AN_ENDPOINT", "--state"],
        ),
        (
            lambda: check_foreign(NAMED, stack="numbers", project="p2", variables={"project": "A_PROJECT"}),
            ["p1", "p2", "A_PROJECT=p1"],
        ),
    ],
)
def test_a_state_of_something_else_is_refused(check: Callable[[], None], says: list[str]) -> None:
    """The refusal names both sides and what to do."""
    with pytest.raises(StateForeignError) as caught:
        check()
    whole = f"{caught.value.summary}\n{caught.value.detail}"
    assert [word for word in says if word not in whole] == []


def test_names_that_agree_or_are_unknown_are_no_reason_to_refuse() -> None:
    """A state without a name passes, and so does a command that cannot know the name."""
    check_foreign(NAMED, stack="numbers", service="google", project="p1")
    check_foreign(NAMED, stack=None, service=None, project="")
    check_foreign(State(), stack="numbers", service="emulator", project="p2")


def test_a_nameless_state_takes_the_first_names_and_keeps_them() -> None:
    """Missing names are filled in, and never replaced. Resources stay as they are."""
    nameless = State(resources={A: Record(A, serving=RecordedModel("a-1"))})
    named = nameless.with_names(stack="numbers", service="google", project="p1")
    assert (named.stack, named.service, named.project) == ("numbers", "google", "p1")
    assert named.resources == nameless.resources
    assert named.with_names(stack="other", service="emulator", project="p2") == named


@pytest.mark.parametrize(
    "model",
    [
        RecordedModel("a", total_steps=-5),
        RecordedModel("a", total_steps=2**63),
        RecordedModel("a", generation=-1),
        RecordedModel("a", sent={"temperature": float("nan")}),
        RecordedModel("a", sent={"temperature": 1e300}),
        RecordedModel("a", sent={"top_k": 10**400}),
        RecordedModel("a", data=(RecordedData("training_data", "d", -1, 0),)),
        RecordedModel(""),
    ],
)
def test_what_the_reader_would_refuse_is_not_written(model: RecordedModel) -> None:
    """Every written state can be read. The error names a record with an impossible value."""
    with pytest.raises(StateError, match="TunedModel/a: this record could not be read again") as refused:
        dumps(State(lineage="x").put(Record(A, candidate=model)))
    # The message does not call the state itself damaged.
    assert not isinstance(refused.value, StateCorruptError)


@pytest.mark.parametrize("serial", ["9" * 4300, "9" * 5000, str(2**63), "1e400", "NaN", "-1", '"1"'])
def test_a_serial_beyond_int64_is_refused_when_it_is_read(serial: str) -> None:
    """Nobody could count on from it, or write it again."""
    text = dumps(State(lineage="x", serial=7)).decode().replace('"serial": 7', f'"serial": {serial}')
    with pytest.raises(StateCorruptError):
        loads(text.encode(), place="here")


def test_a_state_that_would_be_too_large_is_not_written() -> None:
    """The reader and the writer have the same bound."""
    with pytest.raises(StateError, match="larger than 64 MB"):
        dumps(State(stack="x" * (bounds.STATE + 1)))


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01T00:00:00Z", "2026-11-28T10:00:00", "9" * 5000])
@pytest.mark.parametrize("key", ["started", "deposed"])
def test_a_time_of_ours_that_is_none_is_refused(key: str, time: str) -> None:
    """The lag and keep_deposed are counted from these times."""
    now = "2026-11-28T10:00:00Z"
    changed: dict[str, Any] = {key: now}
    text = dumps(State(lineage="x").put(Record(A, candidate=RecordedModel("a", **changed))))
    with pytest.raises(StateCorruptError, match=f"{key}: should be a time"):
        loads(text.replace(now.encode(), time.encode()), place="here")
