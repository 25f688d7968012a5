"""The words of a plan that all formats share."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.difference import DataChange, ExampleChange
from reconciler.model.names import Address
from reconciler.plan.change import Action, Change, Deposed, Drift, Plan, Reason
from reconciler.plan.inputs import Context, Inputs
from reconciler.plan.steps import DeleteReplaced, ForgetDeposed, Restore, Serves, Steps, Undeploy
from reconciler.render.words import (
    LEGEND,
    describe_context,
    describe_data_change,
    find_wording,
    list_consequences,
    list_kept,
    summarize_plan,
)
from reconciler.state.values import Verdict
from tests.render import plans

DUE = replace(plans.DELETE_DEPOSED, steps=(DeleteReplaced("roman-00000000", is_due=True),))
FORGET_DEPOSED = replace(plans.FORGET, deposed=Deposed(), steps=(ForgetDeposed("x"),))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            (plans.CREATE, plans.CREATE_INLINE, plans.ADOPT, plans.UPDATE),
            "Plan: 2 to train, 1 to adopt, 1 to update.",
        ),
        ((plans.REPLACE, plans.DELETE), "Plan: 1 to replace, 1 to delete."),
        ((plans.FAILED,), "Plan: 1 failed."),
        ((plans.DELETE_DEPOSED, plans.WAIT), "Plan: 1 to delete, 1 still training."),
        ((plans.NO_OP,), "No changes. 1 model is as declared."),
        ((plans.WAIT, plans.WAIT), "No changes. 2 models are still training."),
        ((plans.RECORD,), "No changes. Only the record is brought up to date."),
        ((DUE,), "No changes. 1 deposed model is deleted, because its time has come."),
        ((DUE, DUE), "No changes. 2 deposed models are deleted, because their time has come."),
        ((plans.UPDATE, DUE), "Plan: 1 to update, 1 to delete because the time has come."),
        ((FORGET_DEPOSED,), "No changes. Only the record is brought up to date."),
        ((), "No changes. Nothing is declared, and nothing is recorded."),
    ],
)
def test_summary(changes: tuple[Change, ...], line: str) -> None:
    """The last line counts what is not zero, and says so when nothing changes."""
    assert summarize_plan(Plan(changes)) == line


@pytest.mark.parametrize("selection", [Inputs(targets=("x",)), Inputs(excludes=("x",))])
def test_the_summary_of_an_empty_selection(selection: Inputs) -> None:
    """If options exclude everything, the plan does not say that nothing is declared or recorded."""
    assert summarize_plan(Plan((), inputs=selection)) == "No changes. --target and --exclude leave nothing."


def test_the_summary_of_an_empty_destruction() -> None:
    """If there is nothing to destroy, the summary does not speak of manifests."""
    assert summarize_plan(Plan((), inputs=Inputs(destroy=True))) == "No changes. Nothing is recorded."
    part = Inputs(destroy=True, targets=("x",))
    assert summarize_plan(Plan((), inputs=part)) == "No changes. Nothing recorded was selected."


@pytest.mark.parametrize(
    ("drift", "line"),
    [
        ((), "No changes: --refresh-only compares and plans nothing. Live is as recorded."),
        (
            plans.DRIFTS,
            "No changes: --refresh-only compares and plans nothing. The findings are above.",
        ),
    ],
)
def test_the_summary_of_a_comparison(drift: tuple[Drift, ...], line: str) -> None:
    """A plan that only compares has no changes, and does not say that nothing is declared or recorded."""
    assert summarize_plan(Plan((), drift=drift, inputs=Inputs(refresh_only=True))) == line


def test_every_symbol_has_a_meaning() -> None:
    """The legend explains every symbol in the first column."""
    assert {find_wording(change).symbol for change in plans.CHANGES} - {""} <= set(LEGEND)
    assert [find_wording(one).symbol for one in (plans.WAIT, plans.RECORD, plans.NO_OP)] == ["", "", ""]


def test_the_context_says_what_is_missing() -> None:
    """An emulator is named as such, and no credential is said to be none."""
    local = Context("http://127.0.0.1:1", credential="none", service="emulator")
    assert describe_context(local) == "http://127.0.0.1:1 (emulator), no project, no credential"
    inside = replace(local, embedded=True, project="demo")
    assert describe_context(inside) == "emulator inside this command, project demo"
    assert describe_context(plans.CONTEXT).endswith(", project tuned-prod, access token")


def test_a_kept_model_is_not_said_to_go() -> None:
    """Either the replaced model is deleted or it is kept, never both."""
    gone, kept = (" ".join(list_consequences(one)) for one in (plans.REPLACE, plans.REPLACE_KEPT))
    assert "then it is deleted" in gone
    assert "is kept" not in gone
    assert "protected-11111111 is kept: prevent_destroy protects it" in kept
    assert "deleted" not in kept


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.UNKNOWN])
def test_what_was_checked_before_is_told_from_what_never_was(verdict: Verdict) -> None:
    """A model that its checks keep back is checked again. The plan says that nothing is trained."""
    again = plans.checked(verdict, *plans.TWO_CHECKS)
    assert find_wording(again).phrase == "will be checked again: unproven-dddddddd is trained"
    assert "nothing is trained; 2 checks must pass this time (2 billed calls)" in list(
        list_consequences(again)
    )
    without = plans.checked(verdict)
    assert find_wording(without).phrase == "will be completed: unproven-dddddddd is trained"
    assert "nothing is trained; no check is declared any more" in list(list_consequences(without))
    first = plans.checked(Verdict.PASSED, *plans.TWO_CHECKS)
    assert find_wording(first).phrase == "will be completed: unproven-dddddddd is trained"
    assert "2 checks must pass before it is promoted (2 billed calls)" in list(list_consequences(first))


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((Undeploy("e-1", ("d-1",), is_due=True),), ["d-1 is undeployed from e-1, which it served"]),
        (
            (Undeploy("e-1", ("d-1", "d-2"), is_due=True),),
            ["d-1, d-2 are undeployed from e-1, which they served"],
        ),
        ((DeleteReplaced("roman-00000000", is_due=True),), []),
    ],
)
def test_what_was_approved_before(steps: Steps, said: list[str]) -> None:
    """A deployment that lost its requests is named. The title says already that a model's time has come."""
    assert list(list_consequences(replace(plans.NO_OP, steps=steps))) == said


