"""Vertex AI: tuning jobs, the models and endpoints that they make, long-running operations, and inference."""
