"""What stands on which base model: through parents, declared and recorded, with dates and replacements."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

from msgspec.structs import replace

from reconciler.bases import Base
from reconciler.errors import Severity
from reconciler.kind import Kind
from reconciler.model.desired import Desired
from reconciler.model.names import Address
from reconciler.plan.base_models import (
    BaseEnd,
    BaseFinder,
    BaseUse,
    describe_way_on,
    list_endings,
    list_ends,
    list_uses,
)
from reconciler.providers.gemini.fields import PARENT, TUNED_MODEL
from reconciler.providers.vertex.fields import MODEL_COPY, TUNING_JOB
from reconciler.state.values import Record
from tests import worlds

TODAY = date(2026, 11, 29)
FLASH = Base("flash", tunable=True, retires="2026-12-09", replacements=("newer",), read="2026-11-28")
NEWER = Base("newer", tunable=True, retires="2028-01-31", or_later=True, read="2026-11-28")
KIND = replace(TUNED_MODEL, bases={"flash": FLASH, "newer": NEWER})


def child(name: str, parent: str) -> Desired:
    """A model that is tuned from another."""
    return worlds.want(name, attributes={PARENT: parent})


def finder(*desired: Desired, records: tuple[Record, ...] = (), kind: Kind = KIND) -> BaseFinder:
    """A finder over these models."""
    resources = {record.address: record for record in records}
    return BaseFinder({one.address: one for one in desired}, resources, {kind.name: kind})


def test_a_declared_model_stands_on_the_base_model_of_its_last_ancestor() -> None:
    """Its ancestors are found in manifests first, and then in records, whatever names the parent."""
    recorded = Record(worlds.address("old"), worlds.model("old-1", attributes={"base_model": "models/flash"}))
    found = finder(
        worlds.want("bot", attributes={"base_model": "models/newer"}),
        child("child", "TunedModel/bot"),
        child("grandchild", "TunedModel/child"),
        child("of-record", "TunedModel/old"),
        child("of-name", "tunedModels/old-1"),
        child("of-nobody", "TunedModel/nobody"),
        child("of-stranger", "tunedModels/stranger"),
        records=(recorded,),
    )
    names = {address.name: found.find_declared(address) for address in found.desired}
    assert names == {
        "bot": "models/newer",
        "child": "models/newer",
        "grandchild": "models/newer",
        "of-record": "models/flash",
        "of-name": "models/flash",
        "of-nobody": "",
        "of-stranger": "",
    }


def test_a_circle_of_parents_stands_on_nothing() -> None:
    """Manifests refuse a circle. A state that somebody edited may hold one."""
    declared = finder(child("a", "TunedModel/b"), child("b", "TunedModel/a"))
    assert declared.find_declared(worlds.address("a")) == ""
    first, second = (
        worlds.model(id, attributes={PARENT: f"tunedModels/{parent}"}) for id, parent in ("ab", "ba")
    )
    first = replace(first, source="tunedModels/b")
    second = replace(second, source="tunedModels/a")
    records = (Record(worlds.address("a"), first), Record(worlds.address("b"), second))
    assert finder(records=records).find_recorded(first) == ""


def test_a_long_chain_is_followed_once() -> None:
    """Each model of a chain is looked at once, not once for each of its children."""
    looks = 0

    class Counted(dict[Address, Desired]):
        def get(self, key: Address, default: Any = None) -> Any:
            nonlocal looks
            looks += 1
            return super().get(key, default)

    names = [f"m{number}" for number in range(300)]
    chain = [child(name, f"TunedModel/{parent}") for parent, name in itertools.pairwise(names)]
    found = finder(worlds.want("m0"), *chain)
    found.desired = Counted(found.desired)
    assert {found.find_declared(address) for address in reversed(list(found.desired))} == {worlds.BASE}
    assert looks == len(names)


def test_one_warning_for_all_that_stands_on_a_base_model() -> None:
    """It names the first model, how many more there are, the date, who says so, and what can be tuned."""
    found = finder(*(worlds.want(name) for name in ("a", "b", "c")))
    (warning,) = list_endings(found, sorted(found.desired), TODAY)
    assert warning.summary == (
        "TunedModel/a and 2 more models stand on flash, which retires on 9 December 2026, in 10 days "
        "(according to documents read on 28 November 2026)"
    )
    assert warning.detail == "newer can be tuned instead; it retires not before 31 January 2028."
    assert (warning.file, warning.line) == ("manifests/a.yaml", 1)
    assert warning.severity is Severity.WARNING
    assert list_endings(found, [], TODAY) == ()


def test_the_end_of_each_recorded_model() -> None:
    """Each is found by its id, deposed ones too. An unknown base model is left out or has no date."""
    known = worlds.model("bot-1")
    other = worlds.model("bot-2", attributes={"base_model": "models/unknown"})
    orphan = replace(
        worlds.model("bot-3", attributes={PARENT: "tunedModels/stranger"}), source="tunedModels/stranger"
    )
    record = Record(worlds.address(), known, other, (orphan,))
    assert list_ends(finder(records=(record,)), [record], TODAY) == {
        "bot-1": BaseEnd(
            "models/flash",
            "2026-12-09",
            days_left=10,
            replacement="newer",
            said="retires on 9 December 2026, in 10 days (according to documents read on 28 November 2026)",
        ),
        "bot-2": BaseEnd("models/unknown"),
    }
    undated = replace(KIND, bases={"flash": Base("flash", tunable=True)})
    ends = list_ends(finder(records=(record,), kind=undated), [record], TODAY)
    assert ends["bot-1"] == BaseEnd("models/flash")
    assert [BaseEnd("a", days_left=days).is_near for days in (91, 90, -1, None)] == [False, True, True, False]


def test_the_end_of_a_copy_is_in_the_table_of_its_api() -> None:
    """Only the service knows a copy's base model. Without a kind that trains there is no table for it."""
    model = replace(worlds.model("copy-1"), sent={"source": "m@1"}, source="m@1")
    record = Record(Address("ModelCopy", "copy"), model)
    live = [worlds.live("copy-1", base="flash"), worlds.live("other")]
    jobs = replace(TUNING_JOB, bases=KIND.bases)
    for kinds, days_left in (((MODEL_COPY, jobs), 10), ((MODEL_COPY, TUNED_MODEL), None)):
        found = BaseFinder({}, {record.address: record}, {kind.name: kind for kind in kinds})
        end = list_ends(found, [record], TODAY, live)["copy-1"]
        assert (end.name, end.days_left) == ("flash", days_left)
        assert list_ends(found, [record], TODAY) == {}


