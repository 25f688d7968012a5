"""The Gemini API: tuned models, their operations and permissions, base models, and inference."""
