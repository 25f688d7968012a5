"""Counts what a run has done from its events, for the last lines of a text or of a stream.

Rule: only events count. A training counts as trained once its model serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field

from reconciler.events import NO_WAIT, Billed, Completed, Detached, Event, Failed, Skipped, Started, Verb
from reconciler.formats import count_noun, format_duration
from reconciler.model.names import Address
from reconciler.plan.change import Plan
from reconciler.render.bill import Total, describe_billed, sum_bills
from reconciler.render.terminal import UNLIMITED, count_cells, escape, put_side_by_side, wrap

_SERVES = frozenset({Verb.CREATE, Verb.COPY, Verb.REPLACE, Verb.ADOPT, Verb.RESTORE, Verb.ROLLBACK})
"""The operations that end with another model being called."""

NAMED = 10
"""The number of names to call that are looked up and listed. `output` lists all."""


class RunSummary(Struct, frozen=True):
    """The work of a run, in numbers of models.

    Attributes:
        done: for each operation, the number of its models.
        begun: addresses whose training was accepted in this run.
        ended: addresses whose training ended in this run, well or badly.
        called: addresses whose serving model was replaced or updated, sorted.
        training, copying, deploying: how many models continue to train, to be copied or to be deployed after
            the run.
        left: how many changes are not done yet, failures not counted.
        failed: how many changes failed.
        billed: what the service bills for trainings that ended in this run.
        stopped: whether a signal or `--timeout` ended the run.
    """

    done: Mapping[str, int] = field(default_factory=dict)
    begun: frozenset[Address] = frozenset()
    ended: frozenset[Address] = frozenset()
    called: tuple[Address, ...] = ()
    training: int = 0
    copying: int = 0
    deploying: int = 0
    left: int = 0
    failed: int = 0
    stopped: bool = False
    billed: tuple[Billed, ...] = ()

    @property
    def trained(self) -> int:
        """Models that were trained and serve now."""
        return self.done.get(Verb.CREATE, 0) + self.done.get(Verb.REPLACE, 0)


def summarize_run(events: Iterable[Event]) -> RunSummary:
    """Count what happened in a run."""
    done: dict[str, set[tuple[Address, str]]] = {}
    begun: set[Address] = set()
    ended: set[Address] = set()
    left, failed = 0, 0
    detached = Detached(NO_WAIT)
    billed: list[Billed] = []
    for event in events:
        match event:
            case Started(operation=Verb.CREATE):
                begun.add(event.address)
            case Completed():
                done.setdefault(event.operation, set()).add((event.address, event.id))
                ended |= {event.address} if event.operation in {Verb.CREATE, Verb.REPLACE} else set()
            case Billed():
                billed.append(event)
            case Failed():
                failed += 1
                ended |= {event.address} if event.training else set()
            case Skipped(unfinished=True):
                left += 1
            case Detached():
                detached = event
            case _:
                pass
    serving = {address for name in _SERVES for address, _ in done.get(name, ())}
    changed = {address for name in (Verb.UPDATE, Verb.PERMISSIONS) for address, _ in done.pop(name, ())}
    counts = {name: len(models) for name, models in done.items()}
    if changed - serving:
        counts[Verb.UPDATE] = len(changed - serving)
    deployed = {address for address, _ in done.get(Verb.DEPLOY, ())}
    called = tuple(sorted(serving | changed | deployed))
    return RunSummary(
        counts,
        frozenset(begun),
        frozenset(ended),
        called,
        training=len(detached.training),
        copying=len(detached.copying),
        deploying=len(detached.deploying),
        left=left,
        failed=failed,
        stopped=detached.reason != NO_WAIT,
        billed=tuple(billed),
    )


def sum_billed(billed: Iterable[Billed]) -> list[tuple[int, float | None, str, int]]:
    """Sum tokens, amount and expected tokens, for each currency, as `describe_billed` takes them.

    The expected tokens are 0 if one of the trainings was not estimated.
    """
    groups: dict[tuple[str, bool], list[Billed]] = {}
    for bill in billed:
        groups.setdefault((bill.currency, bill.amount is None), []).append(bill)
    return [
        (
            sum(bill.tokens for bill in group),
            None if is_unpriced else round(sum(bill.amount or 0.0 for bill in group), 6),
            currency,
            sum(bill.expected for bill in group) if all(bill.expected for bill in group) else 0,
        )
        for (currency, is_unpriced), group in sorted(groups.items())
    ]


def sum_cost(summary: RunSummary, plan: Plan, *, of_ended: bool = False) -> Total:
    """Sum the bills of the trainings that this run began, and with `of_ended` of those that ended in it."""
    billed = summary.begun | summary.ended if of_ended else summary.begun
    return sum_bills(change for change in plan.changes if change.address in billed and change.bill)


def render_ending(
    command: str,
    summary: RunSummary,
    *,
    elapsed: float,
    cost: Total | None = None,
    resume: str = "",
    width: int = UNLIMITED,
) -> Iterator[str]:
    """Render the last lines of a run.

    Args:
        command: the name of the command.
        summary: what was done.
        elapsed: seconds that the run took.
        cost: of the run's trainings, None to leave it out. It is left out too if all of them were billed.
        resume: the commands to run next, "" if they were named before.
        width: cells of a line, 0 for no limit, as in a pipe: scripts read the first line. Commands are never
            wrapped, because people copy them.
    """
    counts = describe_counts(summary)
    name = command.capitalize()
    took = format_duration(elapsed) if elapsed >= 1 else "less than 1s"
    if summary.failed:
        first = f"{name} failed in part after {took}: {counts}. What was done is recorded."
    elif summary.left or summary.stopped:
        first = f"{name} is not finished after {took}: {counts}."
    else:
        first = f"{name} complete in {took}: {counts}."
    yield from wrap(first, width)
    if cost is not None and cost.price and cost.trainings > len(summary.billed):
        whose = "its training" if cost.trainings == 1 else f"{cost.trainings:,} trainings"
        yield f"Cost of {whose}: {cost.price}{cost.mark}."
    for sums in sum_billed(summary.billed):
        yield from wrap(f"Billed: {describe_billed(*sums)}.", width, hanging=" " * 4)
    if resume:
        yield f"To go on: {escape(resume)}"


def describe_counts(summary: RunSummary) -> str:
    """Count what was done: 2 trained, 1 deleted, 1 failed."""
    words = {
        "trained": summary.trained,
        "copied": summary.done.get(Verb.COPY, 0),
        "adopted": summary.done.get(Verb.ADOPT, 0),
        "restored": summary.done.get(Verb.RESTORE, 0),
        "gone back": summary.done.get(Verb.ROLLBACK, 0),
        "moved": summary.done.get(Verb.MOVE, 0),
        "updated": summary.done.get(Verb.UPDATE, 0),
        "deployed": summary.done.get(Verb.DEPLOY, 0),
        "deleted": summary.done.get(Verb.DELETE, 0) + summary.done.get(Verb.DELETE_ENDPOINT, 0),
        "forgotten": summary.done.get(Verb.FORGET, 0),
        "failed": summary.failed,
        "in training": summary.training,
        "being copied": summary.copying,
        "being deployed": summary.deploying,
        "not done yet": summary.left,
    }
    return ", ".join(f"{count:,} {word}" for word, count in words.items() if count) or "nothing changed"


def render_names(names: Mapping[Address, str], more: int = 0, *, width: int = UNLIMITED) -> Iterator[str]:
    """Render the names that a program calls now. They are never cut, because people copy them.

    Args:
        names: of the models, by their addresses.
        more: the number of names that are left out.
        width: cells of a line, 0 for no limit. A name without room beside its address gets its own line.
    """
    column = max((count_cells(escape(str(address))) for address in names), default=0)
    if names:
        yield "To call:"
    for address, name in names.items():
        yield from put_side_by_side(escape(str(address)), escape(name), width, column=column, indent="  ")
    if more:
        yield f"  … and {count_noun(more, 'other')}: reconciler output"
