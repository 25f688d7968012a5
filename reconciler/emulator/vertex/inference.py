"""Answers of endpoints: the nearest training example, as on the Gemini side; base models echo."""

import hashlib
import json
import re
from typing import Any

from reconciler.emulator.base_models import is_retired
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError, failed_precondition, invalid
from reconciler.emulator.gemini.inference import nearest
from reconciler.emulator.gemini.progress import six_digits
from reconciler.emulator.json_text import write
from reconciler.emulator.vertex.endpoints import find_endpoint, is_deployed
from reconciler.emulator.vertex.messages import COUNT_TOKENS, GENERATE_CONTENT
from reconciler.emulator.vertex.records import Records


def generate(call: Call) -> Reply:
    """GenerateContent."""
    call.parameters()
    return Reply(payload=_answers(call, whole=True)[0])


def stream_generate(call: Call) -> Reply:
    """streamGenerateContent: a JSON array, or server-sent events for alt=sse."""
    call.parameters()
    chunks = _answers(call, whole=False)
    if call.query.get("alt", call.query.get("$alt")) == "sse":
        events = tuple(f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n" for chunk in chunks)
        return Reply(stream=events, media_type="text/event-stream")
    commas = [",\r\n" if n else "[" for n in range(len(chunks))]
    parts = [before + write(chunk) for before, chunk in zip(commas, chunks, strict=True)]
    return Reply(stream=(*parts, "\n]"))


def count_tokens(call: Call) -> Reply:
    """countTokens: one for each four characters."""
    call.parameters()
    asked = call.message(COUNT_TOKENS)
    _model_answer(call, None)
    texts = [_text(content) for content in asked.get("contents", [])]
    length = sum(len(text) for text in texts)
    return Reply(payload={"totalTokens": (length + 3) // 4, "totalBillableCharacters": length})


def _answers(call: Call, *, whole: bool) -> list[dict[str, Any]]:
    contents = call.message(GENERATE_CONTENT).get("contents", [])
    if not contents or not contents[-1].get("parts"):
        raise invalid("Unable to submit request because at least one contents field is required.")
    prompt = _text(contents[-1])
    answer, version = _model_answer(call, prompt)
    middle = 0 if whole else answer.find(" ", len(answer) // 2) + 1
    texts = [answer[:middle], answer[middle:]] if middle else [answer]
    made = hashlib.blake2b(f"{call.now}/{prompt}".encode(), digest_size=16).hexdigest()
    asked, answered = _tokens(prompt), _tokens(answer)
    usage = {
        "promptTokenCount": asked,
        "candidatesTokenCount": answered,
        "totalTokenCount": asked + answered,
        "trafficType": "ON_DEMAND",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": asked}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": answered}],
    }
    chunks: list[dict[str, Any]] = []
    for text in texts:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
        about = {"modelVersion": version, "createTime": six_digits(call.now), "responseId": made}
        chunks.append({"candidates": [candidate], **about})
    chunks[-1]["candidates"][0]["finishReason"] = "STOP"
    chunks[-1]["usageMetadata"] = usage
    return chunks


def _model_answer(call: Call, prompt: str | None) -> tuple[str, str]:
    """Return the answer, or none without a prompt, and the version of the model."""
    if "publisher_model" in call.path:
        name = call.path["publisher_model"]
        gone = is_retired(name, call.settings.vertex_retires, call.now)
        if gone or not re.fullmatch(r"gemini-[0-9].*|translation-llm.*", name):
            raise _no_publisher_model(name)
        return f"The emulator has no model behind {name}; it was asked: {(prompt or '')[:200]}", name
    records = Records(call.store.connection)
    endpoint = find_endpoint(call, records)
    if not is_deployed(endpoint, call.now):
        raise failed_precondition("The Endpoint has no DeployedModel to serve the request.")
    version = f"{endpoint.system['base']}"
    ends = call.settings.tuned_ends_with_base
    if ends and is_retired(version, call.settings.vertex_retires, call.now):
        raise _no_publisher_model(version)
    pairs = records.pairs(endpoint.job)
    if not pairs:
        return f"The emulator does not know what was learnt; it was asked: {(prompt or '')[:200]}", version
    return nearest(prompt, pairs) if prompt is not None else "", version


def _no_publisher_model(name: str) -> ApiError:
    text = f"Publisher Model `{name[:80]}` was not found or your project does not have access to it."
    return ApiError(404, text)


def _text(content: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in content.get("parts", []))


def _tokens(text: str) -> int:
    return (len(text) + 3) // 4
