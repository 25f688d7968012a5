"""Makes the outputs of a job: a version of a model, and an endpoint for each of its checkpoints.

Both are written down when the job is created. The endpoints begin to exist one by one while the job trains,
and the model when it ends. No document says when the model does.
"""

import math
from collections.abc import Sequence
from typing import Any

from reconciler.emulator.call import Call
from reconciler.emulator.vertex import data_sets, job_requests, lookup, models, places
from reconciler.emulator.vertex.records import Deployment, Endpoint, Job, ModelVersion, Split

_MOST_CHECKPOINTS = 10
# In these states a job has made its model.
WITH_MODEL = ("JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED")


def plan(call: Call, job: Job, data: data_sets.DataSet, parent: ModelVersion | None) -> dict[str, Any]:
    """Write down the model and the endpoints that a job will have made, and return its TunedModel.

    *parent* is the version of a model that is tuned further, None for a base model.
    """
    kind, spec = job_requests.find_spec(job.fields)
    epochs = int(spec["hyperParameters"]["epochCount"])
    checkpoints = _plan_checkpoints(epochs, data_sets.count_steps(data, epochs))
    if spec.get("exportLastCheckpointOnly"):
        checkpoints = checkpoints[-1:]
    base = job_requests.find_base(job.fields)
    title = job.fields.get("tunedModelDisplayName") or (
        parent.fields["displayName"] if parent else f"tuned-{base}-{job.id[:6]}"
    )
    # The service puts these labels on what a tuning makes; SDKs list tuned models by them.
    labels = {
        "google-vertex-llm-tuning-base-model-id": base.replace(".", "_"),
        "google-vertex-llm-tuning-job-id": job.id,
        "tune-type": "sft" if kind == job_requests.SPECS[0] else "preference-optimization",
    }
    fields: dict[str, Any] = {"displayName": title, "labels": {**job.fields.get("labels", {}), **labels}}
    system: dict[str, Any] = {
        "base": base,
        "checkpoints": checkpoints,
        "best": job.best,
    }
    for key, target in (("description", fields), ("encryptionSpec", system)):
        if job.fields.get(key):
            target[key] = job.fields[key]
    location = places.choose_location(call.settings, base, job.location)
    model_id, version = _choose_version(call, parent, title)
    product: dict[str, Any] = {
        "project": job.project,
        "location": parent.location if version > 1 and parent else location,
        "job": job.seq,
        "fields": fields,
        "system": system,
        "born": job.ended,
    }
    model = call.database.add(ModelVersion(id=model_id, version=version, **product))
    births = _list_births(job, [int(item["epoch"]) for item in checkpoints])
    endpoints = [
        _plan_endpoint(call, model, item["checkpointId"], {**product, "born": born})
        for item, born in zip(checkpoints, births, strict=True)
    ]
    tuned: dict[str, Any] = {"model": model.name, "endpoint": endpoints[-1].name}
    if not spec.get("exportLastCheckpointOnly"):
        pairs = zip(checkpoints, endpoints, strict=True)
        tuned["checkpoints"] = [{**checkpoint, "endpoint": endpoint.name} for checkpoint, endpoint in pairs]
    return tuned


def show(job: Job, now: int) -> dict[str, Any] | None:
    """Return the TunedModel of a job as it is now, None if there is nothing of it yet.

    While the job trains, and if it is cancelled, it has the checkpoints that there are. `endpoint` is the one
    of the last of them.
    """
    tuned = job.tuned
    if tuned is None or (job.ended <= now and job.outcome in WITH_MODEL):
        return tuned
    stopped = now if job.uncancellable or job.cancelled is None else min(now, job.cancelled)
    checkpoints = tuned.get("checkpoints", [])
    births = _list_births(job, [int(item["epoch"]) for item in checkpoints])
    made = [item for item, born in zip(checkpoints, births, strict=True) if born <= stopped]
    if not made:
        return None
    return {"model": tuned["model"], "endpoint": made[-1]["endpoint"], "checkpoints": made}


def move(call: Call, job: Job) -> None:
    """Write when what a job makes begins to exist, because the job begins at another time."""
    endpoints = call.database.find(Endpoint, "job = :job", job=job.seq, now=call.now)
    epochs = [int(item["epoch"]) for item in (job.tuned or {}).get("checkpoints", [])]
    births = _list_births(job, epochs) if epochs else [job.ended]
    for kind, key in ((Endpoint, "rowid"), (Deployment, "endpoint"), (Split, "endpoint")):
        for endpoint, born in zip(endpoints, births, strict=True):
            query = f"UPDATE {kind.TABLE} SET born = :born WHERE {key} = :seq AND job = :job"  # noqa: S608
            call.database.execute(query, born=born, seq=endpoint.seq, job=job.seq)
    query = f"UPDATE {ModelVersion.TABLE} SET born = :born WHERE job = :job"  # noqa: S608
    call.database.execute(query, born=job.ended, job=job.seq)


def cancel(call: Call, job: Job) -> None:
    """Write that what a job has not made yet will never exist."""
    for kind in (ModelVersion, Endpoint, Deployment, Split):
        query = f"UPDATE {kind.TABLE} SET born = NULL WHERE job = :job AND born > :now"  # noqa: S608
        call.database.execute(query, job=job.seq, now=call.now)


def _list_births(job: Job, epochs: Sequence[int]) -> list[int]:
    """Return when the checkpoint at the end of each of these epochs is deployed, the last at the end."""
    started, end = job.begun + job.pending, job.begun + job.lasting
    return [started + (end - started) * epoch // epochs[-1] for epoch in epochs]


def _plan_endpoint(call: Call, model: ModelVersion, checkpoint: str, product: dict[str, Any]) -> Endpoint:
    """Write down the endpoint of a checkpoint, with all its traffic for that checkpoint."""
    key = {name: model.system[name] for name in ("encryptionSpec",) if name in model.system}
    endpoint = call.database.add(Endpoint(id=lookup.make_id(), **{**product, "system": key}))
    deployed = {
        "fields": {"displayName": model.fields["displayName"]},
        "system": model.knowledge,
        "endpoint": endpoint.seq,
        "model": model.name,
        "checkpoint": checkpoint,
    }
    deployment = call.database.add(Deployment(id=lookup.make_id(), **{**product, **deployed}))
    shares = {deployment.id: 100}
    call.database.add(Split(endpoint=endpoint.seq, job=model.job, shares=shares, born=endpoint.born))
    return endpoint


def _choose_version(call: Call, parent: ModelVersion | None, title: str) -> tuple[str, int]:
    """Return the id of the model, and the number of its version, that a job creates.

    A tuning that goes on from a model adds a version to it, unless it asks for another display name.
    """
    if parent is None or title != parent.fields["displayName"]:
        return lookup.make_id(), 1
    return parent.id, models.choose_next_version(call, parent)


def _plan_checkpoints(epochs: int, steps: int) -> list[dict[str, str]]:
    """Return a checkpoint for each epoch, ten at most."""
    count = min(_MOST_CHECKPOINTS, epochs)
    ends = [math.ceil(epochs * number / count) for number in range(1, count + 1)]
    return [
        {"checkpointId": str(number), "epoch": str(epoch), "step": str(math.ceil(steps * epoch / epochs))}
        for number, epoch in enumerate(ends, 1)
    ]
