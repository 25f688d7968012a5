"""Random stories of kills, losses, faults and edits: nothing trains twice and nothing is lost.

`make fuzz` makes new stories for as long as you let it. A failing story is printed whole: paste it as
`@example(story=…)`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import TUNING_JOB
from tests.lifecycle.emulated_service_admin import TRAINING_SECONDS, EmulatedServiceAdmin
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.service_admin import FakeServiceAdmin
from tests.lifecycle.simulation import Simulation
from tests.lifecycle.story import (
    JOBS,
    Disconnect,
    Edit,
    Event,
    Fail,
    Fault,
    Lose,
    Pass,
    RollBack,
    Run,
    Spec,
    Story,
    Vanish,
    kind_of,
)
from tests.lifecycle.story_runner import StoryRunner
from tests.limits import examples

LIVES = 400
"""How many lives `make test-all` tries."""
EMULATED_LIVES = int(os.environ.get("EMULATED_LIVES", "12"))
"""How many lives `make test-all` tries on the emulator, where each takes a second or two."""
PARENTS = {"a": None, "kid": "a", "grandkid": "kid", "job": None, "subjob": "job"}
"""The possible parents of each name. Two names are TuningJobs, so that a stack is often mixed."""
NAMES = sorted(PARENTS)

KEPT_CHILD: tuple[Event, ...] = (
    Edit((Spec("grandkid", parent="kid"), Spec("kid"))),
    Run(),
    Edit((Spec("grandkid", parent="kid", keep=True), Spec("kid", data="two"))),
    Run(),
)
"""A parent is trained on other data. The former model of its child is kept."""


@st.composite
def specs(draw: st.DrawFn, among: Sequence[str] = NAMES) -> tuple[Spec, ...]:
    """The declared models. Parents are chosen among them."""
    names = draw(st.lists(st.sampled_from(among), unique=True, max_size=3))
    found = []
    for name in sorted(names):
        parent = PARENTS[name]
        found.append(
            Spec(
                name,
                data=draw(st.sampled_from(("one", "two"))),
                epochs=draw(st.sampled_from((5, 5, 6))),
                description=draw(st.sampled_from((None, "up"))),
                parent=parent if parent in names and draw(st.booleans()) else None,
                pinned=kind_of(name).pinned_ids and draw(st.sampled_from((False, False, True))),
                permissions=kind_of(name).permissions and draw(st.booleans()),
                check=draw(st.booleans()),
                keep=draw(st.sampled_from((False, False, True))),
                protect=draw(st.sampled_from((False, False, False, True))),
            )
        )
    return tuple(found)


CALLS = (
    "create",
    "upload",
    "update",
    "delete",
    "poll",
    "get",
    "list",
    "permissions",
    "set_permissions",
    "generate",
)
faults: st.SearchStrategy[Fault] = st.one_of(
    st.builds(
        Fault,
        method=st.sampled_from(CALLS),
        what=st.sampled_from(("unavailable", "lost", "refused", "limited")),
        times=st.sampled_from((1, 1, 2, 7)),
    ),
    st.builds(
        Fault,
        method=st.just("store"),
        what=st.sampled_from(("before", "after")),
        times=st.sampled_from((1, 2, 5)),
    ),
    st.builds(Fault, method=st.just("create"), what=st.sampled_from(("invisible", "taken"))),
)

PLACES = [
    f"{when} {what}"
    for what in ("create", "write", "update", "delete", "set_permissions", "generate")
    for when in ("before", "after")
]
"""The places where the death of a process matters most."""


def runs(among: Sequence[str]) -> st.SearchStrategy[Run]:
    """A clean run, or one with a possible kill, stop or option."""
    return st.just(Run()) | st.builds(
        Run,
        command=st.sampled_from(("apply", "apply", "apply", "no-wait", "wait")),
        kill=st.none() | st.integers(5, 80) | st.sampled_from(PLACES),
        faults=st.lists(faults, max_size=2).map(tuple),
        retry=st.sampled_from((False, False, True)),
        replace=st.sampled_from((None, None, None, *among)),
        timeout=st.sampled_from((None, None, 30.0)),
        stop=st.sampled_from((None, None, None, 1, 3)),
    )


def rollbacks(among: Sequence[str]) -> st.SearchStrategy[RollBack]:
    """A rollback by somebody, or its undoing."""
    return st.builds(
        RollBack,
        st.sampled_from(among),
        undo=st.sampled_from((False, False, True)),
        kill=st.none() | st.integers(5, 30) | st.sampled_from(PLACES),
    )


def accidents(among: Sequence[str]) -> st.SearchStrategy[Event]:
    """Events that nobody intends."""
    return st.one_of(
        st.just(Lose()),
        st.builds(Vanish, st.sampled_from(among)),
        st.builds(Disconnect, st.sampled_from([name for name in among if name in JOBS])),
        st.builds(Fail, st.sampled_from(among), st.booleans()),
        st.builds(Pass, st.sampled_from((50, 100_000))),
    )


TWEAKS: dict[str, tuple[Any, ...]] = {
    "data": ("one", "two"),
    "epochs": (5, 6),
    "description": (None, "up"),
    "pinned": (False, True),
    "permissions": (False, True),
    "check": (False, True),
    "keep": (False, True),
    "protect": (False, True),
}


@st.composite
def edits(draw: st.DrawFn, before: tuple[Spec, ...], among: Sequence[str]) -> Edit:
    """Edits as people make them: small changes, a dropped model, and sometimes something very different."""
    if not before or draw(st.integers(0, 9)) == 0:
        return Edit(draw(specs(among)))
    after = list(before)
    number = draw(st.integers(0, len(after) - 1))
    if draw(st.integers(0, 5)) == 0:
        gone = after.pop(number).name
        return Edit(tuple(replace(spec, parent=None) if spec.parent == gone else spec for spec in after))
    kind = kind_of(after[number].name)
    able = {"pinned": kind.pinned_ids, "permissions": kind.permissions}
    fields = [field for field in ("data", "epochs", *TWEAKS) if able.get(field, True)]
    for field in draw(st.lists(st.sampled_from(fields), min_size=1, max_size=2)):
        after[number] = replace(after[number], **{field: draw(st.sampled_from(TWEAKS[field]))})
    return Edit(tuple(after))


def retrain(spec: Spec) -> Spec:
    """The manifest with other data."""
    return replace(spec, data="two" if spec.data == "one" else "one")


@st.composite
def stories(draw: st.DrawFn, among: Sequence[str] = NAMES) -> Story:
    """A story that begins with an edit and a run, and ends near its beginning."""
    first = draw(specs(among).filter(len))
    history: list[Event] = [Edit(first), draw(runs(among))]
    past = [first]
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(("run", "run", "run", "edit", "edit", "edit", "back", "roll", "else")))
        if kind == "run":
            history.append(draw(runs(among)))
        elif kind in {"edit", "back"}:
            edit = Edit(draw(st.sampled_from(past))) if kind == "back" else draw(edits(past[-1], among))
            past.append(edit.specs)
            history += [edit, draw(runs(among))]
        elif kind == "roll":
            kept = tuple(replace(spec, keep=True, pinned=False) for spec in past[-1])
            names = [spec.name for spec in kept] or list(among)
            name = draw(st.sampled_from(names))
            past.append(tuple(retrain(spec) if spec.name == name else spec for spec in kept))
            history += [Edit(kept), Run(), Edit(past[-1]), draw(runs(among)), draw(rollbacks((name,)))]
        else:
            history.append(draw(accidents(among)))
    return Story(
        events=tuple(history),
        final=draw(edits(past[-1], among)).specs,
        list_lag=draw(st.sampled_from((0.0, 30.0))),
        keeps_creating=draw(st.booleans()),
        crowded=draw(st.sampled_from((False, False, True))),
    )


def lives(most: int) -> settings:
    """The number of random stories. A failing one is printed whole and kept for the next run."""
    return settings(
        max_examples=most,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@pytest.mark.thorough
@pytest.mark.timeout(1200)
@lives(LIVES)
@given(story=stories())
def test_many_lives_converge(story: Story) -> None:
    """After each event nothing was trained twice, orphaned or wrongly deleted; the end is as declared."""
    StoryRunner(story, FakeServiceAdmin(Simulation(kinds=(TUNED_MODEL, TUNING_JOB)))).run_story()


@pytest.mark.early
@lives(examples(80))
@given(story=stories())
@example(
    # A replacement with delete_first waits for its parent, and the run stops. Then nobody asks for it any
    # more.
    story=Story(
        events=(
            Edit((Spec("a"), Spec("kid", parent="a", pinned=True, keep=True))),
            Run(),
            Run(replace="a", stop=1),
        ),
        final=(Spec("a"), Spec("kid", parent="a", keep=True)),
    )
)
@example(
    # A rename is killed before its write, after it, and while its model trains.
    story=Story(
        events=(
            Edit((Spec("a"),)),
            Run(command="no-wait"),
            Edit((Spec("b"),)),
            Run(kill="before write"),
            Run(kill="after write"),
            Edit((Spec("kid"),)),
            Run(kill="after write"),
        ),
        final=(Spec("b"),),
    )
)
@example(
    # One training gets two new names. No plan can tell which of them the old one has become.
    story=Story(
        events=(Edit((Spec("grandkid", data="two"), Spec("job"))), Run()),
        final=(Spec("a", data="two"), Spec("kid", data="two")),
    )
)
@example(
    # Two equal trainings get one new name.
    story=Story(events=(Edit((Spec("a"), Spec("kid"))), Run()), final=(Spec("grandkid"),))
)
@example(
    # A model gets a new name and protection. Then the former name is declared instead.
    story=Story(
        events=(Edit((Spec("job"),)), Run(), Edit((Spec("subjob", protect=True),)), Run()),
        final=(Spec("job"),),
    )
)
@example(
    # A parent goes back to data whose model is gone. Its child, whose former model was kept, waits for it.
    story=Story(
        events=KEPT_CHILD,
        final=(Spec("grandkid", parent="kid"), Spec("kid")),
    )
)
@example(
    # The same, and the training of the parent fails. What the child was tuned from serves on, and so does it.
    story=Story(
        events=(
            *KEPT_CHILD,
            Edit((Spec("grandkid", parent="kid"), Spec("kid"))),
            Fail("kid", on=True),
            Run(),
            Fail("kid", on=False),
        ),
        final=(Spec("grandkid", parent="kid"), Spec("kid", data="two")),
    )
)
def test_every_life_converges(story: Story) -> None:
    """After each event nothing was trained twice, orphaned or wrongly deleted.

    The end matches the manifests.
    """
    StoryRunner(story, FakeServiceAdmin(Simulation(kinds=(TUNED_MODEL, TUNING_JOB)))).run_story()


@pytest.mark.thorough
@pytest.mark.timeout(600 + 20 * EMULATED_LIVES)
@lives(EMULATED_LIVES)
@given(story=stories(("a", "job", "subjob")))
def test_many_lives_converge_on_the_emulator(emulator: Emulator, story: Story) -> None:
    """The same, with the real providers of both APIs: a process dies at any of its requests."""
    StoryRunner(story, EmulatedServiceAdmin(simulate(emulator))).run_story()


@lives(1)
@given(story=stories(("a", "job", "subjob")))
@example(
    # A create is accepted and not recorded, and the next run does not see it in a list.
    story=Story(
        events=(Edit((Spec("job"),)), Run(kill="after create"), Run()), final=(Spec("job"),), list_lag=30.0
    )
)
@example(
    # A model is superseded while it trains.
    story=Story(
        events=(Edit((Spec("job"),)), Run(command="no-wait"), Edit((Spec("job", epochs=6),)), Run()),
        final=(Spec("job", epochs=6),),
    )
)
@example(
    # The state is lost while a model trains.
    story=Story(
        events=(Edit((Spec("job"),)), Run(command="no-wait"), Lose(), Run()),
        final=(Spec("job"),),
    )
)
@example(
    # A run is killed between the steps of a deletion.
    story=Story(
        events=(Edit((Spec("job"), Spec("a"))), Run(), Edit((Spec("a"),)), Run(kill="after delete"), Run()),
        final=(Spec("a"),),
    )
)
def test_every_life_converges_on_the_emulator(emulator: Emulator, story: Story) -> None:
    """The same holds with the real providers of both APIs, where a process may die at any request."""
    StoryRunner(story, EmulatedServiceAdmin(simulate(emulator))).run_story()


def simulate(emulator: Emulator) -> EmulatedSimulation:
    """Start on an emulator on which nothing takes long, and four jobs train at once."""
    return EmulatedSimulation(
        emulator,
        training_seconds=TRAINING_SECONDS,
        vertex_concurrent_jobs=4,
        vertex_over_quota="queue",
        vertex_operation_seconds=0.5,
        vertex_cancel_seconds=0.5,
    )
