"""How each golden file in tests/golden/render is made.

After a wanted change: `python -m tests.render.goldens`, then read the diff as a user would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from reconciler import __version__
from reconciler.errors import Diagnostic, Severity
from reconciler.events import Completed, Detached, Event, Failed, Progress, Skipped, Started, Verb
from reconciler.model.checks import Score
from reconciler.render import markdown, plan_json, planfile, run_summary, stream
from reconciler.render.html import page
from reconciler.render.text.errors import render_errors
from reconciler.render.text.events import render_event
from reconciler.render.text.plan import render_drift, render_plan
from reconciler.render.text.records import render_record, render_state
from tests.render import plans

FOLDER = Path(__file__).parent.parent / "golden" / "render"
NOW = "2026-11-22T18:00:00Z"

ROMAN = plans.REPLACE.address
EVENTS = (
    Started(ROMAN, Verb.CREATE, "roman-ffffffff"),
    Progress(ROMAN, "roman-ffffffff", 40.2, 29, 72, 4, 1.23456, 80.0, 121.0),
    Progress(ROMAN, "roman-ffffffff"),
    Completed(ROMAN, Verb.CREATE, "roman-ffffffff", 201.0),
    Started(ROMAN, Verb.CHECK, "roman-ffffffff"),
    Completed(
        ROMAN,
        Verb.CHECK,
        "roman-ffffffff",
        detail="1 passed: prompts 1 of 1 (1.00)",
        scores=(Score("prompts", "a1", 1, 1),),
    ),
    Completed(ROMAN, Verb.PROMOTE, "roman-ffffffff", 0.2, "roman-eeeeeeee is deposed"),
    Completed(plans.GO_BACK.address, Verb.ROLLBACK, "worse-33333333", 0.0, "worse-44444444 is held back"),
    Failed(
        plans.FAILED.address,
        Verb.CREATE,
        "13 INTERNAL: the training diverged",
        "Look at its data, then: reconciler apply --retry-failed",
        "broken-88888888",
        33.0,
        training=True,
    ),
    Skipped(plans.DELETE_DEPOSED.address, Verb.DELETE, "its successor is not accepted yet", unfinished=True),
    Detached("interrupt", (ROMAN, plans.WAIT.address)),
)
DIAGNOSTICS = (
    Diagnostic(
        "spec.tuning_task.hyperparameters.epoch_count: 0 is below 1",
        "Give a whole number of at least 1, or leave it out for the service's default.",
        "manifests/roman.yaml",
        14,
        7,
        address="TunedModel/roman",
    ),
    Diagnostic("metadata.labels is empty", "", "manifests/roman.yaml", 3, severity=Severity.WARNING),
    Diagnostic(
        "the state is locked by ann@laptop for apply since 10:42 (lock 5f0c)",
        "Wait, or run: reconciler force-unlock 5f0c",
    ),
)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _stable(document: str) -> str:
    """Remove what changes with every release."""
    checksum = re.compile(r'("checksum": ")[0-9a-f]{64}')
    return checksum.sub(r"\1CHECKSUM", document.replace(__version__, "VERSION"))


def _stream() -> str:
    records = [stream.build_version_record(NOW), *stream.build_plan_records(plans.EVERYTHING, NOW)]
    for event in EVENTS:
        records += stream.build_event_records(event, NOW)
    records += [stream.build_diagnostic_record(one, NOW) for one in DIAGNOSTICS]
    done = run_summary.summarize_run(EVENTS)
    cost = run_summary.sum_cost(done, plans.EVERYTHING)
    records.append(
        stream.build_done_record(done, NOW, operation="apply", command="apply", elapsed=201.0, cost=cost)
    )
    records.append(stream.build_outputs_record({ROMAN: "tunedModels/roman-ffffffff"}, NOW))
    return _stable(_lines(map(stream.encode_line, records)))


def _endpoint_stream() -> str:
    address = plans.RECORD_SERVED.address
    events: list[Event] = [
        Completed(address, Verb.CREATE_ENDPOINT, "support"),
        Started(address, Verb.DEPLOY, "roman-ffffffff"),
        Completed(address, Verb.DEPLOY, "roman-ffffffff", detail="to the endpoint support"),
        Completed(address, Verb.UNDEPLOY, "support", detail="deployment 42"),
        Failed(address, Verb.DELETE_ENDPOINT, "503 UNAVAILABLE", "Apply again", "support"),
    ]
    records = [*stream.build_plan_records(plans.ENDPOINTS, NOW)]
    for event in events:
        records += stream.build_event_records(event, NOW)
    done = run_summary.summarize_run(events)
    cost = run_summary.sum_cost(done, plans.ENDPOINTS)
    records.append(
        stream.build_done_record(done, NOW, operation="apply", command="apply", elapsed=2.0, cost=cost)
    )
    return _stable(_lines(map(stream.encode_line, records)))


def _events(*, colour: bool) -> str:
    return _lines(line for event in EVENTS if (line := render_event(event, colour=colour)))


GOLDENS: dict[str, Callable[[], str]] = {
    "plan-60.txt": lambda: _lines(render_plan(plans.EVERYTHING, colour=False, width=60)),
    "plan-100.txt": lambda: _lines(render_plan(plans.EVERYTHING, colour=False, width=100)),
    "plan-colour.txt": lambda: _lines(render_plan(plans.EVERYTHING, colour=True, width=80)),
    "plan-small.txt": lambda: _lines(render_plan(plans.SMALL, colour=False)),
    "plan-waiting.txt": lambda: _lines(render_plan(plans.WAITING, colour=False)),
    "plan-nothing.txt": lambda: _lines(render_plan(plans.NOTHING, colour=False)),
    "plan.json": lambda: _stable(planfile.dumps(plans.EVERYTHING, plans.KINDS).decode()),
    "plan.md": lambda: markdown.render_plan_comment(plans.EVERYTHING) + "\n",
    "plan-cut.md": lambda: markdown.render_plan_comment(plans.EVERYTHING, max_chars=2500) + "\n",
    "drift.txt": lambda: _lines(render_drift(plans.DRIFTS, plans.CONTEXT, colour=False)),
    "drift.json": lambda: _stable(
        json.dumps(
            plan_json.build_drift_document(plans.DRIFTS, plans.CONTEXT, plans.KINDS, created=NOW), indent=1
        )
        + "\n"
    ),
    "drift.md": lambda: markdown.render_drift_comment(plans.DRIFTS, plans.CONTEXT) + "\n",
    "show.txt": lambda: _lines(render_record(plans.RECORD_FULL, plans.LIVE, plans.BASES, colour=False)),
    "show-ascii.txt": lambda: _lines(
        render_record(plans.RECORD_FULL, plans.LIVE, plans.BASES, colour=False, width=60, unicode=False)
    ),
    "state.txt": lambda: _lines(render_state(plans.STATE, colour=False)),
    "events.txt": lambda: _events(colour=False),
    "errors.txt": lambda: _lines(render_errors(DIAGNOSTICS, colour=False)),
    "errors-colour.txt": lambda: _lines(render_errors(DIAGNOSTICS, colour=True)),
    "stream.ndjson": _stream,
    "checkpoints-60.txt": lambda: _lines(render_plan(plans.CHECKPOINTS, colour=False, width=60)),
    "checkpoints.txt": lambda: _lines(render_plan(plans.CHECKPOINTS, colour=False, width=100)),
    "checkpoints.json": lambda: _stable(planfile.dumps(plans.CHECKPOINTS, plans.KINDS).decode()),
    "checkpoints.md": lambda: markdown.render_plan_comment(plans.CHECKPOINTS) + "\n",
    "checkpoints.ndjson": lambda: _lines(
        json.dumps(record) for record in stream.build_plan_records(plans.CHECKPOINTS, NOW)
    ),
    "endpoints-60.txt": lambda: _lines(render_plan(plans.ENDPOINTS, colour=False, width=60)),
    "endpoints.txt": lambda: _lines(render_plan(plans.ENDPOINTS, colour=False, width=100)),
    "endpoints.json": lambda: _stable(planfile.dumps(plans.ENDPOINTS, plans.KINDS).decode()),
    "endpoints.md": lambda: markdown.render_plan_comment(plans.ENDPOINTS) + "\n",
    "endpoints.ndjson": _endpoint_stream,
    "copies-60.txt": lambda: _lines(render_plan(plans.COPIES, colour=False, width=60)),
    "copies.txt": lambda: _lines(render_plan(plans.COPIES, colour=False, width=100)),
    "copies.json": lambda: _stable(planfile.dumps(plans.COPIES, plans.KINDS).decode()),
    "copies.md": lambda: markdown.render_plan_comment(plans.COPIES) + "\n",
    "endpoints-show.txt": lambda: _lines(
        line
        for record in (plans.RECORD_SERVED, plans.RECORD_CUT, plans.RECORD_NEW)
        for line in render_record(record, None, colour=False, width=80)
    ),
    "report.html": lambda: page.render_report(
        plans.STATE,
        plans.STATUS,
        {plans.RECORD_FULL.address: plans.LIVE},
        plans.DRIFTS,
        plans.CONTEXT,
        now=NOW,
        bases=plans.BASES,
    ),
}

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in GOLDENS.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")
