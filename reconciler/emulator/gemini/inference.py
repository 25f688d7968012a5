"""Answers of models: no intelligence, the nearest training example.

A tuned model answers with the output of the example whose input is the prompt, else of the one that
shares most words and letters with it. A base model says what it was asked and that nobody is there.
"""

import itertools
import json
import re
from collections import Counter
from typing import Any

from reconciler.emulator.base_models import is_retired
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import failed_precondition, invalid
from reconciler.emulator.gemini import models, progress
from reconciler.emulator.gemini.access import find
from reconciler.emulator.json_text import write
from reconciler.emulator.protojson import COUNT_TOKENS, GENERATE_CONTENT

_SAFETY = [
    {"category": f"HARM_CATEGORY_{category}", "probability": "NEGLIGIBLE"}
    for category in ("SEXUALLY_EXPLICIT", "HATE_SPEECH", "HARASSMENT", "DANGEROUS_CONTENT")
]
_LONGEST_PROMPT = 40_000


def nearest(prompt: str, pairs: list[tuple[str, str]]) -> str:
    """Return the output of the example that *prompt* is most like; the first of equals."""
    wanted = prompt.strip()
    for given, output in pairs:
        if given.strip() == wanted:
            return output
    grams = _grams(wanted)
    return max(pairs, key=lambda pair: _likeness(grams, _grams(pair[0])))[1]


def _grams(text: str) -> Counter[str]:
    """Return the words and the letter pairs of *text*, a word counting as three pairs."""
    lowered = text.lower()
    words = re.findall(r"\w+", lowered)
    grams = Counter({word: 3 * count for word, count in Counter(words).items()})
    grams.update(f" {a}{b}" for a, b in itertools.pairwise(lowered))
    return grams


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


def generate(call: Call) -> Reply:
    """generateContent, of a tuned or a base model."""
    call.parameters()
    asked, answer, version = _answer(call)
    return Reply(payload=_response(asked, [answer], version)[0])


def stream_generate(call: Call) -> Reply:
    """streamGenerateContent: a JSON array, or server-sent events for alt=sse."""
    call.parameters()
    asked, answer, version = _answer(call)
    middle = answer.find(" ", len(answer) // 2) + 1
    chunks = _response(asked, [answer[:middle], answer[middle:]] if middle else [answer], version)
    if call.query.get("alt", call.query.get("$alt")) == "sse":
        events = tuple(f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n" for chunk in chunks)
        return Reply(stream=events, media_type="text/event-stream")
    texts = [write(chunk) for chunk in chunks]
    commas = [",\r\n" if n else "[" for n in range(len(texts))]
    parts = [before + text for before, text in zip(commas, texts, strict=True)]
    # Not a byte after the bracket: the old SDK stumbles over one.
    return Reply(stream=(*parts, "\n]"))


def count_tokens(call: Call) -> Reply:
    """countTokens: about one for each four characters."""
    call.parameters()
    asked = call.message(COUNT_TOKENS)
    asked = asked.get("generateContentRequest", asked)
    _model_answer(call, "")
    return Reply(payload={"totalTokens": _tokens(_prompt(asked))})


def _answer(call: Call) -> tuple[str, str, str]:
    """Return the prompt, the answer, and the version of the model that gave it."""
    prompt = _prompt(call.message(GENERATE_CONTENT))
    answer, version = _model_answer(call, prompt)
    return prompt, answer, version


def _model_answer(call: Call, prompt: str) -> tuple[str, str]:
    if call.path["collection"] == "models":
        name = f"models/{call.path['model']}"
        if name not in models.names(call.settings, call.now) or "embedding" in name:
            raise models.not_found(name, call.version, "generateContent")
        answer = f"The emulator has no model behind {name}; it was asked: {prompt[:200]}"
        return answer, name.removeprefix("models/")
    model = find(call)
    base = models.base_of(model.fields)
    if call.settings.tuned_ends_with_base and is_retired(base, call.settings.retires, call.now):
        raise models.not_found(base, call.version, "generateContent")
    if progress.state(model.training, call.now) != "ACTIVE":
        raise failed_precondition(f"Tuned model {model.name} is not active.")
    if len(prompt) > _LONGEST_PROMPT:
        raise invalid(f"The prompt is longer than {_LONGEST_PROMPT} characters.")
    return nearest(prompt, call.store.pairs(model)), model.name


def _prompt(asked: dict[str, Any]) -> str:
    """Return the text of the last content."""
    contents = asked.get("contents", [])
    if not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified\n", field="contents")
    parts = contents[-1].get("parts", [])
    if not parts:
        text = "* GenerateContentRequest.contents[0].parts: contents.parts must not be empty.\n"
        raise invalid(text, field="contents")
    return "".join(part.get("text", "") for part in parts)


def _tokens(text: str) -> int:
    return (len(text) + 3) // 4


def _response(prompt: str, answers: list[str], version: str) -> list[dict[str, Any]]:
    """Return a GenerateContentResponse for each part of the answer."""
    asked, answered = _tokens(prompt), _tokens("".join(answers))
    usage = {
        "promptTokenCount": asked,
        "candidatesTokenCount": answered,
        "totalTokenCount": asked + answered,
    }
    return [
        {
            "candidates": [
                {
                    "content": {"parts": [{"text": answer}], "role": "model"},
                    "finishReason": "STOP",
                    "index": 0,
                    "safetyRatings": _SAFETY,
                }
            ],
            "promptFeedback": {"safetyRatings": _SAFETY},
            "usageMetadata": usage,
            "modelVersion": version,
        }
        for answer in answers
    ]
