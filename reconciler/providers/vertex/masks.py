"""The fields that lists of everything ask for, in the syntax of the parameter `fields` (`google.partial`).

A mask has every field that a reader of a listed resource reads. It leaves out the distributions and examples
of a job's data, and what people put into their own models and endpoints. A single resource is read whole, and
so is a list that decides on a creation or a deletion.
Rule: whoever reads another field of a listed resource adds it here. tests/providers/test_vertex_masks.py
compares what is read with and without these masks.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.formats import to_camel_case
from reconciler.providers.vertex.fields import TUNING_JOB

_DECLARED = ",".join(
    dict.fromkeys(
        to_camel_case(path.partition(".")[0])
        for path in TUNING_JOB.fields
        if not path.startswith("metadata.")
    )
)
_COUNTS = "tuningDatasetExampleCount,totalBillableTokenCount,tuningStepCount"
_JOB = (
    f"{_DECLARED},name,state,createTime,endTime,error,tunedModel,evaluateDatasetRuns,experiment,gcsMetricsUri,"
    f"tuningDataStats(supervisedTuningDataStats({_COUNTS},totalTuningCharacterCount,"
    f"totalBillableCharacterCount,totalTruncatedExampleCount),preferenceOptimizationDataStats({_COUNTS}))"
)
_MODEL = (
    "name,displayName,description,labels,createTime,versionId,versionAliases,versionCreateTime,deployedModels,"
    "checkpoints,defaultCheckpointId,modelSourceInfo,originalModelInfo,baseModelSource,encryptionSpec,etag"
)
_ENDPOINT = (
    "name,displayName,description,labels,createTime,etag,trafficSplit,"
    "deployedModels(id,model,modelVersionId,checkpointId)"
)
LISTED: Mapping[str, str] = {"tuningJobs": _JOB, "models": _MODEL, "endpoints": _ENDPOINT}
"""The fields of an entry, by the name of its list."""
