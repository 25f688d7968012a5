"""One model and the whole state as text, and the loss curve in characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.model.checks import Score
from reconciler.model.endpoint import Checkpoint
from reconciler.model.live import Snapshot
from reconciler.render.terminal import count_cells, escape
from reconciler.render.text.chart import draw_loss_chart
from reconciler.render.text.records import list_model_facts, render_record, render_state
from reconciler.state.values import Record, RecordedCheckpoint, RecordedEstimate, State
from tests.render import plans
from tests.render.strategies import records

curves = st.lists(
    st.builds(Snapshot, st.integers(1, 10**6), st.integers(1, 50), st.floats(-1, 1e6, width=32)), max_size=200
)


@given(curves, st.sampled_from([40, 60, 100]), st.booleans())
def test_a_chart_fits(snapshots: list[Snapshot], width: int, unicode: bool) -> None:  # noqa: FBT001
    """Any curve fits the width, has the same height, and is ASCII if asked."""
    lines = list(draw_loss_chart(snapshots, width=width, unicode=unicode))
    assert [line for line in lines if count_cells(line) > width] == []
    assert len(lines) == (10 if len(snapshots) >= 2 else 0)
    assert unicode or all(line.isascii() for line in lines)


def test_a_falling_loss_falls() -> None:
    """The columns of a falling curve never rise."""
    falling = [Snapshot(step, 1, 100.0 - step) for step in range(100)]
    rows = [line.partition("|")[2] for line in draw_loss_chart(falling, width=80, unicode=False)][:8]
    lengths = [len(row.rstrip()) for row in rows]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_a_short_curve_of_late_steps_is_shown() -> None:
    """Labels that are wider than the curve are drawn side by side."""
    late = [Snapshot(1_000_000, 9, 0.5), Snapshot(1_000_001, 9, 0.4)]
    assert list(draw_loss_chart(late, width=60))[-1].split() == ["step", "1,000,000", "1,000,001"]


def test_the_facts_of_a_model_stand_in_one_column() -> None:
    """The column is as wide as the longest label if there is room."""
    plain = plans.model("x-1")
    long = replace(plain, data=tuple(replace(one, field="spec." + "x" * 20) for one in plain.data))
    lines = list(render_record(Record(plans.address("x"), serving=long), None, colour=False, width=100))
    first = next(index for index, line in enumerate(lines) if line.startswith("    name"))
    facts = [line for line in lines[first:] if line.startswith("    ")][:3]
    assert len(facts) == 3
    assert all(line[24:26] == "  " and line[26] != " " for line in facts)


@pytest.mark.parametrize(
    ("estimate", "billed", "said"),
    [
        (RecordedEstimate(tokens=100, amount=2.0, currency="USD"), 0, ["estimate"]),
        (RecordedEstimate(tokens=100), 120, ["estimate", "billed"]),
        (RecordedEstimate(), 120, ["estimate", "billed"]),
        (None, 120, ["billed"]),
        (None, 0, []),
    ],
)
def test_estimate_and_bill_stand_beside_each_other(
    estimate: RecordedEstimate | None, billed: int, said: list[str]
) -> None:
    """Each is shown where it is recorded."""
    model = replace(plans.model("x-1"), estimate=estimate, billed_tokens=billed)
    facts = dict(list_model_facts(model, None))
    assert [label for label in ("estimate", "billed") if facts.get(label)] == said


@pytest.mark.parametrize("width", [60, 100])
def test_a_label_that_is_wider_than_the_column_moves_no_text(width: int) -> None:
    """A label that is too long gets its own line. Its text is in the same column as the others."""
    long = "x" * 40
    live = replace(plans.LIVE, outputs={"tokens": "12", long: "13"})
    lines = list(render_record(plans.RECORD_FULL, live, colour=False, width=width))
    at = lines.index(f"    {long}")
    short = next(line for line in lines if line.startswith("    tokens"))
    assert lines[at + 1].strip() == "13"
    assert lines[at + 1].index("13") == short.index("12")


def test_the_counts_of_the_data_are_one_fact() -> None:
    """The service's labels are long. A column that is as wide as they would leave no room for names."""
    outputs = {"data: examples": "1204", "model": "m", "data: tuning steps": "20", "data: odd": "many"}
    facts = dict(list_model_facts(plans.model("x-1"), replace(plans.LIVE, outputs=outputs)))
    assert facts["data"] == "1,204 examples, 20 tuning steps"
    assert (facts["model"], facts["data: odd"]) == ("m", "many")


def test_a_gap_between_snapshots_is_a_line() -> None:
    """The loss of a column without snapshots lies between its neighbours."""
    two = [Snapshot(1, 1, 8.0), Snapshot(100, 1, 8.0)]
    first = next(draw_loss_chart(two, width=80, unicode=False))
    assert set(first.partition("|")[2]) == {"#"}


@given(records, st.sampled_from([60, 100]))
def test_any_record_is_harmless(record: Record, width: int) -> None:
    """Showing a model or a state cannot control the terminal."""
    state = State(stack=plans.HOSTILE, resources={record.address: record})
    lines = [
        *render_record(record, None, colour=False, width=width),
        *render_state(state, colour=False, width=width),
    ]
    assert [line for line in lines if escape(line) != line] == []


def test_a_live_model_speaks_for_its_own_record_only() -> None:
    """What the service says about a model is not shown for its candidate or its predecessor."""
    live = replace(plans.LIVE, attributes={"temperature": 0.123})
    text = "\n".join(render_record(plans.RECORD_FULL, live, colour=False))
    assert text.count("0.123") == 1
    assert text.count("attributes as sent") == 2


