"""Tuning jobs: create, get, list, cancel.

Create answers with the job itself, under a number that the service chose. There is no key by which a second
request would be recognized as the same one. What a job will make is decided when it is created (see
outputs.py).

A project trains a limited number of jobs at once, and the others wait in order. Nothing runs in the
background. The end of each job is known, so the start of each waiting job is computed from it, and computed
again whenever a job is created or cancelled.
"""

import dataclasses
import heapq
from typing import Any

from reconciler.emulator import faults
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.clock import SECOND, format_time
from reconciler.emulator.errors import ApiError, PreconditionError
from reconciler.emulator.vertex import data_sets, job_requests, lookup, messages, outputs, quota
from reconciler.emulator.vertex.records import Examples, Job

_IS_UNFINISHED = "project = :project AND ended > :now"
_LONGEST_PENDING = 30 * SECOND
_INVALID_ARGUMENT = 3
_WITH_END_TIME = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
# A job has an error in these states only, as the document says.
_ERRORS = {
    "JOB_STATE_FAILED": faults.DEFAULT_FAILURE,
    "JOB_STATE_CANCELLED": {"code": 1, "message": "The TuningJob was cancelled."},
}
_MISSING = "The TuningJob does not exist: {}"
_COLUMNS = {
    "state": "state",
    "displayName": "json_extract(fields, '$.tunedModelDisplayName')",
    "tunedModelDisplayName": "json_extract(fields, '$.tunedModelDisplayName')",
    "baseModel": "json_extract(fields, '$.baseModel')",
}


def create(call: Call) -> Reply:
    """Answer tuningJobs.create."""
    fields, parent = job_requests.read_job(call)
    quota.check_submission(call)
    project, settings = lookup.read_location(call).project, call.settings
    unfinished = call.database.count(Job, _IS_UNFINISHED, project=project, now=call.now)
    must_wait = unfinished >= settings.vertex_concurrent_jobs
    if must_wait and settings.vertex_over_quota == "refuse":
        text = (
            "Quota exceeded for aiplatform.googleapis.com/global_concurrent_tuning_jobs. Please "
            "submit a quota increase request. https://cloud.google.com/vertex-ai/docs/quotas"
        )
        raise ApiError(429, text)
    job, data = _make_job(call, fields)
    job = call.database.add(job)
    if data:
        pairs = [[example.prompt, example.answer] for example in data.examples]
        call.database.add(Examples(job=job.seq, pairs=pairs))
        if job.outcome in outputs.WITH_MODEL:
            call.database.update(dataclasses.replace(job, tuned=outputs.plan(call, job, data, parent)))
    if must_wait:
        _reschedule(call, project)
    return Reply(payload=_show(call, _find_job(call, job.id)))


def get(call: Call) -> Reply:
    """Answer tuningJobs.get."""
    return Reply(payload=_show(call, _find_job(call, call.path["job"], " AND readable <= :now")))


def list_jobs(call: Call) -> Reply:
    """Answer tuningJobs.list."""
    return lookup.list_page(call, Job, "tuningJobs", _COLUMNS, "listed <= :now", show=_show)


def cancel(call: Call) -> Reply:
    """Answer tuningJobs.cancel: the job is CANCELLING for a while, then CANCELLED, and makes nothing."""
    call.read_message(messages.NOTHING)
    job = _find_job(call, call.path["job"])
    if job.ended <= call.now and job.state != "JOB_STATE_PAUSED":
        raise PreconditionError(f"The TuningJob {job.name} is in state {job.state}; it cannot be cancelled.")
    if job.cancelled is not None:
        return Reply(payload={})
    cancelled = dataclasses.replace(job, cancelled=call.now)
    if not job.uncancellable:
        cancelled = dataclasses.replace(
            cancelled,
            ended=call.now + round(call.settings.vertex_cancel_seconds * SECOND),
            outcome="JOB_STATE_CANCELLED",
            error=_ERRORS["JOB_STATE_CANCELLED"],
        )
    call.database.update(cancelled)
    if not job.uncancellable:
        outputs.cancel(call, job)
        _reschedule(call, job.project)
    return Reply(payload={})


def rebase(_call: Call) -> Reply:
    """Refuse tuningJobs.rebaseTunedModel, which is not served."""
    raise ApiError(501)


