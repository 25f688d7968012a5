"""Tuning jobs: create, get, list, cancel.

Create answers the job itself, under a number that the service chose; there is no key that would
make a second request the same one. What a job will make is decided when it is created, and comes to
be when it ends well: a model version, and an endpoint for each of its checkpoints.
"""

import dataclasses
from typing import Any

from reconciler.emulator import faults
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError, failed_precondition
from reconciler.emulator.gemini.progress import SECOND, six_digits
from reconciler.emulator.vertex.data_sets import (
    DataSet,
    Unfit,
    check_validation,
    read_data_set,
    stats,
)
from reconciler.emulator.vertex.job_requests import SPECS, is_multimodal, read_job
from reconciler.emulator.vertex.listing import page
from reconciler.emulator.vertex.messages import NOTHING
from reconciler.emulator.vertex.names import full_name, new_id, place
from reconciler.emulator.vertex.outputs import epochs_of, plan_model
from reconciler.emulator.vertex.queue import WITH_MODEL, is_full, reschedule
from reconciler.emulator.vertex.records import Job, Records
from reconciler.emulator.vertex.versions import HERE

_LONGEST_PENDING = 30 * SECOND
_INVALID_ARGUMENT = 3
_WITH_END_TIME = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
# Only these have an error, says the document.
_ERRORS = {
    "JOB_STATE_FAILED": {"code": 13, "message": "Internal error."},
    "JOB_STATE_CANCELLED": {"code": 1, "message": "The TuningJob was cancelled."},
}
_COLUMNS = {
    "state": "state",
    "displayName": "json_extract(fields, '$.tunedModelDisplayName')",
    "tunedModelDisplayName": "json_extract(fields, '$.tunedModelDisplayName')",
    "baseModel": "json_extract(fields, '$.baseModel')",
}


def create(call: Call) -> Reply:
    """tuningJobs.create."""
    call.parameters()
    records = Records(call.store.connection)
    fields, parent = read_job(call, records)
    where, settings = place(call), call.settings
    full = is_full(records, where["project"], call.now, settings.vertex_concurrent_jobs)
    if full and settings.vertex_over_quota == "refuse":
        text = (
            "Quota exceeded for aiplatform.googleapis.com/global_concurrent_tuning_jobs. Please "
            "submit a quota increase request. https://cloud.google.com/vertex-ai/docs/quotas"
        )
        raise ApiError(429, text)
    job, data = _new_job(call, fields)
    job = records.add(job)
    if data:
        records.add_pairs(job, data.pairs)
        if job.outcome in WITH_MODEL:
            job = plan_model(records, job, data, parent)
    if full:
        reschedule(records, where["project"], call.now, settings.vertex_concurrent_jobs)
    call.effect = True
    return Reply(payload=shown(_find(call, records, job.id), call.now))


def get(call: Call) -> Reply:
    """tuningJobs.get."""
    call.parameters()
    job = _find(call, Records(call.store.connection), call.path["job"])
    if call.now < job.readable:
        raise _not_found(call)
    return Reply(payload=shown(job, call.now))


def list_jobs(call: Call) -> Reply:
    """tuningJobs.list: the newest first, which no document says."""
    return page(
        call,
        Job,
        call.parameters("filter", "page_size", "page_token"),
        key="tuningJobs",
        columns=_COLUMNS,
        where="listed <= :now",
        shown=lambda job: shown(job, call.now),
    )


def cancel(call: Call) -> Reply:
    """tuningJobs.cancel: CANCELLING for a while, then CANCELLED; nothing comes of the job."""
    call.parameters()
    call.message(NOTHING)
    records = Records(call.store.connection)
    job = _find(call, records, call.path["job"])
    if job.ended <= call.now and job.state != "JOB_STATE_PAUSED":
        raise failed_precondition(
            f"The TuningJob {name_of(job)} is in state {job.state}; it cannot be cancelled."
        )
    settings = call.settings
    if job.cancelled is None and job.uncancellable:
        records.put(dataclasses.replace(job, cancelled=call.now))
        call.effect = True
    elif job.cancelled is None:
        job = dataclasses.replace(
            job,
            cancelled=call.now,
            ended=call.now + round(settings.vertex_cancel_seconds * SECOND),
            outcome="JOB_STATE_CANCELLED",
            error=_ERRORS["JOB_STATE_CANCELLED"],
        )
        records.put(job)
        records.never_born(job)
        reschedule(records, job.project, call.now, settings.vertex_concurrent_jobs)
        call.effect = True
    return Reply(payload={})


def rebase(_call: Call) -> Reply:
    """tuningJobs.rebaseTunedModel: not here."""
    raise ApiError(501)


