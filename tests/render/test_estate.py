"""What `import --all` prints."""

from __future__ import annotations

from reconciler.model.names import Address
from reconciler.plan.estate import Estate, Left, Omitted, Written
from reconciler.render.estate import build_estate_document
from reconciler.render.text.estate import render_estate

MANY = tuple(Omitted(f"tunedModels/bot-{number}", Left.FOREIGN) for number in range(7))
ESTATE = Estate(
    (Written(Address("TunedModel", "bot"), "tunedModels/x", "text", "manifests/bot.yaml"),),
    (
        *MANY,
        Omitted("tunedModels/mine", Left.MANAGED),
        Omitted("tunedModels/red\x1b[31m", Left.INVALID, "spec.temperature is above 1"),
    ),
    (("TuningJob", "no project is set"),),
)
FOREIGN = (
    "Left out: 7 labelled or named by Reconciler, and no manifest here explains it (--include-foreign takes"
    f" them): {', '.join(f'tunedModels/bot-{number}' for number in range(5))} and 2 more"
)


def test_the_text_says_what_was_written_and_what_to_do_next() -> None:
    """Each file, then what was left out by reason with some names, then the next command."""
    assert list(render_estate(ESTATE, next_command="reconciler plan")) == [
        "Wrote manifests/bot.yaml: TunedModel/bot imports tunedModels/x",
        "",
        "1 manifest written.",
        "Left out: 1 recorded or declared already",
        FOREIGN,
        r"Left out: 1 cannot be declared: tunedModels/red\x1b[31m (spec.temperature is above 1)",
        "Left out: every TuningJob, because its service could not be asked: no project is set",
        "",
        "Next: reconciler plan. Then apply records these models, and trains nothing.",
    ]


def test_the_text_fits_its_terminal() -> None:
    """No line is wider than the terminal."""
    lines = list(render_estate(ESTATE, next_command="reconciler plan", width=60))
    assert max(map(len, lines)) <= 60


def test_nothing_to_write_has_no_next_step() -> None:
    """Where there is no new manifest, there is nothing to apply."""
    assert list(render_estate(Estate(), next_command="reconciler plan")) == ["0 manifests written."]


def test_the_document_names_every_model() -> None:
    """With --json no name is folded, and each reason has its count."""
    document = build_estate_document(ESTATE)
    assert document["written"] == [
        {"address": "TunedModel/bot", "import": "tunedModels/x", "file": "manifests/bot.yaml"}
    ]
    assert isinstance(document["left_out"], list)
    assert len(document["left_out"]) == 9
    assert document["counts"] == {
        "written": 1, "managed": 1, "filtered": 0, "foreign": 7,
        "failed": 0, "gone": 0, "odd": 0, "invalid": 1,
    }  # fmt: skip
    assert document["unasked"] == [{"kind": "TuningJob", "detail": "no project is set"}]
