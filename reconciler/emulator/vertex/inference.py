"""Inference: generateContent, streamGenerateContent and countTokens of endpoints and base models."""

import hashlib
import re
from typing import Any

from reconciler.emulator import generation
from reconciler.emulator.base_models import is_retired
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.clock import format_time
from reconciler.emulator.errors import ApiError, ArgumentError
from reconciler.emulator.vertex import endpoints, messages, places, serving
from reconciler.emulator.vertex.records import Examples


def generate(call: Call) -> Reply:
    """Answer generateContent and streamGenerateContent."""
    contents = call.read_message(messages.GENERATE_CONTENT).get("contents", [])
    if not contents or not contents[-1].get("parts"):
        raise ArgumentError("Unable to submit request because at least one contents field is required.")
    prompt = generation.read_text(contents[-1])
    answer, version = _answer(call, prompt)
    return generation.reply(call, _show_chunks(call, prompt, generation.split_answer(call, answer), version))


def count_tokens(call: Call) -> Reply:
    """Answer countTokens."""
    message = call.read_message(messages.COUNT_TOKENS)
    _answer(call, None)
    text = "".join(map(generation.read_text, message.get("contents", [])))
    total = generation.count_tokens(text)
    return Reply(payload={"totalTokens": total, "totalBillableCharacters": len(text)})


def predict(call: Call) -> Reply:
    """Refuse predict, which a tuned Gemini model does not answer."""
    serving.choose(call, endpoints.find_endpoint(call), "")
    raise ApiError(400, "Required instances format mismatch")


def _answer(call: Call, prompt: str | None) -> tuple[str, str]:
    """Return the answer of what is in the path ('' without a prompt), and the version of the model."""
    if "publisher_model" in call.path:
        name = call.path["publisher_model"]
        has_retired = is_retired(name, call.settings.vertex_retires, call.now)
        can_answer = places.can_answer(call.settings, name, call.path["location"])
        if has_retired or not can_answer or not re.fullmatch(r"gemini-[0-9].*|translation-llm.*", name):
            raise _make_not_found_error(name)
        return generation.echo(name, prompt or ""), name
    endpoint = endpoints.find_endpoint(call)
    deployment = serving.choose(call, endpoint, prompt or "")
    base: str = deployment.system["base"]
    if call.settings.tuned_ends_with_base and is_retired(base, call.settings.vertex_retires, call.now):
        raise _make_not_found_error(base)
    if prompt is None:
        return "", base
    examples = call.database.find_one(
        Examples, "job = :job", job=deployment.system.get("job", deployment.job)
    )
    if examples is None or not examples.pairs:
        return f"The emulator does not know what was learnt; it was asked: {prompt[:200]}", base
    pairs = examples.pairs
    if deployment.system.get("best") not in {None, "", deployment.checkpoint}:
        pairs = pairs[::2]
    return generation.find_nearest_output(prompt, pairs), base


def _make_not_found_error(name: str) -> ApiError:
    text = f"Publisher Model `{name[:80]}` was not found or your project does not have access to it."
    return ApiError(404, text)


def _show_chunks(call: Call, prompt: str, texts: list[str], version: str) -> list[dict[str, Any]]:
    """Return a GenerateContentResponse for each part of an answer."""
    usage = generation.describe_usage(prompt, "".join(texts))
    details = {
        f"{kind}TokensDetails": [{"modality": "TEXT", "tokenCount": usage[f"{kind}TokenCount"]}]
        for kind in ("prompt", "candidates")
    }
    common = {
        "modelVersion": version,
        "createTime": format_time(call.now),
        "responseId": hashlib.blake2b(f"{call.now}/{prompt}".encode(), digest_size=16).hexdigest(),
    }
    chunks: list[dict[str, Any]] = [
        {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}}], **common}
        for text in texts
    ]
    chunks[-1]["candidates"][0]["finishReason"] = "STOP"
    chunks[-1]["usageMetadata"] = {**usage, "trafficType": "ON_DEMAND", **details}
    return chunks
