"""The Gemini API: tuned models, their operations and permissions, base models, and inference."""

from reconciler.emulator.gemini.records import Examples, Permission, TunedModel

RECORDS = (TunedModel, Examples, Permission)