def name_of(job: Job) -> str:
    """Return the resource name of a job."""
    return full_name(job.project, job.location, f"tuningJobs/{job.id}")


def shown(job: Job, now: int) -> dict[str, Any]:
    """Return the TuningJob as it is at *now*, when its state was asked."""
    stopped = now if job.uncancellable or job.cancelled is None else job.cancelled
    started = job.begun + job.pending
    ran = started <= stopped and started < job.ended
    over = job.ended <= now
    moments = [job.created, min(job.begun, stopped), min(started, stopped), job.cancelled or 0, job.ended]
    times = {
        "createTime": job.created,
        "startTime": started if ran else None,
        "endTime": job.ended if over and job.outcome[10:] in _WITH_END_TIME else None,
        "updateTime": max(moment for moment in moments if moment <= now),
    }
    answer: dict[str, Any] = {
        "name": name_of(job),
        **job.fields,
        "state": job.state,
        **{key: six_digits(time) for key, time in times.items() if time is not None},
    }
    if ran:
        answer["experiment"] = full_name(
            job.project,
            job.location,
            f"metadataStores/default/contexts/tuning-experiment-{job.id}",
        )
        if job.stats:
            answer["tuningDataStats"] = job.stats
    if over and job.error:
        answer["error"] = job.error
    if over and job.tuned and job.outcome in WITH_MODEL:
        answer["tunedModel"] = job.tuned
        evaluation = job.fields.get(SPECS[0], {}).get("evaluationConfig")
        if evaluation:
            prefix = evaluation["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
            made = {"gcsOutputDirectory": f"{prefix}/evaluation-{job.id}"}
            answer["evaluateDatasetRuns"] = [{"evaluateDatasetResponse": {"outputInfo": made}}]
    return answer


def _find(call: Call, records: Records, job_id: str) -> Job:
    where = f"id = :id AND {HERE}"
    found = records.find(Job, where, id=job_id, now=call.now, **place(call))
    if not found:
        raise _not_found(call)
    return found[0]


def _not_found(call: Call) -> ApiError:
    here = place(call)
    name = full_name(here["project"], here["location"], f"tuningJobs/{call.path['job']}")
    return ApiError(404, f"The TuningJob does not exist: {name}")


def _new_job(call: Call, fields: dict[str, Any]) -> tuple[Job, DataSet | None]:
    """Return the job with its fate, and its data if that is fit."""
    here, job_id = place(call), new_id()
    labels = "\n".join(f"{key}={value}" for key, value in fields.get("labels", {}).items())
    subject = f"{job_id}\n{fields.get('tunedModelDisplayName', '')}\n{labels}"
    path = f"/v1/{full_name(here['project'], here['location'], f'tuningJobs/{job_id}')}"
    fate = faults.fate(call.store, path, subject, call.settings.list_lag_seconds)
    duration = round(call.settings.training_seconds * SECOND)
    pending, lasting = min(_LONGEST_PENDING, duration // 10), round(duration * fate.at)
    outcome = fate.end or ("JOB_STATE_SUCCEEDED" if fate.fail is None else "JOB_STATE_FAILED")
    error = {**_ERRORS[outcome], **(fate.fail or {})} if outcome in _ERRORS else None
    data, counted = None, None
    try:
        data, counted = _data(call, fields)
    except Unfit as unfit:
        outcome, error = "JOB_STATE_FAILED", {"code": _INVALID_ARGUMENT, "message": str(unfit)}
        lasting = pending + pending // 2
    job = Job(
        id=job_id,
        **here,
        fields=fields,
        created=call.now,
        begun=call.now,
        pending=pending,
        lasting=lasting,
        ended=call.now + lasting,
        outcome=outcome,
        error=error,
        uncancellable=fate.uncancellable,
        listed=call.now + fate.hidden_from_list,
        readable=call.now + fate.hidden_from_get,
        stats=counted,
    )
    return job, data


def _data(call: Call, fields: dict[str, Any]) -> tuple[DataSet, dict[str, Any] | None]:
    """Return the data, and what is counted in it; of a multimodal dataset nothing is known here."""
    kind = next(name for name in SPECS if name in fields)
    spec, preference = fields[kind], kind == SPECS[1]
    training, uri = spec["trainingDatasetUri"], spec.get("validationDatasetUri", "")
    checked = None
    if uri and not is_multimodal(uri):
        checked = read_data_set(call.store, uri, preference=preference)
    if is_multimodal(training):
        return DataSet([], []), None
    data = read_data_set(call.store, training, preference=preference)
    if checked:
        check_validation(data, checked, uri)
    return data, stats(data, epochs_of(fields), preference=preference)