def test_the_table_with_what_stands_on_it() -> None:
    """Base models that we use come first, and so do their kinds. One that no table has is a row too."""
    records = (
        Record(worlds.address("old"), worlds.model("old-1", attributes={"base_model": "models/own"})),
        Record(worlds.address("bot"), None, worlds.model("bot-1")),
        Record(Address("Foo", "newer"), worlds.model("x")),
    )
    found = finder(
        worlds.want("bot"), worlds.want("also"), child("orphan", "tunedModels/stranger"), records=records
    )
    jobs = replace(TUNING_JOB, name="AJob", bases={"over": Base("over", tunable=False)})
    both = BaseFinder(found.desired, found.records, {**found.kinds, "AJob": jobs})
    assert list_uses(both, TODAY) == (
        BaseUse(
            "TunedModel",
            FLASH,
            (worlds.address("also"), worlds.address("bot")),
            days_left=10,
            replacement="newer",
        ),
        BaseUse("TunedModel", Base("own", tunable=True), (worlds.address("old"),), is_known=False),
        BaseUse("TunedModel", NEWER, days_left=428),
        BaseUse("AJob", Base("over", tunable=False)),
    )


def describe(own: Base, *others: Base, other: str = "TuningJob") -> str:
    """Describe a base model of one kind, if the other kind's table has these rows."""
    kinds = {
        "TunedModel": replace(TUNED_MODEL, bases={own.name: own}),
        other: replace(TUNING_JOB, bases={base.name: base for base in others}),
    }
    return describe_way_on(kinds, "TunedModel", own, TODAY)


def test_another_kind_is_named_where_nothing_can_be_tuned_with_this_one() -> None:
    """The same base model comes first, because the other API may tune it longer. Then come its other rows."""
    gone = Base("flash", tunable=False, retires="2026-10-08")
    same, later = replace(FLASH, retires="2027-05-19"), replace(NEWER, name="later")
    none = "No base model is known that can be tuned with kind: TunedModel. With kind: TuningJob, "
    assert describe(gone, later, same) == (none + "flash can be tuned instead; it retires on 19 May 2027.")
    assert (
        describe(gone, later) == none + "later can be tuned instead; it retires not before 31 January 2028."
    )
    unknown = "No base model is known that can be tuned and stays longer."
    assert describe(gone, replace(later, tunable=False)) == unknown
    assert describe(gone, later, other="Unrelated") == unknown
    own = {"TunedModel": KIND, "TuningJob": replace(TUNING_JOB, bases={"flash": same})}
    assert describe_way_on(own, "TunedModel", FLASH, TODAY).startswith("newer can be tuned instead")