def _reschedule(call: Call, project: str) -> None:
    """Let the waiting jobs of a project begin as soon as there is room for them."""
    jobs = call.database.execute(
        "SELECT seq, begun, lasting, ended, cancelled FROM vertex_jobs"  # noqa: S608
        f" WHERE {_IS_UNFINISHED} ORDER BY seq",
        project=project,
        now=call.now,
    )
    waiting = [job for job in jobs if job[1] >= call.now and job[4] is None]
    ends = [ended for _, begun, _, ended, cancelled in jobs if begun < call.now or cancelled is not None]
    heapq.heapify(ends)
    for seq, planned, lasting, _, _ in waiting:
        begun = call.now
        while len(ends) >= call.settings.vertex_concurrent_jobs:
            begun = heapq.heappop(ends)
        heapq.heappush(ends, begun + lasting)
        if begun != planned:
            query = "UPDATE vertex_jobs SET begun = :begun, ended = :ended WHERE seq = :job"
            call.database.execute(query, begun=begun, ended=begun + lasting, job=seq)
            for job in call.database.find(Job, "seq = :seq", seq=seq, now=call.now):
                outputs.move(call, job)


def _find_job(call: Call, job_id: str, also: str = "") -> Job:
    return lookup.find_one(call, Job, f"tuningJobs/{job_id}", f"id = :id{also}", _MISSING, id=job_id)


def _make_job(call: Call, fields: dict[str, Any]) -> tuple[Job, data_sets.DataSet | None]:
    """Return the new job, whose end the fault rules decide, and its data if that is fit."""
    here, job_id = lookup.read_location(call), lookup.make_id()
    labels = "\n".join(f"{key}={value}" for key, value in fields.get("labels", {}).items())
    subject = f"{job_id}\n{fields.get('tunedModelDisplayName', '')}\n{labels}"
    path = f"/v1/{here.write_name(f'tuningJobs/{job_id}')}"
    fate = faults.decide_fate(call.database, path, subject, call.settings.list_lag_seconds)
    duration = round(call.settings.training_seconds * SECOND)
    pending, lasting = min(_LONGEST_PENDING, duration // 10), round(duration * fate.at)
    outcome = fate.end or ("JOB_STATE_SUCCEEDED" if fate.failure is None else "JOB_STATE_FAILED")
    error = {**_ERRORS[outcome], **(fate.failure or {})} if outcome in _ERRORS else None
    data, stats = None, None
    try:
        data = data_sets.read_data(call, fields)
    except data_sets.UnfitDataError as unfit:
        outcome, error = "JOB_STATE_FAILED", {"code": _INVALID_ARGUMENT, "message": str(unfit)}
        lasting = pending + pending // 2
    else:
        job_requests.choose_hyperparameters(fields, len(data.examples))
        stats = data_sets.describe_data(data, fields)
    job = Job(
        id=job_id,
        **here._asdict(),
        fields=fields,
        created=call.now,
        begun=call.now,
        pending=pending,
        lasting=lasting,
        ended=call.now + lasting,
        outcome=outcome,
        error=error,
        uncancellable=fate.uncancellable,
        best=fate.best,
        listed=call.now + fate.hidden_from_list,
        readable=call.now + fate.hidden_from_get,
        stats=stats,
    )
    return job, data


def _show(call: Call, job: Job) -> dict[str, Any]:
    """Return the TuningJob as it is now."""
    now = call.now
    stopped = now if job.uncancellable or job.cancelled is None else job.cancelled
    started = job.begun + job.pending
    has_run = started <= stopped and started < job.ended
    is_over = job.ended <= now
    moments = (job.created, min(job.begun, stopped), min(started, stopped), job.cancelled or 0, job.ended)
    times = {
        "createTime": job.created,
        "startTime": started if has_run else None,
        "endTime": job.ended if is_over and job.outcome[10:] in _WITH_END_TIME else None,
        "updateTime": max(moment for moment in moments if moment <= now),
    }
    answer: dict[str, Any] = {
        "name": job.name,
        **job.fields,
        "state": job.state,
        **{key: format_time(time) for key, time in times.items() if time is not None},
    }
    if has_run:
        experiment = f"metadataStores/default/contexts/tuning-experiment-{job.id}"
        answer["experiment"] = job.write_name(experiment)
    if has_run and is_over and job.stats and job.outcome != "JOB_STATE_PAUSED":
        answer["tuningDataStats"] = job.stats
    if is_over and job.error:
        answer["error"] = job.error
    if tuned := outputs.show(job, now):
        answer["tunedModel"] = tuned
    evaluation = job.fields.get(job_requests.SPECS[0], {}).get("evaluationConfig")
    if evaluation and is_over and tuned and job.outcome in outputs.WITH_MODEL:
        prefix = evaluation["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
        output = {"gcsOutputDirectory": f"{prefix}/evaluation-{job.id}"}
        answer["evaluateDatasetRuns"] = [{"evaluateDatasetResponse": {"outputInfo": output}}]
    return answer
