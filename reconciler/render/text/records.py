"""Records for people: one address with its loss curve, or the whole state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from reconciler.formats import count_noun
from reconciler.model.checks import describe_scores
from reconciler.model.endpoint import Checkpoint
from reconciler.model.live import Live, Status
from reconciler.model.names import SOURCE
from reconciler.plan.base_models import BaseEnd
from reconciler.plan.copies import split_source
from reconciler.render.bill import describe_billed, describe_estimated_price, describe_tokens
from reconciler.render.terminal import Paint, count_cells, escape, pad, put_side_by_side, wrap
from reconciler.render.text.chart import draw_loss_chart
from reconciler.render.text.rows import Row, render_rows
from reconciler.render.values import format_loss, shorten_digest
from reconciler.state.values import Record, RecordedEndpoint, RecordedModel, State, Verdict

_LABEL, _LONGEST = 13, 32
"""The least and the most cells for a column of labels. A longer label gets its own line."""
_ROOMY = 80
"""A terminal of at least this width has room for the longest label beside its text."""


_COUNT = "data: "
"""What the labels of counts begin with, among the outputs of a model."""

NO_BASES: Mapping[str, BaseEnd] = MappingProxyType({})


def render_record(
    record: Record,
    live: Live | None,
    bases: Mapping[str, BaseEnd] = NO_BASES,
    *,
    colour: bool,
    width: int = 80,
    unicode: bool = True,
) -> Iterator[str]:
    """Render an address: the serving model, the candidate, the deposed models, and the loss curve.

    Args:
        record: the record of the address.
        live: the serving model (or the candidate) as the service shows it now. None if the service was
            not asked, or does not know the model.
        bases: the base model of each recorded model, by the id of the model.
        colour: whether escape sequences may be used.
        width: cells of a line, 0 for no limit.
        unicode: False draws the curve with ASCII.
    """
    paint = Paint(colour)
    yield paint(escape(str(record.address)), "bold")
    if record.prevent_destroy:
        yield "  protected by lifecycle.prevent_destroy"
    for title, model in list_titled_models(record):
        yield from _render_model(title, model, live, base=bases.get(model.id), width=width, paint=paint)
    yield from _render_endpoints(record, width, paint)
    if record.is_empty:
        yield "  nothing is recorded"
    if live is None:
        return
    if live.snapshots:
        yield ""
        last = max(live.snapshots, key=lambda snapshot: snapshot.step)
        where = f"step {last.step:,}, epoch {last.epoch:,} ({count_noun(len(live.snapshots), 'snapshot')})"
        yield f"  mean loss {format_loss(last.mean_loss)} at {where}"
        yield from draw_loss_chart(live.snapshots, width=width, unicode=unicode)


def _render_endpoints(record: Record, width: int, paint: Paint) -> Iterator[str]:
    """Render the stable endpoint, and those that it replaced."""
    for endpoint in record.endpoints:
        yield ""
        title, style = describe_endpoint(record, endpoint), "yellow" if endpoint.retired else "green"
        yield f"  endpoint {paint(escape(endpoint.id), 'bold')}  {paint(title, style)}"
        for label, text in list_endpoint_facts(endpoint):
            if text:
                yield from _render_fact(label, text, _LABEL, width)


def describe_endpoint(record: Record, endpoint: RecordedEndpoint) -> str:
    """Describe the condition of a stable endpoint in a word or two."""
    if endpoint.retired:
        return "replaced"
    if endpoint.interrupted:
        return "interrupted"
    if endpoint is not record.called_endpoint:
        return "not serving yet"
    return "serving"


def list_endpoint_facts(endpoint: RecordedEndpoint) -> Iterator[tuple[str, str]]:
    """List the facts about a stable endpoint, each with its label, escaped. An unknown fact is ""."""
    yield "name", escape(endpoint.name)
    yield "location", escape(endpoint.location)
    yield "deployment", escape(endpoint.deployed)
    yield "operation", escape(endpoint.operation)
    yield "since", escape(endpoint.since)
    yield "replaced", escape(endpoint.retired)
    yield "kept until", escape(endpoint.kept_until)


def _render_model(
    title: str, model: RecordedModel, live: Live | None, *, base: BaseEnd | None, width: int, paint: Paint
) -> Iterator[str]:
    mine = live if live is not None and live.id == model.id else None
    status = mine.status if mine else model.status
    style = {Status.ACTIVE: "green", Status.FAILED: "red"}.get(status, "yellow") if status else "yellow"
    yield ""
    yield f"  {title} {paint(escape(model.id), 'bold')}  {paint(status or 'pending', style)}"
    facts = [(label, text) for label, text in list_model_facts(model, mine, base) if text]
    column = _choose_column((label for label, _ in facts), width)
    for label, text in facts:
        yield from _render_fact(label, text, column, width)
    attributes = {**model.sent, **(mine.attributes if mine else {})}
    paths = sorted(attributes, key=lambda path: (path.count("."), path))  # less nested paths first
    if rows := [Row("", path, after=attributes[path]) for path in paths]:
        yield "    attributes" + ("" if mine else " as sent")
        yield from render_rows(rows, indent=4, width=width, paint=paint)


def _render_fact(label: str, text: str, column: int, width: int) -> Iterator[str]:
    """Render a fact. A label that is too long gets its own line, and so does one beside a long name."""
    hanging = column + 6
    if width and any(count_cells(word) > width - hanging for word in text.split(" ")):
        yield f"    {label}"
        yield from wrap(text, width, indent=" " * 6)
        return
    fits = count_cells(label) <= column
    if not fits:
        yield f"    {label}"
    start = f"    {pad(label if fits else '', column)}  "
    yield from wrap(text, width, indent=start, hanging=" " * hanging)


def _choose_column(labels: Iterable[str], width: int) -> int:
    """Choose the cells for the labels: enough for the longest, unless the texts need the room."""
    if width and width < _ROOMY:
        return _LABEL
    return min(max([_LABEL, *(count_cells(label) for label in labels)]), _LONGEST)


def list_titled_models(record: Record) -> Iterator[tuple[str, RecordedModel]]:
    """List the models of a record, each with its title: serving, candidate, held back or deposed."""
    titled = [("serving", record.serving), ("candidate", record.candidate)]
    titled += [("held back", model) for model in record.held]
    titled += [("deposed", model) for model in record.deposed]
    yield from ((title, model) for title, model in titled if model is not None)


def list_model_facts(
    model: RecordedModel, live: Live | None, base: BaseEnd | None = None
) -> Iterator[tuple[str, str]]:
    """List the facts about a model, each with its label, escaped. An unknown fact is ""."""
    if model.is_pending and live is None:
        yield "pending", "recorded before its create was sent, not known to be accepted"
    yield "name", escape(live.name if live else model.name)
    end = f", which {base.said}" if base is not None and base.said else ""
    is_direct = base is not None and base.name == model.source
    yield "commit", escape(model.commit)
    if is_copy := SOURCE in model.sent:
        yield "copied from", escape(_describe_origin(model.source))
    else:
        yield "tuned from", escape(model.source + (end if is_direct else ""))
    yield "base model", escape(base.name + end) if base is not None and not is_direct else ""
    for data in model.data:
        assumed = ", assumed from the manifest" if data.assumed else ""
        counts = f"{count_noun(data.examples, 'example')}, {count_noun(data.characters, 'character')}"
        label = escape(data.field.rpartition(".")[2])
        yield label, f"{counts} ({shorten_digest(data.digest)}{assumed})"
    if model.digest:
        generation = f", generation {model.generation}" if model.generation else ""
        yield "identity", f"{shorten_digest(model.digest)}, formula {model.formula}{generation}"
    permissions = live.permissions if live and live.permissions is not None else model.permissions
    if permissions is not None:
        yield "permissions", ", ".join(escape(str(grant)) for grant in permissions) or "none"
    if model.verdict is not Verdict.NONE:
        scores = f": {describe_scores(model.scores)}" if model.scores else ""
        yield "checks", escape(f"{model.verdict}{scores}")
    if estimate := model.estimate:
        bounds = {"at_most": estimate.at_most, "at_least": estimate.texts_only}
        about = [describe_tokens(estimate.tokens, **bounds)] if estimate.tokens else []
        about += ["of texts only"] * estimate.texts_only
        about.append(describe_estimated_price(estimate))
        yield "estimate", ", ".join(filter(None, about)) or "unknown: the service chose the epochs"
    if model.billed_tokens:
        currency = estimate.currency if estimate else ""
        expected = estimate.tokens if estimate else 0
        yield "billed", describe_billed(model.billed_tokens, model.amount, currency, expected)
    yield "steps", f"{model.total_steps:,}" if model.total_steps else ""
    yield "operation", escape(model.operation)
    yield "error", escape((live.error if live else "") or model.error)
    yield "started", escape(model.started)
    yield "created", escape((live.create_time if live else "") or model.create_time)
    yield "completed", escape((live.complete_time if live else "") or model.completed)
    yield "promoted", escape(model.promoted)
    yield "held back", escape(f"{model.held} by {model.held_by}" if model.held_by else model.held)
    yield "deposed", escape(model.deposed)
    yield "kept until", escape(model.kept_until)
    yield from _list_checkpoint_facts(model, live)
    if live is not None:
        yield from _list_output_facts(live, split_source(model.source)[0] if is_copy else "")


def _list_output_facts(live: Live, told: str) -> Iterator[tuple[str, str]]:
    """List what else the service says of a model. All that it has counted in the data is one fact.

    `told` is the name of a copy's origin, which the reader knows already.
    """
    counts = []
    for label, text in live.outputs.items():
        if label.startswith(_COUNT) and text.isdecimal():
            counts.append(escape(f"{int(text):,} {label.removeprefix(_COUNT)}"))
        elif text != told:
            yield escape(label), escape(text)
    yield "data", ", ".join(counts)


def _describe_origin(source: str) -> str:
    """Describe what a copy was made from: the model, and the checkpoint that was chosen for it, if any."""
    name, checkpoint = split_source(source)
    return f"{name}, checkpoint {checkpoint}" if checkpoint else name


def _list_checkpoint_facts(model: RecordedModel, live: Live | None) -> Iterator[tuple[str, str]]:
    """List the model's checkpoints: which one was chosen, when each was taken, its loss and its scores."""
    scores = {one.id: one.scores for one in model.checkpoints}
    shown = live.checkpoints if live else tuple(map(Checkpoint, scores))
    losses = {snapshot.step: snapshot.mean_loss for snapshot in live.snapshots} if live else {}
    if model.checkpoint and model.checkpoint not in {one.id for one in shown}:
        shown = (*shown, Checkpoint(model.checkpoint))
    for one in shown:
        is_chosen = one.id == model.checkpoint
        asked = f" ({model.choice})" if model.choice and model.choice != one.id else ""
        facts = [
            f"chosen{asked}" * is_chosen,
            "the default" * (live is not None and one.id == live.default_checkpoint),
            f"epoch {one.epoch:,}" * bool(one.epoch),
            f"step {one.step:,}" * bool(one.step),
            f"mean loss {format_loss(losses[one.step])}" if one.step in losses else "",
            describe_scores(scores.get(one.id) or (model.scores if is_chosen else ())),
            one.endpoint,
        ]
        yield escape(f"checkpoint {one.id}"), escape(", ".join(filter(None, facts)))


