"""Which live models `import --all` takes over, and what they are called."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.model.live import Live, Status
from reconciler.model.names import Address
from reconciler.model.stack import Stack
from reconciler.plan.estate import Claims, Left, Wish, choose_name
from reconciler.plan.facts import Facts
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.state.values import Record
from tests import worlds

NAMED = Stack(name="numbers")


def explain(facts: Facts, live: Live, wish: Wish | None = None) -> Left | None:
    """Explain why one model is left out."""
    return Claims(facts, worlds.KIND).explain(live, wish or Wish())


def test_recorded_and_declared_models_are_managed() -> None:
    """A recorded model in any role needs no manifest, nor does a pinned or an imported one."""
    record = Record(
        worlds.address("bot"), worlds.model("one"), worlds.candidate("two"), (worlds.model("three"),)
    )
    desired = [worlds.want("pin", id="four"), worlds.want("imp", imports="tunedModels/five")]
    alive = [worlds.live(id) for id in ("one", "two", "three", "four", "five", "six")]
    other = Record(Address("TuningJob", "bot"), worlds.model("six"))  # a record of another kind
    facts = worlds.world(desired, [record, other], alive)
    assert [explain(facts, live) for live in alive] == [*[Left.MANAGED] * 5, None]


@pytest.mark.parametrize(
    ("stack", "name", "expected"),
    [
        (None, "bot", Left.MANAGED),
        (None, "other", Left.FOREIGN),
        (NAMED, "bot", Left.MANAGED),
        (NAMED, "other", Left.MANAGED),
    ],
)
def test_an_id_of_ours_is_explained_as_a_lost_state_is(
    stack: Stack | None, name: str, expected: Left
) -> None:
    """The next apply adopts it by its name and digest, and in a named Stack by its digest alone."""
    digest = worlds.id_of("bot", stack="numbers" if stack else "").rpartition("-")[2]
    live = worlds.live(f"{name}-{digest}")
    facts = worlds.world([worlds.want("bot")], alive=[live], stack=stack)
    claims = Claims(facts, worlds.KIND)
    assert [claims.explain(live, Wish()) for _ in range(2)] == [expected] * 2


def test_an_id_of_ours_that_nothing_explains_is_foreign() -> None:
    """A name like ours or our label under any id makes it foreign, unless the user asks for it."""
    named = worlds.live("bot-abcdefgh")
    labelled = replace(worlds.live("4711"), label="bot-abcdefgh")
    facts = worlds.world([worlds.want("bot")], alive=[named, labelled], stack=NAMED)
    assert [explain(facts, live) for live in (named, labelled)] == [Left.FOREIGN] * 2
    wish = Wish(include_foreign=True)
    assert [explain(facts, live, wish) for live in (named, labelled)] == [None] * 2


def test_a_failed_model_is_left_out() -> None:
    """It cannot be adopted, whatever the user asks for."""
    live = worlds.live("bot", Status.FAILED)
    assert explain(worlds.world(alive=[live]), live, Wish(include_foreign=True)) is Left.FAILED


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("hand*", None),
        ("*made", None),
        ("Great name", None),
        ("tunedModels/*", Left.FILTERED),
        ("x", Left.FILTERED),
    ],
)
def test_a_filter_is_a_glob_over_id_and_display_name(pattern: str, expected: Left | None) -> None:
    """The collection does not belong to the id."""
    live = worlds.live("handmade", attributes={"display_name": "Great name"})
    assert explain(worlds.world(alive=[live]), live, Wish(pattern)) is expected


@pytest.mark.parametrize(
    ("display", "id", "name"),
    [
        ("Support, German", "x", "support-german"),
        ("Größe", "x", "grosse"),
        ("", "my_model", "my-model"),
        ("数字", "numbers", "numbers"),
        ("7 dwarfs", "x", "tunedmodel-7-dwarfs"),
        ("数字", "___", "tunedmodel"),
        ("a" * 40, "x", "a" * 31),
        (f"{'a' * 30} b", "x", "a" * 30),
        ("taken", "x", "taken-3"),
        ("b" * 31, "x", f"{'b' * 29}-2"),
    ],
)
def test_a_name_is_valid_and_free(display: str, id: str, name: str) -> None:
    """It is made from the display name or the id.

    It has at most 31 characters, begins with a letter, and is free.
    """
    live = worlds.live(id, attributes={"display_name": display})
    assert choose_name(TUNED_MODEL, live, {"taken", "taken-2", "b" * 31}, {}) == name


def test_an_unclear_display_name_names_nothing() -> None:
    """If model and endpoint have two display names, the id is used."""
    live = worlds.live("x", attributes={"display_name": "a on the model, b on its endpoint"})
    live = replace(live, unclear={"display_name": "a on the model, b on its endpoint"})
    assert choose_name(TUNED_MODEL, live, (), {}) == "x"


def test_many_of_one_name_are_counted_on() -> None:
    """The search for a free name goes on where the last one ended, so 10,000 equal names are no problem."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    live = worlds.live("x", attributes={"display_name": "same"})
    for _ in range(10_000):
        taken.add(choose_name(TUNED_MODEL, live, taken, numbers))
    assert len(taken) == 10_000
    assert numbers == {"same": 10_000}
