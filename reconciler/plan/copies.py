"""The source of a copy: an address of this stack, an address of another state, or a resource name.

Rule: a source is one text. It is the resource name of a model with its version, and with the checkpoint if
one was chosen: projects/N/locations/L/models/M@V#CHECKPOINT. Nobody knows the name of a source in this stack
before that source serves. Until then its address stands for it. Once it serves, apply finds its name and the
id of the copy.
"""

from __future__ import annotations

from msgspec import Struct

from reconciler.kind import Kind
from reconciler.model.checks import Score, describe_scores
from reconciler.model.live import Live
from reconciler.model.names import Address
from reconciler.state.values import Record, RecordedModel, State, Verdict

_SHORT = 12
"""The number of digits of a commit that are shown."""


class CopySource(Struct, frozen=True):
    """A model that serves an address of another state, as that state records it.

    Attributes:
        text: its name, as this module's rule says.
        id: its id there.
        manifest: path of its manifest there. "" if that is not recorded.
        commit: id of the commit of that manifest, when it was started. "" if that is not recorded.
        promoted: RFC 3339; when it was promoted there.
        verdict, scores: the result of its checks there.
    """

    text: str
    id: str = ""
    manifest: str = ""
    promoted: str = ""
    commit: str = ""
    verdict: Verdict = Verdict.NONE
    scores: tuple[Score, ...] = ()


class SourceFault(Struct, frozen=True):
    """A source of another state that gives no model now.

    Attributes:
        why: what is wrong, as a clause.
        advice: what to do now.
        is_refused: the copy may never come from there. If this is not set, the fault may pass.
    """

    why: str
    advice: str
    is_refused: bool = False


def write_source(model: RecordedModel, live: Live | None = None) -> str:
    """Write the name of a model as a source. "" if it is not known.

    An older version did not record the name. Then it is the name of the live model.
    """
    name = model.model or (live.deployable if live is not None else "")
    return f"{name}#{model.checkpoint}" if name and model.checkpoint else name


def split_source(source: str) -> tuple[str, str]:
    """Split a source into the model and the checkpoint that was chosen for it, "" if none was."""
    name, _, checkpoint = source.partition("#")
    return name, checkpoint


def read_checkpoint(source: str) -> str:
    """Read the checkpoint that a source names, "" if none was chosen. A copy's checkpoint has the same id."""
    return split_source(source)[1]


def read_source(state: State, address: Address, *, service: str, word: str) -> CopySource | SourceFault:
    """Find what serves an address of another state.

    Args:
        state: the other state.
        address: of the model there.
        service: the service of this run ("google"). Nothing is copied from one service to another.
        word: the address of the other state, quoted for a command.
    """
    if state.service and service and state.service != service:
        return SourceFault(
            f"it records models of the service {state.service}, and this run is about {service}",
            "Name a state whose models are at the same service",
            is_refused=True,
        )
    record = state.resources.get(address)
    if record is None:
        return SourceFault(
            f"it records no {address}",
            f"Correct the address, or see what it records: reconciler state list --state {word}",
        )
    if record.serving is None:
        return SourceFault(f"{address} serves no model there yet", "Apply again once it serves one")
    text = write_source(record.serving)
    if not text:
        return SourceFault(
            f"an older version recorded {address} there, without the name of its model",
            "Run reconciler apply there once, which records it",
        )
    serving = record.serving
    return CopySource(
        text,
        serving.id,
        record.manifest,
        serving.promoted,
        serving.commit,
        serving.verdict,
        serving.scores,
    )


def describe_source(address: Address, state: str, source: CopySource) -> str:
    """Say what a copy comes from, as far as the other state records it: model, manifest and verdict."""
    declared = f", declared in {source.manifest}" if source.manifest else ""
    commit = f" of commit {source.commit[:_SHORT]}" if source.commit else ""
    since = f", serving since {source.promoted}" if source.promoted else ""
    said = f"{source.id}{declared}{commit}{since}; {_describe_verdict(source)}"
    return f"its source is {address} of {state}: {said}"


def _describe_verdict(source: CopySource) -> str:
    match source.verdict:
        case Verdict.PASSED:
            scores = describe_scores(source.scores)
            return f"its checks passed there: {scores}" if scores else "its checks passed there"
        case Verdict.FAILED | Verdict.UNKNOWN:
            return "its checks did not pass there"
        case _:
            return "it was promoted there without checks"


def is_unnamed(model: RecordedModel, kind: Kind) -> bool:
    """Return whether a recorded copy waits for its source. Then its id is not known, and nothing was sent."""
    return not kind.trains and model.is_pending and not model.source.startswith("projects/")


def keep_known_source(record: Record, kind: Kind) -> str:
    """Return the recorded source of a copy, for as long as it cannot be read. "" if none is recorded.

    The source of a candidate comes first. A candidate that still waits for its source does not count, because
    nothing has been copied for it.
    """
    models = (record.candidate, record.declared)
    return next((model.source for model in models if model is not None and not is_unnamed(model, kind)), "")