def render_state(state: State, *, colour: bool, width: int = 80) -> Iterator[str]:
    """Render the whole state: two lines about the state, then a line for each address with its models."""
    paint = Paint(colour)
    head = [
        f"stack {escape(state.stack)}" if state.stack else "no stack",
        f"workspace {escape(state.workspace)}",
        f"service {escape(state.service)}" if state.service else "no service yet",
        *([f"project {escape(state.project)}"] if state.project else []),
    ]
    yield from wrap(", ".join(head), width)
    yield from wrap(f"lineage {escape(state.lineage) or 'none yet'}, serial {state.serial}", width)
    if not state.resources:
        yield ""
        yield "Nothing is recorded."
        return
    records = sorted(state.resources.values(), key=lambda record: record.address)
    column = min(max(count_cells(escape(str(record.address))) for record in records), 48)
    yield ""
    for record in records:
        yield from _render_state_line(record, column, width, paint)
    yield ""
    yield f"{count_noun(len(records), 'address', 'addresses')}."


def _render_state_line(record: Record, column: int, width: int, paint: Paint) -> Iterator[str]:
    """Render an address and the id that serves, each whole: on a line of its own if both have no room."""
    address = escape(str(record.address))
    serving = escape(record.serving.id) if record.serving else "-"
    rest = [f"candidate {escape(record.candidate.id)}"] if record.candidate else []
    rest += [f"held back {escape(model.id)}" for model in record.held]
    rest += [f"{len(record.deposed)} deposed"] if record.deposed else []
    rest += [f"endpoint {escape(record.called_endpoint.id)}"] if record.called_endpoint else []
    rest += ["protected"] if record.prevent_destroy else []
    remarks = f"({', '.join(rest)})" if rest else ""
    *lines, last = put_side_by_side(address, serving, width, column=column)
    yield from lines
    if not remarks or not width or count_cells(last) + 2 + count_cells(remarks) <= width:
        yield f"{last}  {paint(remarks, 'dim')}".rstrip()
    else:
        yield last
        yield from wrap(remarks, width, indent=" " * 4)
