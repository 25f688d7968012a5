"""The words of a plan that every format shares, so that text, Markdown, JSON and HTML say the same thing.

Rule: an Action without a word does not type-check (`match` and `assert_never`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from reconciler.events import Uploading
from reconciler.formats import count_noun
from reconciler.model import DataSet, Status
from reconciler.plan.change import TRAININGS, Action, Change, Context, Plan, Reason
from reconciler.plan.difference import DataChange
from reconciler.render.terminal import escape
from reconciler.render.values import shorten_digest
from reconciler.state.values import Verdict

PROMOTIONS = TRAININGS | {Action.ADOPT, Action.RESTORE, Action.COMPLETE}
"""The actions at whose end another model serves."""


def choose_symbol(change: Change) -> str:  # a row for each action
    """At most three characters: Terraform's, and Pulumi's = for import."""
    match change.action:
        case Action.CREATE:
            return "+"
        case Action.ADOPT:
            return "="
        case Action.UPDATE:
            return "~"
        case Action.REPLACE:
            return "-/+" if change.delete_first else "+/-"
        case Action.RESTORE:
            return "<"
        case Action.COMPLETE:
            return ">"
        case Action.DELETE:
            return "-"
        case Action.MOVE:
            return "->"
        case Action.FORGET:
            return "."
        case Action.FAILED:
            return "!"
        case Action.WAIT | Action.RECORD | Action.NO_OP:
            return ""
        case _:
            assert_never(change.action)


LEGEND = {
    "+": "train: create a model",
    "=": "adopt: it is live already, nothing is trained",
    "~": "update in place",
    "+/-": "replace: train a candidate, promote it, then delete the old model",
    "-/+": "replace: delete the old model first, then train",
    "<": "restore: a model trained before serves again, nothing is trained",
    ">": "complete: a training has ended, now permissions, checks, promotion",
    "-": "delete",
    "->": "move: the record changes its address, nothing is trained or called",
    ".": "forget: only the record goes",
    "!": "failed: nothing is done without --retry-failed",
}


def name_subject(change: Change) -> str:
    """What a change is about: its address, or "old -> new" where the record comes from another one."""
    address = escape(str(change.address))
    return address if change.previous is None else f"{escape(str(change.previous))} -> {address}"


def describe_change(change: Change) -> str:  # noqa: C901, PLR0912  # a row for each action
    """What will happen, after the address: "will be trained as support-bot-k3j5h2l1"."""
    id = escape(change.id)
    match change.action:
        case Action.CREATE:
            return f"will be trained as {id}"
        case Action.ADOPT:
            return f"will adopt {id}" + ", which is still training" * (change.status is Status.CREATING)
        case Action.UPDATE:
            return "will be updated in place"
        case Action.REPLACE:
            return f"will be replaced: {_replacement(id, escape(change.serving), change)}"
        case Action.RESTORE:
            return f"will be restored: {id} serves again"
        case Action.COMPLETE:
            again = _unproven(change) and change.checks
            return f"will be {'checked again' if again else 'completed'}: {id} is trained"
        case Action.DELETE:
            deposed = f"deposed model {escape(change.deposed)} " * bool(change.deposed)
            return f"{deposed}will be deleted" + f": {id}" * (not deposed)
        case Action.MOVE:
            return f"is moved: {id} stays, nothing is trained"
        case Action.FORGET:
            return "will be forgotten"
        case Action.FAILED:
            return f"has failed: {id}" if id else "cannot be trained"
        case Action.WAIT:
            return f"is still training: {id}"
        case Action.RECORD:
            return "is recorded anew"
        case Action.NO_OP:
            return "stays as it is"
        case _:
            assert_never(change.action)


def _replacement(id: str, serving: str, change: Change) -> str:
    if change.delete_first:
        return f"{serving or id} is deleted, then {id} is trained"
    return f"{id} is trained" + f" beside {serving}" * bool(serving)


def _unproven(change: Change) -> bool:
    """Whether it was trained before, and its checks were not passed."""
    return change.verdict in {Verdict.FAILED, Verdict.UNKNOWN}


def advise_on_failure(change: Change) -> str:
    """What to do about a model that failed."""
    if change.reason is Reason.PARENT_FAILED:
        parent = escape(str(change.parent)) if change.parent else "its parent"
        return f"Nothing is done for it until {parent} serves: see there."
    return "Train it again with --retry-failed, or change what its manifest declares."


def list_consequences(change: Change) -> Iterator[str]:
    """What else the reader must know before approving, one sentence each."""
    if change.parent and change.action in {Action.CREATE, Action.REPLACE}:
        yield f"is tuned from {escape(str(change.parent))}, which must serve first"
    if change.action is Action.COMPLETE and not change.promote:
        yield "is recorded and not promoted: its manifest has changed since it was approved"
    else:
        yield from _promotion(change)
    if change.after_accepted:
        yield "goes once the training of its successor is accepted"
    for note in change.notes:
        yield f"note: {escape(note)}"


def _promotion(change: Change) -> Iterator[str]:
    id, serving = escape(change.id), escape(change.serving)
    checks = count_noun(len(change.checks), "check")
    if _unproven(change):
        how = f"{checks} must pass this time" if change.checks else "no check is declared any more"
        yield f"nothing is trained; {how}"
    elif change.checks and change.action in PROMOTIONS:
        yield f"{checks} must pass before it is promoted"
    if change.action in PROMOTIONS and serving and serving != id:
        if change.keep:
            yield f"{serving} is kept: {escape(change.keep)}"
        else:
            yield f"{serving} serves until {id} is promoted, then it is deleted"
    elif change.keep:
        yield f"is kept: {escape(change.keep)}"


def describe_data(data: DataSet) -> str:
    """A data set by its counts and digest, never by its content."""
    counts = f"{count_noun(data.examples, 'example')}, {count_noun(data.characters, 'character')}"
    return f"{counts} ({shorten_digest(data.digest)}) {escape(data.shown)}"


def describe_upload(progress: Uploading) -> str:
    """As in: Uploading data/big.jsonl: 30% of 300 MB."""
    percent = 100 * progress.sent // progress.size
    return f"Uploading {escape(progress.shown)}: {percent}% of {progress.size / 2**20:,.0f} MB"


def describe_data_change(change: DataChange) -> str:
    """Counts and digests, as in 15 -> 18 examples (a1b2c3d4 -> e5f6a7b8); of one that is new, its own."""
    before = "unknown" if change.before_examples is None else f"{change.before_examples:,}"
    if not change.before_digest:
        return f"{count_noun(change.after_examples, 'example')} ({shorten_digest(change.after_digest)})"
    if not change.after_digest:
        return f"{before} examples ({shorten_digest(change.before_digest)})"
    digests = f"({shorten_digest(change.before_digest)} -> {shorten_digest(change.after_digest)})"
    return f"{before} -> {count_noun(change.after_examples, 'example')} {digests}"


_COUNTED = (
    (Action.CREATE, "to train"),
    (Action.ADOPT, "to adopt"),
    (Action.RESTORE, "to restore"),
    (Action.COMPLETE, "to complete"),
    (Action.UPDATE, "to update"),
    (Action.REPLACE, "to replace"),
    (Action.MOVE, "to move"),
    (Action.DELETE, "to delete"),
    (Action.FORGET, "to forget"),
    (Action.FAILED, "failed"),
)


def summarize_plan(plan: Plan) -> str:
    """The last line of a plan: what would be done, counted; only what is not zero."""
    waiting = plan.count(Action.WAIT)
    going_on = f"{count_noun(waiting, 'model is', 'models are')} still training" if waiting else ""
    if not plan.has_changes:
        if going_on:
            return f"No changes. {going_on}."
        if plan.has_work:
            return "No changes. Only what is recorded is brought up to date."
        models = sum(one.action is Action.NO_OP and not one.deposed for one in plan.changes)
        if plan.inputs.refresh_only:
            live = "What was found stands above" if plan.drift else "Live is as recorded"
            return f"No changes: --refresh-only compares, and plans nothing. {live}."
        if not models and plan.inputs.destroy and (plan.inputs.targets or plan.inputs.excludes):
            return "No changes. Nothing that is recorded was selected."
        if not models and plan.inputs.destroy:
            return "No changes. Nothing is recorded."
        if not models and (plan.inputs.targets or plan.inputs.excludes):
            return "No changes. Nothing is left by --target and --exclude."
        if not models:
            return "No changes. Nothing is declared, and nothing is recorded."
        return f"No changes. {count_noun(models, 'model is', 'models are')} as declared."
    counts = [
        f"{count:,} {words}"
        for action, words in _COUNTED
        if (count := sum(1 for one in plan.changes if one.action is action and one.is_change))
    ]
    if going_on:
        counts.append(f"{waiting:,} still training")
    return f"Plan: {', '.join(counts)}."


def list_released_fields(plan: Plan) -> list[str]:
    """What manifests stopped declaring where nothing else changes: said once, then it is forgotten."""
    return [
        f"{escape(str(change.address))}: {', '.join(escape(one.path) for one in change.fields)} "
        "is no longer declared and stays as it is"
        for change in plan.changes
        if change.action is Action.RECORD and change.fields
    ]


def format_place(file: str, line: int) -> str:
    """file:line, "" where there is no file."""
    return escape(f"{file}:{line}" if line else file) if file else ""


def describe_context(context: Context) -> str:
    """Describe where it would happen: endpoint, project and kind of credential, in one line."""
    project = f"project {escape(context.project)}" if context.project else "no project"
    if context.embedded:
        return f"emulator inside this command, {project}"
    emulated = " (emulator)" if context.service == "emulator" else ""
    return ", ".join(
        (
            (escape(context.endpoint) or "no endpoint") + emulated,
            project,
            escape(context.credential) if context.credential not in {"", "none"} else "no credential",
        )
    )