def test_the_checkpoints_of_a_model_are_listed_and_the_chosen_one_is_marked() -> None:
    """With time, loss and scores as far as they are known. Without the service, those that are recorded."""
    right, wrong = Score("prompts", "d", 2, 2), Score("prompts", "d", 1, 2)
    model = plans.model(
        "x-1",
        checkpoint="2",
        choice="best",
        scores=(right,),
        checkpoints=(RecordedCheckpoint("1", (wrong,)),),
    )
    record = Record(plans.address("x"), serving=model)
    live = replace(
        plans.LIVE,
        id="x-1",
        snapshots=(Snapshot(30, 3, 0.5),),
        checkpoints=(Checkpoint("1", 1, 10, "e/1"), Checkpoint("2", 2, 20, "e/2"), Checkpoint("3", 3, 30)),
        default_checkpoint="2",
    )
    lines = [" ".join(line.split()) for line in render_record(record, live, colour=False, width=200)]
    assert "checkpoint 1 epoch 1, step 10, prompts 1 of 2 (0.50), e/1" in lines
    assert "checkpoint 2 chosen (best), the default, epoch 2, step 20, prompts 2 of 2 (1.00), e/2" in lines
    assert "checkpoint 3 epoch 3, step 30, mean loss 0.5" in lines
    lines = [" ".join(line.split()) for line in render_record(record, None, colour=False, width=200)]
    assert "checkpoint 1 prompts 1 of 2 (0.50)" in lines
    assert "checkpoint 2 chosen (best), prompts 2 of 2 (1.00)" in lines


@pytest.mark.parametrize("checkpoint", ["", "2"])
def test_a_copy_is_not_tuned(checkpoint: str) -> None:
    """It tells once what it was copied from, with the checkpoint that was chosen for its source."""
    origin = "projects/1/locations/us/models/2@1"
    model = plans.model(
        "x-1", source=f"{origin}#{checkpoint}" if checkpoint else origin, sent={"source": origin}
    )
    record = Record(plans.address("x", "ModelCopy"), serving=model)
    live = replace(plans.LIVE, id="x-1", snapshots=(), outputs={"copied from": origin, "base model": "b"})
    lines = [" ".join(line.split()) for line in render_record(record, live, colour=False, width=200)]
    said = f"copied from {origin}, checkpoint 2" if checkpoint else f"copied from {origin}"
    assert [line for line in lines if "from" in line] == [said]
    assert "base model b" in lines


def test_a_pending_model_says_so() -> None:
    """A model whose create request may not have been sent is not called "in training"."""
    pending = Record(plans.address("x"), candidate=plans.model("x-1", status=None))
    text = "\n".join(render_record(pending, None, colour=False))
    assert "candidate x-1  pending" in text
    assert "not known to be accepted" in text


def test_what_was_never_sent_is_not_listed() -> None:
    """If neither fields nor grants of a model are recorded, there are no lines for them."""
    bare = Record(plans.address("x"), serving=plans.model("x-1", sent={}, permissions=None))
    text = "\n".join(render_record(bare, None, colour=False))
    assert "attributes" not in text
    assert "permissions" not in text
    alone = Record(plans.address("x"), serving=plans.model("x-1", permissions=()))
    lines = [" ".join(line.split()) for line in render_record(alone, None, colour=False)]
    assert "permissions none" in lines
    assert "attributes as sent" in lines


def test_an_imported_model_has_no_identity() -> None:
    """A model that we did not create has no digest, and a model without snapshots has no curve."""
    imported = Record(plans.address("x"), serving=plans.model("x-1", digest="", data=(), total_steps=None))
    live = replace(plans.LIVE, id="x-1", snapshots=())
    text = "\n".join(render_record(imported, live, colour=False))
    assert "identity" not in text
    assert "mean loss" not in text


def test_an_empty_state_says_so() -> None:
    """If nothing is recorded, a sentence says so."""
    assert list(render_state(State(), colour=False))[-1] == "Nothing is recorded."
    assert "nothing is recorded" in "\n".join(render_record(Record(plans.address("x")), None, colour=False))


def test_no_address_and_no_id_of_a_state_is_cut() -> None:
    """What has no room beside its address gets its own line, and so do the remarks about it."""
    name = "a-very-long-name-of-a-model-121"
    address, short = plans.address(name), plans.address("bot")
    gone = plans.model("bot-1", deposed="2026-11-29T00:00:00Z")
    state = State(
        resources={
            address: Record(address, serving=plans.model(f"{name}-12345678")),
            short: Record(short, serving=plans.model("bot-2"), deposed=(gone,)),
        }
    )
    assert list(render_state(state, colour=False, width=60))[3:-2] == [
        f"TunedModel/{name}",
        f"    {name}-12345678",
        f"TunedModel/bot{'':28}  bot-2",
        "    (1 deposed)",
    ]
    assert list(render_state(state, colour=False, width=100))[3:-2] == [
        f"TunedModel/{name}  {name}-12345678",
        f"TunedModel/bot{'':28}  bot-2  (1 deposed)",
    ]


def test_a_state_lists_each_address_once() -> None:
    """The addresses are sorted, each with its serving model, candidate, deposed models and protection."""
    lines = list(render_state(plans.STATE, colour=False, width=120))
    assert lines[3:7] == [
        "TunedModel/back    back-33333333  (held back back-44444444)",
        "TunedModel/fresh   -  (candidate fresh-12345678)",
        "TunedModel/roman   roman-eeeeeeee  (candidate roman-ffffffff, 1 deposed, protected)",
        "TunedModel/steady  steady-99999999",
    ]
