"""What the models answer. There is no intelligence: a tuned model repeats its nearest training example.

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

    Args:
        prompt: the question.
        pairs: input and output of each example.
    """
    question = prompt.strip()
    for given, output in pairs:
        if given.strip() == question:
            return output
    grams = _count_grams(question)
    return max(pairs, key=lambda pair: _measure_likeness(grams, _count_grams(pair[0])))[1]


def _count_grams(text: str) -> Counter[str]:
    """Count the words and the pairs of letters in *text*; a word counts as three pairs."""
    lowered = text.lower()
    words = re.findall(r"\w+", lowered)
    grams = Counter({word: 3 * count for word, count in Counter(words).items()})
    grams.update(f" {a}{b}" for a, b in itertools.pairwise(lowered))
    return grams


def _measure_likeness(one: Counter[str], other: Counter[str]) -> float:
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


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


def split_answer(answer: str) -> list[str]:
    """Return an answer in the chunks of a stream: two, cut near the middle, if it has a space there."""
    middle = answer.find(" ", len(answer) // 2) + 1
    return [answer[:middle], answer[middle:]] if middle else [answer]


def stream(call: Call, chunks: Sequence[object]) -> Reply:
    """Return the reply of a streaming method: a JSON array, or server-sent events if asked for."""
    if call.wants_events:
        events = tuple(f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n" for chunk in chunks)
        return Reply(stream=events, media_type="text/event-stream")
    commas = [",\r\n" if number else "[" for number in range(len(chunks))]
    parts = [comma + format_json(chunk) for comma, chunk in zip(commas, chunks, strict=True)]
    # Nothing may follow the bracket: google-generativeai fails on a line end there.
    return Reply(stream=(*parts, "\n]"))
