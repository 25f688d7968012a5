"""Inference: generateContent, streamGenerateContent and countTokens of tuned and base models."""

from typing import Any

from reconciler.emulator import generation
from reconciler.emulator.base_models import is_retired
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ArgumentError, PreconditionError
from reconciler.emulator.gemini import messages, models, permissions, progress
from reconciler.emulator.gemini.records import Examples

_SAFETY = [
    {"category": f"HARM_CATEGORY_{category}", "probability": "NEGLIGIBLE"}
    for category in ("SEXUALLY_EXPLICIT", "HATE_SPEECH", "HARASSMENT", "DANGEROUS_CONTENT")
]
_LONGEST_PROMPT = 40_000


def generate(call: Call) -> Reply:
    """Answer generateContent and streamGenerateContent."""
    prompt = _read_prompt(call.read_message(messages.GENERATE_CONTENT))
    answer, version = _answer(call, prompt)
    chunks = generation.split_answer(call, answer)
    return generation.reply(call, [_show_response(prompt, answer, chunk, version) for chunk in chunks])


def count_tokens(call: Call) -> Reply:
    """Answer countTokens."""
    message = call.read_message(messages.COUNT_TOKENS)
    message = message.get("generateContentRequest", message)
    _answer(call, "")
    return Reply(payload={"totalTokens": generation.count_tokens(_read_prompt(message))})


def _answer(call: Call, prompt: str) -> tuple[str, str]:
    """Return the answer of the model in the path, and its version."""
    if call.path["collection"] == "models":
        name = f"models/{call.path['model']}"
        if name not in models.find_names(call) or "embedding" in name:
            raise models.BaseModelNotFoundError(name, call.version, "generateContent")
        return generation.echo(name, prompt), name.removeprefix("models/")
    model = permissions.find_model(call)
    if call.settings.tuned_ends_with_base and is_retired(model.base, call.settings.retires, call.now):
        raise models.BaseModelNotFoundError(model.base, call.version, "generateContent")
    if progress.find_state(model.training, call.now) != "ACTIVE":
        raise PreconditionError(f"Tuned model {model.name} is not active.")
    if len(prompt) > _LONGEST_PROMPT:
        raise ArgumentError(f"The prompt is longer than {_LONGEST_PROMPT} characters.")
    (examples,) = call.database.find(Examples, "model = :model", model=model.seq)
    return generation.find_nearest_output(prompt, examples.pairs), model.name


def _read_prompt(message: dict[str, Any]) -> str:
    """Return the text of the last content."""
    contents = message.get("contents", [])
    if not contents:
        text = "* GenerateContentRequest.contents: contents is not specified\n"
        raise ArgumentError(text, field="contents")
    if not contents[-1].get("parts"):
        text = "* GenerateContentRequest.contents[0].parts: contents.parts must not be empty.\n"
        raise ArgumentError(text, field="contents")
    return generation.read_text(contents[-1])


def _show_response(prompt: str, answer: str, chunk: str, version: str) -> dict[str, Any]:
    """Return the GenerateContentResponse for one chunk of an answer."""
    candidate = {
        "content": {"parts": [{"text": chunk}], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
        "safetyRatings": _SAFETY,
    }
    return {
        "candidates": [candidate],
        "promptFeedback": {"safetyRatings": _SAFETY},
        "usageMetadata": generation.describe_usage(prompt, answer),
        "modelVersion": version,
    }
