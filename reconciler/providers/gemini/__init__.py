"""The Gemini API's tunedModels (v1beta): `fields` is the table, `codec` the JSON, `provider` the calls."""
