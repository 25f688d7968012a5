"""The Gemini API's tuned models and Vertex AI's tuning jobs, served locally.

This package is written from the API's documents only and shares no code with the client beside it:
the two can then disagree, and a test can see it. It trains nothing. A training is a stretch of the
emulator's own clock, and an answer of a tuned model is the nearest of the examples it was given.

Importing this package is cheap: the web server is loaded by `reconciler.emulator.server` only.
"""

from reconciler.emulator.settings import Settings

__all__ = ["Settings"]
