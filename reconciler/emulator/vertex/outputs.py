"""Makes the outputs of a job: a version of a model, and an endpoint for each of its checkpoints.

Both are written down when the job is created, and exist once the job has ended.
"""

import math
from typing import Any

from reconciler.emulator.call import Call
from reconciler.emulator.vertex import data_sets, job_requests, lookup, models, places
from reconciler.emulator.vertex.records import Deployment, Endpoint, Job, ModelVersion, Split

_MOST_CHECKPOINTS = 10


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
    endpoints = [_plan_endpoint(call, model, item["checkpointId"], product) for item in checkpoints]
    tuned: dict[str, Any] = {"model": model.name, "endpoint": endpoints[-1].name}
    if not spec.get("exportLastCheckpointOnly"):
        pairs = zip(checkpoints, endpoints, strict=True)
        tuned["checkpoints"] = [{**checkpoint, "endpoint": endpoint.name} for checkpoint, endpoint in pairs]
    return tuned


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
