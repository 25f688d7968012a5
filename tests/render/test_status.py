"""The condition of every model, as a table, a list and JSON."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from reconciler.events import Progress
from reconciler.model.names import Address
from reconciler.plan.base_models import BaseEnd
from reconciler.plan.status import Condition, Deposed, ModelStatus
from reconciler.render.status import build_status_document
from reconciler.render.terminal import UNLIMITED, count_cells
from reconciler.render.text.status import fit_status, list_next_steps, render_status
from reconciler.state.values import Verdict

ENDPOINT = "projects/1/locations/l/endpoints/2"
BASE = BaseEnd("publishers/google/models/gemini-3.5-flash", "2027-05-19", True, 171, "gemini-4-flash", "said")
PROGRESS = Progress(Address("TuningJob", "mail"), "mail-2", 40.4, 4, 10, 2, 1.23456, 80.0, 120.0)
SERVING = ModelStatus(
    Address("TuningJob", "mail"),
    Condition.SERVING,
    "mail-1",
    base=BASE,
    examples=1200,
    verdict=Verdict.PASSED,
    created="2026-11-10T12:00:00Z",
    age=86_400 * 12.5,
    endpoint=ENDPOINT,
    deposed=(
        Deposed("mail-0", "2026-11-23T12:00:00Z"),
        Deposed("mail-9", "2026-11-23T12:00:00Z"),
        Deposed("mail-8"),
    ),
)
TRAINING = ModelStatus(
    Address("TuningJob", "mail"),
    Condition.TRAINING,
    "mail-2",
    PROGRESS,
    BaseEnd("gemini-2.5-flash", "2026-10-01", days_left=-5),
    1200,
    1.23456,
    age=90.0,
)
FAILED = ModelStatus(
    Address("TunedModel", "a-very-long-name-of-a-model-121"),
    Condition.FAILED,
    "a-1",
    reason="too few\x1b[31m examples",
    base=BaseEnd("models/unknown"),
    deposed=(Deposed("a-0", is_protected=True),),
)
MODELS = (FAILED, SERVING, TRAINING)
HEAD = (
    "address                                     condition  percent  time left  base              days left"
    "  examples   loss  checks  age  endpoint"
)
MAIL = f"TuningJob/mail{'':30}"
ROWS = [
    HEAD,
    "TunedModel/a-very-long-name-of-a-model-121  failed                         unknown",
    r"    too few\x1b[31m examples",
    "    1 deposed model kept: prevent_destroy protects it",
    f"{MAIL}serving{'':24}gemini-3.5-flash       171+     1,200         passed  12d  {ENDPOINT}",
    "    2 deposed models kept until 2026-11-23T12:00:00Z",
    "    1 deposed model to be deleted",
    f"{MAIL}training       40%      2m00s  gemini-2.5-flash          0     1,200  1.235{'':11}1m",
    "",
    "1 serving, 1 training, 1 failed.",
]


def render(*models: ModelStatus, width: int = UNLIMITED, colour: bool = False) -> list[str]:
    """The lines for a terminal of this width."""
    return list(render_status(models, colour=colour, width=width))


def test_a_table_has_a_row_for_each_model() -> None:
    """In a pipe, and on any terminal that has room for every column."""
    assert render(*MODELS) == ROWS
    assert render(*MODELS, width=max(map(count_cells, ROWS))) == ROWS


def test_nothing_declared_is_said_so() -> None:
    """An empty table would look like an error."""
    assert render() == ["No model is declared or recorded."]


def test_an_empty_column_is_left_out() -> None:
    """A stack that has never trained shows two columns."""
    rows = render(ModelStatus(Address("TuningJob", "mail"), Condition.NOT_TRAINED))
    assert rows == [
        "address         condition",
        "TuningJob/mail  not trained yet",
        "",
        "1 not trained yet.",
    ]


def test_what_a_table_has_no_room_for_stands_below_its_row() -> None:
    """At 100 columns the least important columns have moved. Nothing is lost, and nothing is cut."""
    assert render(*MODELS, width=100) == [
        "address                                     condition  percent  time left   loss  checks  age",
        "TunedModel/a-very-long-name-of-a-model-121  failed",
        "    base unknown",
        *ROWS[2:4],
        "TuningJob/mail                              serving                               passed  12d",
        "    base gemini-3.5-flash, days left 171+, examples 1,200",
        f"    endpoint {ENDPOINT}",
        *ROWS[5:7],
        "TuningJob/mail                              training       40%      2m00s  1.235           1m",
        "    base gemini-2.5-flash, days left 0, examples 1,200",
        "",
        ROWS[-1],
    ]


def test_a_base_model_and_its_days_stay_together() -> None:
    """Days without the base model that they belong to would be a riddle."""
    heads = {width: render(*MODELS, width=width)[0] for width in range(80, 140)}
    assert {head.count("days left") for head in heads.values()} == {0, 1}
    assert {head.count("base") - head.count("days left") for head in heads.values()} == {0}


def test_a_narrow_terminal_gets_a_list() -> None:
    """At 60 columns there is no table. A condition stands below its address."""
    assert render(*MODELS, width=60) == [
        "TunedModel/a-very-long-name-of-a-model-121",
        "    failed",
        "    base unknown",
        r"    too few\x1b[31m examples",
        "    1 deposed model kept: prevent_destroy protects it",
        "TuningJob/mail",
        "    serving",
        "    base gemini-3.5-flash, days left 171+, examples 1,200,",
        "    checks passed, age 12d",
        f"    endpoint {ENDPOINT}",
        "    2 deposed models kept until 2026-11-23T12:00:00Z",
        "    1 deposed model to be deleted",
        "TuningJob/mail",
        "    training",
        "    40%, 2m00s left, base gemini-2.5-flash, days left 0,",
        "    examples 1,200, loss 1.235, age 1m",
        "",
        "1 serving, 1 training, 1 failed.",
    ]


@pytest.mark.parametrize("width", [45, 60, 79, 80, 100, 120])
def test_no_line_is_too_long_and_no_name_is_cut(width: int) -> None:
    """Two names that differ at the end stay two names, whatever the width."""
    twin = replace(FAILED, address=Address("TunedModel", "a-very-long-name-of-a-model-122"))
    lines = render(*MODELS, twin, width=width)
    assert [line for line in lines if count_cells(line) > width] == []
    words = {word for line in lines for word in line.split()}
    assert {str(model.address) for model in (*MODELS, twin)} | {ENDPOINT} <= words


def test_a_table_without_room_for_its_conditions_is_a_list() -> None:
    """A terminal of 80 columns may be too narrow for a long address."""
    long = replace(FAILED, address=Address("TunedModel", "x" * 70))
    assert render(long, width=80)[:2] == [f"TunedModel/{'x' * 70}", "    failed"]


def test_colours_say_what_needs_attention() -> None:
    """Without the colours the text is the same, in a table and in a list."""
    for width in (UNLIMITED, 60):
        coloured = render(*MODELS, width=width, colour=True)
        assert [re.sub(r"\x1b\[\d+m", "", line).rstrip() for line in coloured] == render(*MODELS, width=width)
        text = "\n".join(coloured)
        assert "\x1b[31mfailed" in text
        assert "\x1b[32mserving" in text
        assert "\x1b[33mtraining" in text
    near = replace(SERVING, base=replace(BASE, days_left=90))
    text = "\n".join(render(near, TRAINING, colour=True))
    assert re.search(r"\x1b\[33m *90\+", text)
    assert re.search(r"\x1b\[31m *0\x1b", text)


def test_a_screen_shows_what_it_has_room_for() -> None:
    """If lines are few, the models in training come first, and the counts stay those of all models."""
    assert fit_status(MODELS, len(ROWS), colour=False, width=UNLIMITED) == ROWS
    less = "… and more than this terminal has room for"
    for room in (len(ROWS) - 1, 4, 2):
        shown = fit_status(MODELS, room, colour=False, width=UNLIMITED)
        assert len(shown) == room
        assert shown[-2:] == [less, ROWS[-1]]
        if room > 3:
            assert shown[1].split()[:2] == ["TuningJob/mail", "training"]
    many = [SERVING] * 1000 + [TRAINING]
    shown = fit_status(many, 10, colour=False, width=UNLIMITED)
    assert (len(shown), shown[-1]) == (10, "1,000 serving, 1 training.")
    assert "training" in shown[1]
    copying = replace(SERVING, address=Address("ModelCopy", "mail"), condition=Condition.COPYING)
    shown = fit_status([SERVING] * 1000 + [copying], 10, colour=False, width=UNLIMITED)
    assert "being copied" in shown[1]


def test_counts_are_told_apart() -> None:
    """A condition with a comma is not read as two, and no line ends within a count."""
    trained = replace(SERVING, condition=Condition.TRAINED)
    copied = replace(SERVING, condition=Condition.COPIED)
    assert render(SERVING, trained, copied)[-1] == (
        "1 serving; 1 trained, not promoted; 1 copied, not promoted."
    )
    waiting = replace(SERVING, condition=Condition.NOT_STARTED)
    assert render(SERVING, trained, copied, waiting, width=60)[-2:] == [
        "1 serving; 1 trained, not promoted; 1 copied, not promoted;",
        "1 not started.",
    ]


def test_a_screen_counts_on_between_two_looks() -> None:
    """A time that stands still would look like a hanging command."""
    _, row, *_ = fit_status([TRAINING], 9, seconds=30, colour=False, width=UNLIMITED)
    assert row.split()[2:4] == ["40%", "1m30s"]
    assert row.split()[-1] == "2m"


def test_next_steps_name_commands() -> None:
    """One line for each condition that waits for a person, however many models are in it."""
    address = Address("TuningJob", "mail")
    found = [ModelStatus(address, condition) for condition in (*Condition, *Condition)]
    steps = list_next_steps(found)
    assert len(steps) == len(set(steps)) == 9
    assert list_next_steps([SERVING, TRAINING, FAILED]) == []
    assert list_next_steps([ModelStatus(address, Condition.TRAINED)]) == [
        "To promote what is trained: reconciler wait"
    ]


def test_json_leaves_out_what_is_not_known() -> None:
    """Times are RFC 3339 or seconds; null is never written."""
    now = "2026-11-22T12:00:00.000000Z"
    failed, serving, training = MODELS
    assert build_status_document(MODELS, now) == {
        "created": now,
        "models": [
            {
                "address": str(failed.address),
                "condition": "failed",
                "id": "a-1",
                "base_model": {"name": "models/unknown"},
                "reason": failed.reason,
                "deposed": [{"id": "a-0", "protected": True}],
            },
            {
                "address": "TuningJob/mail",
                "condition": "serving",
                "id": "mail-1",
                "base_model": {
                    "name": BASE.name,
                    "retires": "2027-05-19",
                    "or_later": True,
                    "days_left": 171,
                    "replacement": "gemini-4-flash",
                },
                "examples": 1200,
                "checks": "passed",
                "created": serving.created,
                "age_seconds": 1_080_000,
                "endpoint": ENDPOINT,
                "deposed": [
                    {"id": "mail-0", "kept_until": "2026-11-23T12:00:00Z"},
                    {"id": "mail-9", "kept_until": "2026-11-23T12:00:00Z"},
                    {"id": "mail-8"},
                ],
            },
            {
                "address": "TuningJob/mail",
                "condition": "training",
                "id": "mail-2",
                "percent": 40.4,
                "step": 4,
                "total_steps": 10,
                "epoch": 2,
                "elapsed_seconds": 80,
                "remaining_seconds": 120,
                "base_model": {
                    "name": "gemini-2.5-flash",
                    "retires": "2026-10-01",
                    "or_later": False,
                    "days_left": -5,
                },
                "examples": 1200,
                "mean_loss": training.mean_loss,
                "age_seconds": 90,
            },
        ],
    }
    unknown = replace(TRAINING, base=None, progress=Progress(TRAINING.address, "mail-2"))
    assert build_status_document([unknown], now)["models"] == [
        {
            "address": "TuningJob/mail",
            "condition": "training",
            "id": "mail-2",
            "elapsed_seconds": 0,
            "examples": 1200,
            "mean_loss": training.mean_loss,
            "age_seconds": 90,
        }
    ]
