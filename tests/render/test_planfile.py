"""A saved plan is written, read back, and refused if it is not the plan that was approved."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.errors import PlanError
from reconciler.model.names import Value
from reconciler.plan.change import Plan
from reconciler.render.plan_json import compute_checksum
from reconciler.render.planfile import dumps, loads
from tests.limits import examples
from tests.render import plans
from tests.render.strategies import SECRET
from tests.render.strategies import plans as any_plan

BIG = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def without_examples(plan: Plan) -> Plan:
    """The plan as it is saved, without inline training data, which is read again from the manifests."""
    return replace(
        plan,
        changes=tuple(
            replace(change, datasets=tuple(replace(one, inline=()) for one in change.datasets))
            for change in plan.changes
        ),
    )


def resealed(document: dict[str, object]) -> bytes:
    """An edited document with a matching checksum, as a careful forger would write it."""
    ours = document["reconciler"]
    assert isinstance(ours, dict)
    ours["checksum"] = compute_checksum(document)  # type: ignore[arg-type]
    return json.dumps(document).encode()


@BIG
@given(any_plan)
def test_any_plan_comes_back(plan: Plan) -> None:
    """The plan that is read equals the written one, types included. The file has no training data."""
    data = dumps(plan, plans.KINDS)
    assert SECRET.encode() not in data
    back = loads(data, place="x.plan")
    assert back == without_examples(plan)
    assert repr(back) == repr(without_examples(plan))  # repr tells 1, 1.0 and True apart, and == does not


@BIG
@given(any_plan)
def test_the_same_plan_is_the_same_bytes(plan: Plan) -> None:
    """A saved plan can be compared by its bytes."""
    assert dumps(plan, plans.KINDS) == dumps(loads(dumps(plan, plans.KINDS), place=""), plans.KINDS)


def test_a_plan_file_is_ascii_with_a_line_for_each_change() -> None:
    """A diff of two plans is easy to read, and printing a plan cannot control a terminal."""
    data = dumps(replace(plans.EVERYTHING, notes=(plans.HOSTILE,)), plans.KINDS)
    assert data.isascii()
    assert b"\x1b" not in data
    lines = data.decode().splitlines()
    entries = [line for line in lines if line.startswith('  {"address"') and '"provider_name"' in line]
    assert len(entries) == len(plans.EVERYTHING.changes) + len(plans.EVERYTHING.drift)


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, 10**6))
def test_a_cut_file_is_refused(length: int) -> None:
    """A file that was cut at any byte is refused."""
    data = dumps(plans.SMALL, plans.KINDS)
    with pytest.raises(PlanError, match=r"x\.plan"):
        loads(data[: length % (len(data) - 2)], place="x.plan")


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_means_nothing(index: int, byte: int) -> None:
    """If any byte is replaced, the file is refused with a PlanError, or gives the same plan."""
    data = bytearray(dumps(plans.SMALL, plans.KINDS))
    data[index % len(data)] = byte
    try:
        plan = loads(bytes(data), place="x.plan")
    except PlanError as error:
        refusal = error
    else:
        assert plan == plans.SMALL
        return
    assert "x.plan" in refusal.summary
    assert refusal.detail


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_is_refused(data: bytes) -> None:
    """No bytes lead to anything but a PlanError with advice."""
    with pytest.raises(PlanError) as refusal:
        loads(data, place="x.plan")
    assert refusal.value.detail


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.plan: the saved plan is empty"),
        (b" \n", "x.plan: the saved plan is empty"),
        (b"{", "is cut off or is no JSON"),
        (b"\xff\xfe", "is cut off or is no JSON"),
        (b"[" * 100_000, "is cut off or is no JSON"),
        (b"[]", "this is not a saved plan"),
        (b"{}", "this is not a saved plan"),
        (b'{"apiVersion": "reconciler/v1"}', "this is not a saved plan"),
        (b'{"format_version": "1.2"}', "not one that reconciler saved"),
        (b'{"format_version": "1.2", "reconciler": {"plan_version": "1"}}', "version is no version"),
        (b'{"format_version": "1.2", "reconciler": {"plan_version": true}}', "version is no version"),
        (
            b'{"format_version": "1.2", "reconciler": {"plan_version": 1, "reconciler_version": "0.9"}}',
            "version 1, written by reconciler 0.9, which did not say each step that it takes; this program",
        ),
        (b'{"format_version": 1.2, "reconciler": {"plan_version": 1}}', "version is no version"),
        (
            b'{"format_version": "1.2", "reconciler": {"plan_version": 3, "reconciler_version": "9.1"}}',
            "version 3, written by reconciler 9.1; this program reads up to 2",
        ),
        (b'{"format_version": "2.0", "reconciler": {"plan_version": 2}}', "this program reads up to 2"),
        (b'{"format_version": "1.2", "reconciler": {"plan_version": 2}}', "checksum does not match"),
    ],
)
def test_refusals_say_what(data: bytes, message: str) -> None:
    """Each kind of file that is not a saved plan has its own message."""
    with pytest.raises(PlanError) as refusal:
        loads(data, place="x.plan")
    assert message in refusal.value.summary


def test_an_edited_plan_is_refused() -> None:
    """Nobody raises a guard or drops a deletion after approval, wherever in the document."""
    for old, new in (
        (b'"max_trainings": 6', b'"max_trainings": 9'),
        (b'"actions": ["delete"]', b'"actions": ["no-op"]'),
        (b'"applyable": true', b'"applyable": false'),
    ):
        data = dumps(plans.EVERYTHING, plans.KINDS)
        assert old in data
        with pytest.raises(PlanError, match="checksum does not match"):
            loads(data.replace(old, new, 1), place="x.plan")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("serial", "12", 'read: serial: should be a whole number, not "12"'),
        ("serial", True, "read: serial: should be a whole number, not true"),
        ("changes", {}, "read: changes: should be a list, not {}"),
        ("changes", [{"action": "create"}], "read: changes: address: is missing"),
        (
            "changes",
            [{"address": "x", "action": "create"}],
            "changes: x: address: should be KIND/NAME",
        ),
        (
            "changes",
            [{"address": "T/x", "action": "explode"}],
            "changes: T/x: action: should be one of no-op",
        ),
        (
            "changes",
            [{"address": "T/x", "action": "create", "before": {"a": None}}],
            "T/x: before: a: should be text, a number or a list of them, not null",
        ),
        ("changes", [{"address": "T/x", "action": "create", "bill": {}}], "T/x: bill: examples: is missing"),
        ("changes", None, "read: changes: should be a list, not null"),
        ("surprise", 1, "read: surprise: is not a key that this version knows"),
        ("context", [], "read: context: should be an object, not []"),
        ("bindings", {"T": {}}, 'bindings: T: should be KIND/NAME, not "T"'),
        ("bindings", [], "bindings: should be an object, not []"),
        (
            "changes",
            [{"address": "T/x", "action": "create", "datasets": [{"inline": []}]}],
            "T/x: datasets: inline: is not a key that this version knows",
        ),
        (
            "changes",
            [
                {
                    "address": "T/x",
                    "action": "create",
                    "bill": dict.fromkeys(("examples", "characters", "epochs", "batch", "steps"), 1)
                    | {"price": "much"},
                }
            ],
            'T/x: bill: price: should be a number, not "much"',
        ),
    ],
)
def test_wrong_types_are_refused(key: str, value: object, message: str) -> None:
    """A document of another shape is an error that names the place, even if its checksum matches."""
    document = json.loads(dumps(plans.SMALL, plans.KINDS))
    document["reconciler"][key] = value
    with pytest.raises(PlanError) as refusal:
        loads(resealed(document), place="x.plan")
    assert message in refusal.value.summary


def test_an_integer_price_is_a_price() -> None:
    """JSON does not distinguish 1 from 1.0, so a float field accepts both."""
    document = json.loads(dumps(plans.SMALL, plans.KINDS))
    document["reconciler"]["changes"][0]["bill"]["price"] = 3
    (change, _) = loads(resealed(document), place="x").changes
    assert change.bill is not None
    assert isinstance(change.bill.price, float)


@pytest.mark.parametrize(
    "data",
    [
        b'{"format_version":' + b"[" * 100_000,
        b'{"format_version": "1.2", "format_version": "1.2"}',
        b'{"format_version": "1.2", "x": ' + b"9" * 5000 + b"}",
        b'{"format_version": "1.2", "x": NaN}',
        b'{"format_version": "1.2", "x": "\xff"}',
    ],
    ids=lambda data: str(data[:30]),
)
def test_what_is_no_json_as_we_write_it_is_no_saved_plan(data: bytes) -> None:
    """For a file that is too deep or too long, the error says so."""
    with pytest.raises(PlanError, match="cut off or is no JSON"):
        loads(data, place="x")


@pytest.mark.parametrize(
    "version", ["9" * 5000 + ".1", "", ".", "x", "1.x", "-1.2", "1.2.3.4.5", "\uff11.2", 1.2, None]
)
def test_a_version_that_is_none_is_refused(version: object) -> None:
    """Thousands of digits are not a version."""
    document = json.loads(dumps(plans.SMALL, plans.KINDS))
    document["format_version"] = version
    with pytest.raises(PlanError, match="version is no version"):
        loads(json.dumps(document).encode(), place="x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, 10**400, "half \udcff"])
def test_a_plan_that_could_not_be_read_again_is_not_saved(value: Value) -> None:
    """What is written can be read: NaN, a number beyond int64, the name of a file that is no text."""
    (change, *others) = plans.SMALL.changes
    odd = replace(change, after={**(change.after or {}), "temperature": value})
    with pytest.raises((PlanError, ValueError)) as refused:
        dumps(replace(plans.SMALL, changes=(odd, *others)), plans.KINDS)
    if not isinstance(value, float):
        assert "could not be read again, so it is not saved" in str(refused.value)
