"""Data sets in the object store, which are read when a job is created.

A data set has a JSON object on each line. For supervised tuning it is `contents`, in which user and model
alternate and the model has the last word. For preference optimization it is a prompt and `completions` with
scores.

Bad data fails the job and not the request. No document says so, but the data is read by the job and not by
the front end, and the job has a field for the error.
"""

import dataclasses
from typing import Any

from reconciler.emulator.call import Call
from reconciler.emulator.errors import ApiError
from reconciler.emulator.generation import read_text
from reconciler.emulator.json_text import parse_json
from reconciler.emulator.protojson import parse_message
from reconciler.emulator.storage.contents import find_content
from reconciler.emulator.vertex.messages import EXAMPLE, PREFERENCE_EXAMPLE

MOST_TOKENS = 131_072
_MOST_VALIDATION = 5_000
_FREE_VALIDATION = 1_000
_LARGEST = 2**30


class UnfitDataError(Exception):
    """What is wrong with a data set, in the words of the job's error."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One line of a data set: its prompt, its answer, and how long they are.

    Attributes:
        messages: how many contents it has, with the answer.
        first: its first content.
    """

    prompt: str
    answer: str
    messages: int
    input_characters: int
    output_characters: int
    first: dict[str, Any]

    @property
    def input_tokens(self) -> int:
        """How many tokens the input has; a token is four characters here."""
        return -(-self.input_characters // 4)

    @property
    def output_tokens(self) -> int:
        """How many tokens the output has."""
        return -(-self.output_characters // 4)

    @property
    def tokens(self) -> int:
        """How many tokens it has in all."""
        return self.input_tokens + self.output_tokens


@dataclasses.dataclass(frozen=True)
class DataSet:
    """The examples that are used, and the numbers of the lines that are too long, counted from 1."""

    examples: list[Example]
    dropped: list[int]

    @property
    def pairs(self) -> list[list[str]]:
        """The prompt and the answer of each example."""
        return [[example.prompt, example.answer] for example in self.examples]


def read_data_set(call: Call, uri: str, *, is_preference: bool) -> DataSet:
    """Return the data set at a gs:// address.

    Raises:
        UnfitDataError: it is missing, too large, malformed, or has nothing to use.
    """
    content = find_content(call.database, uri)
    if content is None:
        raise UnfitDataError(f"The dataset file {uri} does not exist or is not readable.")
    if len(content) > _LARGEST:
        raise UnfitDataError(f"The dataset file {uri} is larger than 1 GB.")
    examples, dropped = [], []
    for number, line in enumerate((line for line in content.splitlines() if line.strip()), 1):
        try:
            example = _read_preference(line) if is_preference else _read_supervised(line)
        except ApiError as error:
            text = f"The dataset {uri} is invalid: line {number}: {error.message}"
            raise UnfitDataError(text) from error
        if example.tokens > MOST_TOKENS:
            dropped.append(number)
        else:
            examples.append(example)
    if not examples:
        raise UnfitDataError(f"The dataset {uri} has no usable example.")
    return DataSet(examples, dropped)


def check_validation(training: DataSet, validation: DataSet, uri: str) -> None:
    """Check how many validation examples there are.

    Raises:
        UnfitDataError: there are more than 5,000, or more than 1,000 and 30 % of the training ones.
    """
    count = len(validation.examples)
    if count > _MOST_VALIDATION:
        raise UnfitDataError(f"The validation dataset {uri} has more than {_MOST_VALIDATION} examples.")
    if count > _FREE_VALIDATION and count > 0.3 * len(training.examples):
        raise UnfitDataError(
            f"The validation dataset {uri} has {count} examples: above {_FREE_VALIDATION}, at most 30 % of "
            "the training examples are allowed."
        )


def _read_supervised(line: bytes) -> Example:
    value = parse_message(EXAMPLE, parse_json(line), "")
    contents = value.get("contents", [])
    if len(contents) < 2 or contents[-1].get("role") != "model":
        raise ApiError(400, "contents must begin with a user turn and end with a model turn.")
    return _make_example(value, contents[:-1], read_text(contents[-1]))


def _read_preference(line: bytes) -> Example:
    value = parse_message(PREFERENCE_EXAMPLE, parse_json(line), "")
    contents, completions = value.get("contents", []), value.get("completions", [])
    if not contents or len(completions) < 2:
        raise ApiError(400, "contents and two completions are required.")
    best = max(completions, key=lambda completion: completion.get("score", 0))
    return _make_example(value, contents, read_text(best.get("completion", {})))


def _make_example(value: dict[str, Any], contents: list[dict[str, Any]], answer: str) -> Example:
    """Return the example, after a check that its turns alternate."""
    expected = "user"
    for content in contents:
        role = content.get("role", "user")
        if role not in {"user", "model", "function"}:
            raise ApiError(400, f"Please use a valid role: user, model. Not {role[:40]!r}.")
        if role not in {expected, "function"}:
            raise ApiError(400, "user and model turns must alternate, and a user begins.")
        expected = "model" if role in {"user", "function"} else "user"
        if not content.get("parts"):
            raise ApiError(400, "Each content must have at least one part.")
    if not answer and "tools" not in value:
        raise ApiError(400, "The answer of the model is empty.")
    system = read_text(value.get("systemInstruction", {}))
    return Example(
        prompt=read_text(contents[-1]),
        answer=answer,
        messages=len(contents) + 1,
        input_characters=len(system) + sum(len(read_text(content)) for content in contents),
        output_characters=len(answer),
        first={"role": contents[0].get("role", "user"), "parts": [{"text": read_text(contents[0])}]},
    )
