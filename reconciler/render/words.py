"""The sentences of a plan that all formats share, so that text, Markdown, JSON and HTML say the same.

Rule: the sentences about a change come from its steps, which apply runs. mypy reports an action or a step
without words (`match` and `assert_never`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import assert_never

from msgspec import Struct

from reconciler.difference import DataChange
from reconciler.events import Uploading
from reconciler.formats import count_noun, format_period
from reconciler.model.checks import count_calls, describe_rivals, describe_scores
from reconciler.model.data import DataSet
from reconciler.model.endpoint import BEST, LAST
from reconciler.plan import steps
from reconciler.plan.change import Action, Change, Plan, Reason
from reconciler.plan.inputs import Context
from reconciler.plan.steps import find_step
from reconciler.render.terminal import escape
from reconciler.render.values import shorten_digest
from reconciler.state.values import Verdict

LEGEND = {
    "+": "train: create a model",
    "=": "adopt: record a model that is live already; nothing is trained",
    "~": "update in place",
    "+/-": "replace: train a candidate and promote it; the old model goes after keep_deposed",
    "-/+": "replace: delete the old model first, then train",
    "<": "restore: let a model serve again that was trained before; nothing is trained",
    "<<": "go back: let a former model serve at once; nothing is trained or deleted",
    ">": "complete: a model is trained; set its permissions, run its checks, promote it",
    "-": "delete",
    "->": "move: the record changes its address; nothing is trained or called",
    ".": "forget: remove the record only",
    "!": "failed: nothing is done about it",
}


_COPY_LEGEND = {
    "+": "copy: create a model from another one; nothing is trained",
    "=": "adopt: record a copy that is live already; nothing is copied",
    "+/-": "replace: make a new copy and promote it; the old one goes after keep_deposed",
    "<": "restore: let a copy serve again that was made before; nothing is copied",
    ">": "complete: a model is copied; run its checks, promote it",
    "->": "move: the record changes its address; nothing is copied or called",
}
"""The meanings that are others for copies."""


def list_legend(changes: Iterable[Change]) -> Iterator[tuple[str, str]]:
    """List each symbol of these changes with its meaning, in a fixed order."""
    changes = list(changes)
    used = {(find_wording(change).symbol, change.is_copy) for change in changes if not change.is_blocked}
    if any(change.is_blocked for change in changes):
        yield "!", "blocked: nothing is done until what it depends on is there"
    for symbol, meaning in LEGEND.items():
        copied = _COPY_LEGEND.get(symbol, meaning)
        if (symbol, False) in used or ((symbol, True) in used and copied == meaning):
            yield symbol, meaning
        if (symbol, True) in used and copied != meaning:
            yield symbol, copied


def name_subject(change: Change) -> str:
    """Name the model of a change: its address, or "old -> new" if its record moves."""
    address = escape(str(change.address))
    move = find_step(change.steps, steps.Move)
    return address if move is None else f"{escape(str(move.previous))} -> {address}"


class Wording(Struct, frozen=True):
    """The words for a change.

    Attributes:
        symbol: at most three characters: Terraform's, and Pulumi's = for import.
        phrase: what will happen. It follows the address: "will be trained as support-bot-k3j5h2l1".
        counted: the words after its count in the last line of a plan. "" if it is not counted there.
        rank: the order of danger. The most dangerous change has rank 0.
    """

    symbol: str
    phrase: str
    counted: str = ""
    rank: int = 11


def find_wording(change: Change) -> Wording:  # noqa: C901, PLR0912  # a row for each action
    """Find how to show a change."""
    id = escape(change.id)
    match change.action:
        case Action.CREATE:
            if change.is_copy:
                named = f" as {id}" if _is_named(change) else ""
                return Wording("+", f"will be copied{named}", "to copy", 3)
            return Wording("+", f"will be trained as {id}", "to train", 3)
        case Action.ADOPT:
            still = f", which is still {_name_making(change)}"
            still = still if find_step(change.steps, steps.AwaitTraining) else ""
            return Wording("=", f"will adopt {id}{still}", "to adopt", 7)
        case Action.RESTORE:
            return Wording("<", f"will be restored: {id} serves again", "to restore", 4)
        case Action.ROLLBACK:
            return Wording("<<", f"goes back: {id} serves again", "to go back", 4)
        case Action.COMPLETE:
            again = _was_checked(change) and find_step(change.steps, steps.RunChecks)
            done = "checked again" if again else "completed"
            made = "copied" if change.is_copy else "trained"
            return Wording(">", f"will be {done}: {id} is {made}", "to complete", 5)
        case Action.UPDATE if change.reason is Reason.CHECKPOINT_DIFFERS:
            return Wording(
                "~", f"will switch to another checkpoint of {id}: nothing is trained", "to update", 6
            )
        case Action.UPDATE:
            return Wording("~", "will be updated in place", "to update", 6)
        case Action.REPLACE:
            symbol = "-/+" if find_step(change.steps, steps.DeleteFirst) else "+/-"
            phrase = f"will be replaced: {_describe_replacement(id, change)}"
            return Wording(symbol, phrase, "to replace", 1)
        case Action.MOVE:
            made = "copied" if change.is_copy else "trained"
            return Wording("->", f"will move: {id} stays, nothing is {made}", "to move", 8)
        case Action.DELETE:
            sort = "held-back" if change.deposed and change.deposed.held else "deposed"
            phrase = f"{sort} model {id} will be deleted" if change.deposed else f"will be deleted: {id}"
            if change.deposed and find_step(change.steps, steps.DeleteEndpoint):
                phrase = f"former endpoint {id} will be deleted"
            return Wording("-", phrase, "to delete", 0)
        case Action.FORGET:
            return Wording(".", "will be forgotten", "to forget", 9)
        case Action.FAILED:
            made = "copied" if change.is_copy else "trained"
            counted = "blocked" if change.is_blocked else "failed"
            return Wording("!", f"has failed: {id}" if id else f"cannot be {made}", counted, 2)
        case Action.WAIT:
            return Wording("", f"is still {_name_making(change)}: {id}", rank=10)
        case Action.RECORD:
            return Wording("", "is recorded anew")
        case Action.NO_OP:
            return Wording("", "stays as it is")
        case _:
            assert_never(change.action)


def _name_making(change: Change) -> str:
    """Name what goes on at the service, after "still"."""
    return "being copied" if change.is_copy else "training"


def _is_named(change: Change) -> bool:
    """Return whether the id of a copy is known. It is not while its source does not serve yet."""
    create = find_step(change.steps, steps.Create)
    return create is None or create.after is None or create.source != str(create.after.address)


def _name_new(change: Change) -> str:
    return escape(change.id) if _is_named(change) else "the new copy"


def _describe_replacement(id: str, change: Change) -> str:
    if first := find_step(change.steps, steps.DeleteFirst):
        return f"{escape(first.id)} is deleted, then {id} is trained"
    promote = find_step(change.steps, steps.Promote)
    beside = f" beside {escape(promote.replaces)}" if promote and promote.replaces else ""
    if change.is_copy:
        return f"{id if _is_named(change) else 'a new copy'} is made{beside}"
    return f"{id} is trained{beside}"


def _was_checked(change: Change) -> bool:
    """Return whether the model was trained before, and its checks ran and did not pass."""
    promote = find_step(change.steps, steps.Promote)
    return promote is not None and promote.verdict in {Verdict.FAILED, Verdict.UNKNOWN}


def list_consequences(change: Change) -> Iterator[str]:
    """List what else the reader must know before approving, in sentences."""
    yield from dict.fromkeys(sentence for step in change.steps for sentence in _describe_step(step, change))
    for note in change.notes:
        yield f"note: {escape(note)}"


def _describe_step(  # noqa: C901, PLR0912, PLR0915  # a row for each step
    step: steps.Step, change: Change
) -> Iterator[str]:
    """Say what a step does, unless the title of its change or the rows below it already say it."""
    match step:
        case steps.Create():
            if step.after is not None:
                made = "copied" if step.copies else "tuned"
                yield f"is {made} from {escape(str(step.after.address))}, which must serve first"
        case steps.RunChecks():
            checks = count_noun(len(step.checks), "check")
            calls = f"({count_noun(count_calls(step.checks), 'billed call')})"
            if _was_checked(change):
                made = "copied" if change.is_copy else "trained"
                yield f"nothing is {made}; {checks} must pass this time {calls}"
            else:
                yield f"{checks} must pass before it is promoted {calls}"
        case steps.ChooseCheckpoint():
            yield _describe_choice(step)
        case steps.SetDefaultCheckpoint():
            which = f"checkpoint {escape(step.checkpoint)}" if step.checkpoint else "the chosen checkpoint"
            yield f"{which} becomes the model's default"
        case steps.Promote():
            if step.scores:
                yield f"its last checks: {escape(describe_scores(step.scores))}"
            if rivals := describe_rivals(step.scores, step.rivals):
                yield escape(rivals)
            if _was_checked(change) and not find_step(change.steps, steps.RunChecks):
                made = "copied" if change.is_copy else "trained"
                yield f"nothing is {made}; no check is declared any more"
            if step.kept:
                yield f"{escape(step.replaces)} is kept: {escape(step.kept)}"
        case steps.HoldBack():
            why = escape(step.error) or "its manifest has changed since it was approved"
            yield f"is recorded and not promoted: {why}"
        case steps.DeleteReplaced():
            if find_step(change.steps, steps.Promote):
                yield f"{escape(step.id)} serves until {_name_new(change)} is promoted, then it is deleted"
        case steps.Delete():
            if step.after is not None:
                made = "copy" if change.is_copy else "training"
                yield f"is deleted once the {made} of its successor is accepted"
        case steps.AwaitEnd():
            while_made = "is copied" if change.is_copy else "trains"
            yield f"if {escape(step.id)} cannot be deleted while it {while_made}, it is deleted afterwards"
        case steps.Restore() if step.after is not None:
            yield f"is restored when {escape(str(step.after.address))} serves what it was made from"
        case steps.Move() | steps.RecordIntent() | steps.Adopt() | steps.Restore() | steps.GoBack():
            pass
        case steps.Forget() | steps.ForgetDeposed() | steps.ReportFailure():
            pass
        case steps.DeleteFirst() | steps.AwaitTraining() | steps.Update() | steps.SetPermissions():
            pass
        case steps.CreateEndpoint(trial=True):
            yield "an endpoint of its own is created for its checks, and deleted after the promotion"
        case steps.Deploy(trial=True) | steps.DeleteEndpoint(trial=True):
            pass
        case steps.CreateEndpoint():
            how = "is taken over" if step.adopts else "is created again" if step.again else "is created"
            yield f"its stable endpoint {escape(step.id)} {how}"
        case steps.Deploy() if not step.is_fallback:
            is_new = step.of is steps.Role.CANDIDATE
            model = _name_new(change) if is_new else escape(change.id or change.serving)
            which = f" (checkpoint {escape(step.checkpoint)})" if step.checkpoint else ""
            yield f"{model}{which} is deployed to {escape(step.endpoint)} and takes all its requests"
        case steps.Undeploy(interrupts=True):
            yield (
                f"{escape(step.endpoint)} answers nothing from then until the new model is deployed "
                "(serving.allow_interruption)"
            )
        case steps.Undeploy(is_due=True):
            are, they = ("is", "it") if len(step.ids) == 1 else ("are", "they")
            yield escape(f"{', '.join(step.ids)} {are} undeployed from {step.endpoint}, which {they} served")
        case steps.AwaitDrain(seconds=seconds):
            yield f"what it replaces is undeployed after {format_period(seconds)} (serving.drain)"
        case steps.DeleteEndpoint():
            yield f"the endpoint {escape(step.id)} is deleted: programs that call it get no answer"
        case steps.Deploy() | steps.AwaitDeployment() | steps.Undeploy():
            pass
        case _:
            assert_never(step)


def _describe_choice(step: steps.ChooseCheckpoint) -> str:
    """Say which checkpoint is chosen, and how many calls that makes."""
    calls, checks = count_calls(step.checks), count_noun(len(step.checks), "check")
    if step.choice != BEST or step.checkpoint:
        which = f"checkpoint {escape(step.checkpoint or step.choice)}"
        which = "its last checkpoint" if not step.checkpoint and step.choice == LAST else which
        must = f"; {checks} must pass first ({count_noun(calls, 'billed call')})" if step.checks else ""
        return f"{which} is to serve{must}"
    if step.asks is None:
        each = f"{count_noun(calls, 'billed call')} for each; how many there are is known after the training"
        return f"the best checkpoint is to serve: {checks} on every checkpoint ({each})"
    if not step.asks:
        return "the best checkpoint is to serve: all were checked before"
    several, calls = count_noun(step.asks, "checkpoint"), calls * step.asks
    return f"the best checkpoint is to serve: {checks} on {several} ({count_noun(calls, 'billed call')})"


def describe_data(data: DataSet) -> str:
    """Describe a data set by its counts and digest, never by its content."""
    counts = f"{count_noun(data.examples, 'example')}, {count_noun(data.characters, 'character')}"
    return f"{counts} ({shorten_digest(data.digest)}) {escape(data.shown)}"


def describe_upload(progress: Uploading) -> str:
    """Describe the progress of an upload: Uploading data/big.jsonl: 30% of 300 MB."""
    percent = 100 * progress.sent // progress.size
    return f"Uploading {escape(progress.shown)}: {percent}% of {progress.size / 2**20:,.0f} MB"


def describe_data_change(change: DataChange) -> str:
    """Describe counts and digests before and after: 15 -> 18 examples (a1b2c3d4 -> e5f6a7b8)."""
    before = "unknown" if change.before_examples is None else f"{change.before_examples:,}"
    if not change.before_digest:
        return f"{count_noun(change.after_examples, 'example')} ({shorten_digest(change.after_digest)})"
    if not change.after_digest:
        return f"{before} examples ({shorten_digest(change.before_digest)})"
    digests = f"({shorten_digest(change.before_digest)} -> {shorten_digest(change.after_digest)})"
    return f"{before} -> {count_noun(change.after_examples, 'example')}{_describe_examples(change)} {digests}"


def _describe_examples(change: DataChange) -> str:
    compared = change.compared
    if compared is None:
        return ""
    if not compared.added and not compared.removed:
        return ", the same in another order"
    counts = [f"+{compared.added:,}"] if compared.added else []
    counts += [f"-{compared.removed:,}"] if compared.removed else []
    return f", {' '.join(counts)}, {compared.same:,} the same"


def _count_unchanged(plan: Plan, models: int) -> str:
    """Count the models that stay: 2 models are as declared, and 1 model serves after a rollback."""
    held = len({change.address for change in plan.changes if change.deposed and change.deposed.held})
    declared = f"{count_noun(models - held, 'model is', 'models are')} as declared"
    if not held:
        return declared
    back = f"{count_noun(held, 'model serves', 'models serve')} after a rollback"
    return f"{declared}, and {back}" if models > held else back


def describe_copies(plan: Plan) -> str:
    """Say that the copies of a plan cost no training. "" if it makes none."""
    if not plan.copies:
        return ""
    trainings = "" if plan.trainings else "The bill: 0 trainings. "
    return f"{trainings}{count_noun(plan.copies, 'copy trains', 'copies train')} nothing."


def summarize_plan(plan: Plan) -> str:
    """Count what a plan would do, in its last line. Zeros are left out."""
    waiting = Counter(change.is_copy for change in plan.changes if change.action is Action.WAIT)
    sorts = {False: "still training", True: "still being copied"}
    going_on = ". ".join(
        f"{count_noun(waiting[sort], 'model is', 'models are')} {said}"
        for sort, said in sorts.items()
        if waiting[sort]
    )
    if not plan.has_changes:
        if going_on:
            return f"No changes. {going_on}."
        if plan.due:
            gone = count_noun(plan.due, "deposed model is", "deposed models are")
            return f"No changes. {gone} deleted, because {'its' if plan.due == 1 else 'their'} time has come."
        if plan.has_work:
            return "No changes. Only the record is brought up to date."
        models = sum(change.action is Action.NO_OP and not change.deposed for change in plan.changes)
        if plan.inputs.refresh_only:
            live = "The findings are above" if plan.drift else "Live is as recorded"
            return f"No changes: --refresh-only compares and plans nothing. {live}."
        if not models and plan.inputs.destroy and (plan.inputs.targets or plan.inputs.excludes):
            return "No changes. Nothing recorded was selected."
        if not models and plan.inputs.destroy:
            return "No changes. Nothing is recorded."
        if not models and (plan.inputs.targets or plan.inputs.excludes):
            return "No changes. --target and --exclude leave nothing."
        if not models:
            return "No changes. Nothing is declared, and nothing is recorded."
        return f"No changes. {_count_unchanged(plan, models)}."
    order = {action: number for number, action in enumerate(Action)}
    changing = sorted(
        (change for change in plan.changes if change.is_change),
        key=lambda change: (order[change.action], change.is_copy),
    )
    found = Counter(find_wording(change).counted for change in changing)
    counts = [f"{number:,} {word}" for word, number in found.items() if word]
    if endpoints := sum(map(_count_endpoints, changing)):
        counts.append(f"{count_noun(endpoints, 'endpoint')} to delete")
    counts += [f"{waiting[sort]:,} {said}" for sort, said in sorts.items() if waiting[sort]]
    if plan.due:
        counts.append(f"{plan.due:,} to delete because the time has come")
    return f"Plan: {', '.join(counts)}."


def _count_endpoints(change: Change) -> int:
    """Count the endpoints that a change deletes, besides the one that it is about."""
    approved = tuple(steps.select_unapproved(change.steps))
    endpoints = len(steps.list_deleted_endpoints(approved))
    is_about_one = change.action is Action.DELETE and not steps.list_deleted(approved)
    return endpoints - is_about_one if endpoints else 0


def list_released_fields(plan: Plan) -> list[str]:
    """List the fields that manifests no longer declare, if nothing else changes. A plan says this once."""
    return [
        f"{escape(str(change.address))}: {', '.join(escape(field.path) for field in change.fields)} "
        f"{'are' if len(change.fields) > 1 else 'is'} no longer declared and left as before"
        for change in plan.changes
        if change.action is Action.RECORD and change.fields
    ]


def list_kept(plan: Plan) -> list[str]:
    """List the deposed and held models that are kept, each with the reason."""
    return [
        f"{escape(str(change.address))}: {'' if change.deposed and change.deposed.held else 'deposed '}"
        f"{escape(change.id)} is {escape('; '.join(change.notes))}"
        for change in plan.changes
        if change.is_kept and change.notes
    ]


def describe_context(context: Context) -> str:
    """Describe where the plan would be applied: endpoint, project and kind of credential, in one line."""
    return ", ".join(list_context(context))


def list_context(context: Context) -> list[str]:
    """List where the plan would be applied: endpoint, project and kind of credential."""
    project = f"project {escape(context.project)}" if context.project else "no project"
    if context.embedded:
        return ["emulator inside this command", project]
    emulated = " (emulator)" if context.service == "emulator" else ""
    endpoint = escape(context.endpoint) or "no endpoint"
    credential = escape(context.credential) if context.credential not in {"", "none"} else "no credential"
    return [f"{endpoint}{emulated}", project, credential]
