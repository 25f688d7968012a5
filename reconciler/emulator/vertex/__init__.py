"""Vertex AI: tuning jobs, the models and endpoints that they make, long-running operations, and inference."""

from reconciler.emulator.vertex.records import Endpoint, Examples, Job, ModelVersion, Operation

RECORDS = (Job, Examples, ModelVersion, Endpoint, Operation)