def test_a_restoration_that_waits_says_for_what() -> None:
    """A child that goes back together with its parent is restored when the parent serves."""
    restore, *rest = plans.RESTORE.steps
    assert isinstance(restore, Restore)
    waits = replace(restore, after=Serves(Address("TunedModel", "base"), "base-11111111"))
    said = list(list_consequences(replace(plans.RESTORE, steps=(waits, *rest))))
    assert said[0] == "is restored when TunedModel/base serves what it was made from"


def test_an_unpromoted_completion_says_so() -> None:
    """The plan does not say that it is promoted or that its predecessor is deleted."""
    text = " ".join(list_consequences(plans.HELD_BACK))
    assert "not promoted" in text
    assert "deleted" not in text
    assert "check" not in text


def test_reasons_and_actions_are_words() -> None:
    """Every reason but NONE has a text, and every action has a value of its own."""
    assert all(str(reason) for reason in Reason if reason is not Reason.NONE)
    assert len(set(Action)) == len(Action)


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        (None, "30 -> 32 examples (aaaaaaaa -> bbbbbbbb)"),
        (ExampleChange(3, 1, 29), "30 -> 32 examples, +3 -1, 29 the same (aaaaaaaa -> bbbbbbbb)"),
        (ExampleChange(2, 0, 1_030), "30 -> 32 examples, +2, 1,030 the same (aaaaaaaa -> bbbbbbbb)"),
        (ExampleChange(0, 1, 29), "30 -> 32 examples, -1, 29 the same (aaaaaaaa -> bbbbbbbb)"),
        (ExampleChange(0, 0, 30), "30 -> 32 examples, the same in another order (aaaaaaaa -> bbbbbbbb)"),
    ],
)
def test_a_change_of_data_is_counted_in_examples(compared: ExampleChange | None, said: str) -> None:
    """Where the former data is known, the plan says how many examples were added, removed and kept."""
    change = DataChange("training_data", "a" * 64, "b" * 64, 30, 32, compared=compared)
    assert describe_data_change(change) == said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (DataChange("validation_data", "", "b" * 64, None, 32), "32 examples (bbbbbbbb)"),
        (DataChange("validation_data", "a" * 64, "", 30, 0), "30 examples (aaaaaaaa)"),
        (DataChange("validation_data", "a" * 64, "", None, 0), "unknown examples (aaaaaaaa)"),
    ],
)
def test_a_data_set_on_one_side_is_shown_alone(change: DataChange, said: str) -> None:
    """A data set that is added or taken out is compared with nothing, so there is no arrow."""
    assert describe_data_change(change) == said


def test_a_model_that_is_kept_is_listed_with_its_reasons() -> None:
    """Only deposed models that nothing is done to are listed, and only with a reason. The text is escaped."""
    kept = Change(
        plans.address("bot"),
        Action.NO_OP,
        Reason.REPLACED,
        id="bot-1",
        notes=("kept: it is used", "\x1b[31mred"),
        deposed=Deposed(),
    )
    silent, serving = replace(kept, notes=()), replace(kept, deposed=None)
    deleted = replace(kept, action=Action.DELETE)
    said = list_kept(Plan((kept, silent, serving, deleted)))
    assert said == ["TunedModel/bot: deposed bot-1 is kept: it is used; \\x1b[31mred"]


def test_a_plan_without_changes_counts_the_models_that_serve_after_a_rollback() -> None:
    """They are not as their manifests declare, and yet there is nothing to do."""
    back = replace(plans.NO_OP, address=plans.HELD.address)
    assert summarize_plan(Plan((back, plans.HELD))) == "No changes. 1 model serves after a rollback."
    both = Plan((back, plans.HELD, plans.NO_OP))
    said = "No changes. 1 model is as declared, and 1 model serves after a rollback."
    assert summarize_plan(both) == said


def test_a_deletion_of_a_held_model_says_so() -> None:
    """It is not called deposed: nobody should approve it for a model whose time has come."""
    deletion = replace(plans.HELD, action=Action.DELETE)
    assert find_wording(deletion).phrase == "held-back model back-44444444 will be deleted"
