"""Makes the models' answers. There is no intelligence: a tuned model repeats its nearest training example.

It answers with the output of the example whose input is the prompt, or else of the one that shares most
words and letters with the prompt. A base model repeats the prompt, and says that nobody is there.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.json_text import format_json


def find_nearest_output(prompt: str, pairs: Sequence[Sequence[str]]) -> str:
    """Return the output of the example that *prompt* is most like, the first one of equals.

    *pairs* has the input and the output of each example.
    """
    question = prompt.strip()
    for given, output in pairs:
        if given.strip() == question:
            return output
    grams = _count_grams(question)

    def measure_likeness(pair: Sequence[str]) -> float:
        other = _count_grams(pair[0])
        total = grams.total() + other.total()
        return 2 * (grams & other).total() / total if total else 0.0

    return max(pairs, key=measure_likeness)[1]


def _count_grams(text: str) -> Counter[str]:
    """Count the words and the pairs of letters in *text*; a word counts as three pairs."""
    lowered = text.lower()
    words = re.findall(r"\w+", lowered)
    grams = Counter({word: 3 * count for word, count in Counter(words).items()})
    grams.update(f" {a}{b}" for a, b in itertools.pairwise(lowered))
    return grams


def echo(name: str, prompt: str) -> str:
    """Return the answer of the base model *name*."""
    return f"The emulator has no model behind {name}; it was asked: {prompt[:200]}"


def read_text(content: Mapping[str, Any]) -> str:
    """Return the text of a Content."""
    return "".join(part.get("text", "") for part in content.get("parts", []))


def count_tokens(text: str) -> int:
    """Return how many tokens a text has: one for each four characters."""
    return (len(text) + 3) // 4


def describe_usage(prompt: str, answer: str) -> dict[str, Any]:
    """Return the token counts of a UsageMetadata."""
    asked, answered = count_tokens(prompt), count_tokens(answer)
    return {
        "promptTokenCount": asked,
        "candidatesTokenCount": answered,
        "totalTokenCount": asked + answered,
    }


def split_answer(call: Call, answer: str) -> list[str]:
    """Return the chunks of an answer: a stream has two, cut near the middle, if there is a space."""
    middle = answer.find(" ", len(answer) // 2) + 1 if _is_stream(call) else 0
    return [answer[:middle], answer[middle:]] if middle else [answer]


def reply(call: Call, chunks: Sequence[object]) -> Reply:
    """Return the reply of generateContent, or that of streamGenerateContent.

    A stream is a JSON array, or server-sent events if asked for.
    """
    if not _is_stream(call):
        return Reply(payload=chunks[0])
    if call.query.get("alt", call.query.get("$alt")) == "sse":
        events = tuple(f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n" for chunk in chunks)
        return Reply(stream=events, media_type="text/event-stream")
    commas = ["[", *[",\r\n"] * (len(chunks) - 1)]
    parts = [comma + format_json(chunk) for comma, chunk in zip(commas, chunks, strict=True)]
    # Nothing may follow the bracket: google-generativeai fails on a line end there.
    return Reply(stream=(*parts, "\n]"))


def _is_stream(call: Call) -> bool:
    return call.path["method"] == "streamGenerateContent"
