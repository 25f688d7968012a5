"""What a job will have made when it ends well: a model version, and an endpoint for each checkpoint.

It is written down when the job is created, and is there from the job's end on.
"""

import dataclasses
import math
from typing import Any

from reconciler.emulator.vertex.data_sets import DataSet, step_count
from reconciler.emulator.vertex.job_requests import SPECS
from reconciler.emulator.vertex.names import Place, full_name, new_id
from reconciler.emulator.vertex.records import Endpoint, Job, ModelVersion, Records


def epochs_of(fields: dict[str, Any]) -> int:
    """Return how often a job goes through its data."""
    return int(fields[next(name for name in SPECS if name in fields)]["hyperParameters"]["epochCount"])


def plan_model(records: Records, job: Job, data: DataSet, parent: ModelVersion | None) -> Job:
    """Write down the model and the endpoints that the job will have made when it ends."""
    fields, here = job.fields, Place(project=job.project, location=job.location)
    kind = next(name for name in SPECS if name in fields)
    base = parent.system["base"] if parent else fields["baseModel"].removeprefix("publishers/google/models/")
    title = fields.get("tunedModelDisplayName") or (
        parent.fields["displayName"] if parent else f"tuned-{base}-{job.id[:6]}"
    )
    goes_on = parent is not None and title == parent.fields["displayName"]
    model_id, version = new_id(), 1
    if parent and goes_on:
        model_id = parent.id
        version = 1 + max(v.version for v in records.find(ModelVersion, "id = :id", id=parent.id))
    epochs = epochs_of(fields)
    marks = _checkpoints(epochs, step_count(data, epochs))
    if fields[kind].get("exportLastCheckpointOnly"):
        marks = marks[-1:]
    # Labels that the service puts on what a tuning makes; SDKs list tuned models by them.
    system = {
        "google-vertex-llm-tuning-base-model-id": base.replace(".", "-"),
        "google-vertex-llm-tuning-job-id": job.id,
        "tune-type": "sft" if kind == SPECS[0] else "preference-optimization",
    }
    own: dict[str, Any] = {"displayName": title, "labels": {**fields.get("labels", {}), **system}}
    if fields.get("description"):
        own["description"] = fields["description"]
    about = {"base": base, "checkpoints": marks, "labels": system}
    about |= {"encryptionSpec": fields["encryptionSpec"]} if "encryptionSpec" in fields else {}
    records.add(
        ModelVersion(
            id=model_id, **here, version=version, job=job.seq, fields=own, system=about, born=job.ended
        )
    )
    places = [
        records.add(
            Endpoint(
                id=new_id(),
                **here,
                job=job.seq,
                model=model_id,
                version=version,
                checkpoint=mark["checkpointId"],
                deployed=new_id(),
                fields=own,
                system=about,
                born=job.ended,
            )
        )
        for mark in marks
    ]
    names = [full_name(job.project, job.location, f"endpoints/{place.id}") for place in places]
    tuned: dict[str, Any] = {
        "model": full_name(job.project, job.location, f"models/{model_id}@{version}"),
        "endpoint": names[-1],
    }
    if not fields[kind].get("exportLastCheckpointOnly"):
        pairs = zip(marks, names, strict=True)
        tuned["checkpoints"] = [{**mark, "endpoint": name} for mark, name in pairs]
    job = dataclasses.replace(job, tuned=tuned)
    records.put(job)
    return job


def _checkpoints(epochs: int, steps: int) -> list[dict[str, str]]:
    """Return one for each epoch, ten at most."""
    count = min(10, epochs)
    ends = [math.ceil(epochs * n / count) for n in range(1, count + 1)]
    return [
        {"checkpointId": str(n), "epoch": str(epoch), "step": str(math.ceil(steps * epoch / epochs))}
        for n, epoch in enumerate(ends, 1)
    ]
