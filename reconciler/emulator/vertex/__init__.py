"""Vertex AI's tuning jobs, and the models and endpoints that come of them, served locally."""

from reconciler.emulator.vertex.routes import route

__all__ = ["route"]
