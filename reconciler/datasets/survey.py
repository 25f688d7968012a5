"""Surveys the examples of a data set while they are measured: lengths, labels, and examples that clash.

Rule: keep 20 bytes of hashes for each example, and no text except labels. Two examples with equal hashes
count as equal; among ten million examples, that is wrong by chance in one data set of a million.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count

from msgspec import Struct, field

from reconciler.identity import encode_canonical
from reconciler.model.data import Example
from reconciler.problems import Refusal

MOST_COMPARED = 10_000_000
"""At most this many examples are compared, which takes 200 MB. The others are only counted."""
MOST_SHOWN = 100
"""Pairs of lines that a survey keeps of each kind; the others are only counted."""
MOST_LABELS = 20
"""If there are more different outputs, they are not labels."""
LONGEST_LABEL = 60
"""Characters. A longer output is not a label."""
CHARACTERS_PER_TOKEN = 4
"""Google's rule of thumb (ai.google.dev, "tokens"), for estimates."""

DUPLICATE_PERCENT = 5
"""Percent of the examples that may be repetitions before there is a warning."""

VALIDATION_BYTES = 25
"""Percent of the training data's bytes that validation data may have (only Google's agent skills say so)."""

_HASHES = "q" if struct.calcsize("n") == array("q").itemsize else "i"
"""The type of Python's hashes in an array. `struct` calls it "n"."""
_AT_ONCE = 1_000_000
"""Examples whose hashes are in a dictionary at the same time: some 200 MB."""
_NEW = 65_536
"""Inputs that are looked for among earlier ones together, while other processes measure more examples."""


class Lengths(Struct, frozen=True):
    """Characters of all inputs, or of all outputs."""

    least: int = 0
    median: int = 0
    p95: int = 0
    most: int = 0
    total: int = 0


class Pair(Struct, frozen=True, order=True):
    """The lines of two examples, the earlier one first if both are in one file."""

    first: int
    second: int


class Found(Struct, frozen=True):
    """The number of pairs that were found, and the lines of the first ones."""

    count: int = 0
    pairs: tuple[Pair, ...] = ()


class Lines:
    """The hashes of examples, and the number of each: its line, or its place in a list.

    Attributes:
        unread: how many examples there are whose hashes are not here, because the rest of the survey was
            remembered. Hashes are never remembered: Python makes other ones in each process.
    """

    def __init__(self, unread: int = 0) -> None:
        self.inputs, self.outputs, self.numbers = array(_HASHES), array(_HASHES), array("I")
        self.unread = unread

    def __len__(self) -> int:
        return len(self.numbers) + self.unread

    def clear(self) -> None:
        """Drop them, to save memory."""
        self.fill(Lines())

    def fill(self, other: Lines) -> None:
        """Hold what other lines hold."""
        self.inputs, self.outputs, self.numbers = other.inputs, other.outputs, other.numbers
        self.unread = other.unread

    def read(self, part: int = 0, parts: int = 1) -> Iterator[tuple[int, int, int]]:
        """Yield input, output and position of every example whose input belongs to this part."""
        found = zip(self.inputs, self.outputs, count(), strict=False)
        return found if parts == 1 else (entry for entry in found if entry[0] % parts == part)


class Survey(Struct, frozen=True):
    """The numbers and findings for one data set.

    Attributes:
        inputs, outputs: their lengths. Of a chat, the last turn of the model is the output.
        duplicates: examples that are equal to an earlier one.
        contradictions: inputs that have several outputs.
        labels: the outputs and how often each is there, the most frequent first. () if they are no labels.
        long: examples that are probably longer than the service takes.
        long_lines: the first of their lines.
        unit: what the numbers count, "line" or "example".
        lines: for comparing data sets.
    """

    unit: str
    examples: int
    inputs: Lengths
    outputs: Lengths
    duplicates: Found
    contradictions: Found
    labels: tuple[tuple[str, int], ...]
    long: int
    long_lines: tuple[int, ...]
    lines: Lines

    def __eq__(self, other: object) -> bool:
        """Compare what was found, and not the hashes, which are others in each process."""
        return type(other) is Survey and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        found = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "lines")
        return f"Survey({', '.join(found)})"

    @property
    def characters(self) -> int:
        """The number of characters of all texts."""
        return self.inputs.total + self.outputs.total

    @property
    def tokens(self) -> int:
        """The estimated number of tokens."""
        return -(-self.characters // CHARACTERS_PER_TOKEN)

    @property
    def compared(self) -> int:
        """The number of examples that were compared with each other."""
        return min(self.examples, MOST_COMPARED)


class Tally(Struct):
    """What a survey takes from examples that were read together. It may come from another process.

    Attributes:
        inputs: the hashes of what tells two prompts apart, as in `Lines`.
        lengths: characters of the prompts, or how often each number of them is there.
        outputs: the hashes of the answers.
        output_lengths: characters of the answers, or how often each number of them is there.
        labels: the answers, or how often each is there. None if they are no labels.
    """

    inputs: bytes | bytearray
    lengths: Iterable[int]
    outputs: bytes | bytearray
    output_lengths: Iterable[int]
    labels: Iterable[str] | None


class Total(Tally):
    """The sum of tallies of consecutive examples. Lengths and labels are counted."""

    inputs: bytearray = field(default_factory=bytearray)
    lengths: Counter[int] = field(default_factory=Counter)
    outputs: bytearray = field(default_factory=bytearray)
    output_lengths: Counter[int] = field(default_factory=Counter)
    labels: Counter[str] | None = field(default_factory=Counter)

    def add(self, tally: Tally) -> None:
        """Take the examples after these into account."""
        self.inputs += tally.inputs
        self.lengths.update(tally.lengths)
        self.outputs += tally.outputs
        self.output_lengths.update(tally.output_lengths)
        self.labels = _count_labels(self.labels, tally.labels)


def tally_texts(
    asked: Sequence[str | bytes],
    lengths: Sequence[int],
    outputs: Sequence[str],
    output_lengths: Sequence[int],
) -> Tally:
    """Tally examples by what tells their prompts apart, by their answers, and by the characters of both."""
    # Python's own hash: of 64 bits, with a key that no file can know, and faster than others
    pack = struct.Struct(f"{len(asked)}n").pack
    return Tally(pack(*map(hash, asked)), lengths, pack(*map(hash, outputs)), output_lengths, outputs)


class Surveyor:
    """Collects the numbers and findings of a survey; `close` returns it.

    Args:
        unit: what numbers its examples, "line" or "example".
    """

    def __init__(self, unit: str = "line") -> None:
        self._unit = unit
        self._lines = Lines()
        self._known: set[int] | None = set()
        self._inputs: Counter[int] = Counter()
        self._outputs: Counter[int] = Counter()
        self._labels: Counter[str] | None = Counter()
        self._long: list[int] = []
        self._examples = self._longs = self._seen = 0

    def add(self, line: int | None, example: Example, *, is_long: bool) -> None:
        """Take an example into account. `is_long`: it is probably longer than the service takes."""
        if example.line:
            asked, output, length = _split_chat(example.line)
        else:
            asked, output = example.text_input, example.output
            length = len(asked)
        self._examples += 1
        number = line if line is not None and self._unit == "line" else self._examples
        self._inputs[length] += 1
        self._outputs[len(output)] += 1
        lines = self._lines
        if self._examples <= MOST_COMPARED:
            lines.inputs.append(hash(asked))  # as `tally_texts` does
            lines.outputs.append(hash(output))
            lines.numbers.append(number)
        labels = self._labels
        if labels is not None:
            labels[output] += 1
            if len(labels) > MOST_LABELS or len(output) > LONGEST_LABEL:
                self._labels = None
        if is_long:
            self._longs += 1
            if len(self._long) < MOST_SHOWN:
                self._long.append(number)

    def add_all(self, numbers: Sequence[int], tally: Tally) -> None:
        """Take examples on lines with these numbers into account. None of them is long."""
        left = max(MOST_COMPARED - self._examples, 0)
        self._examples += len(numbers)
        self._inputs.update(tally.lengths)
        self._outputs.update(tally.output_lengths)
        lines = self._lines
        size = left * lines.inputs.itemsize
        lines.inputs.frombytes(tally.inputs[:size])
        lines.outputs.frombytes(tally.outputs[:size])
        lines.numbers.fromlist([*numbers[:left]])
        self._labels = _count_labels(self._labels, tally.labels)
        if len(lines.inputs) >= self._seen + _NEW:
            self._know_new()

    def _know_new(self) -> None:
        """Add new inputs to those that are known, until one is repeated or they are too many."""
        new = self._lines.inputs[self._seen :]
        self._seen += len(new)
        if self._known is not None:
            self._known.update(new)
            if len(self._known) < self._seen or self._seen >= _AT_ONCE:
                self._known = None

    def close(self) -> Survey:
        """Return what was found."""
        self._know_new()
        is_each_new, self._known = self._known is not None, None
        duplicates, contradictions = (Found(), Found()) if is_each_new else _compare(self._lines)
        return Survey(
            self._unit,
            self._examples,
            _measure_lengths(self._inputs),
            _measure_lengths(self._outputs),
            duplicates,
            contradictions,
            self._list_labels(),
            self._longs,
            tuple(self._long),
            self._lines,
        )

    def _list_labels(self) -> tuple[tuple[str, int], ...]:
        """List the outputs if they are labels: there are few, and each occurs at least twice on average."""
        labels: Mapping[str, int] = self._labels or {}
        if 2 * len(labels) > self._examples:
            return ()
        return tuple(sorted(labels.items(), key=lambda label: (-label[1], label[0])))


def _count_labels(known: Iterable[str] | None, outputs: Iterable[str] | None) -> Counter[str] | None:
    """Count outputs as labels, beside those that are known. None if they are no labels."""
    if known is None or outputs is None:
        return None
    counted = known if isinstance(known, Counter) else Counter(known)
    counted.update(outputs)
    are_few = len(counted) <= MOST_LABELS
    return counted if are_few and max(map(len, counted), default=0) <= LONGEST_LABEL else None


def _split_chat(line: str) -> tuple[str | bytes, str, int]:
    """Split a line of chat into the prompt, the text of the answer, and the prompt's number of characters.

    In preference tuning the prompt includes the answers, because a prompt may have several pairs of answers.
    """
    chat = json.loads(line)
    asked: str | bytes
    if "completions" in chat:
        answers = [answer["completion"] for answer in chat["completions"]]
        asked = line
    else:
        answers = [chat["contents"].pop()]
        asked = encode_canonical(chat)
    turns = [*chat["contents"], *([chat["systemInstruction"]] if "systemInstruction" in chat else ())]
    return asked, "".join(_list_texts(answers)), sum(map(len, _list_texts(turns)))


def _list_texts(turns: list[dict[str, list[dict[str, str]]]]) -> list[str]:
    return [part["text"] for turn in turns for part in turn["parts"] if "text" in part]


def _measure_lengths(counts: Counter[int]) -> Lengths:
    count = counts.total()
    if not count:
        return Lengths()
    lengths = sorted(counts.items())
    total = sum(length * times for length, times in lengths)
    return Lengths(
        lengths[0][0], _find_rank(lengths, count, 50), _find_rank(lengths, count, 95), lengths[-1][0], total
    )


def _find_rank(lengths: list[tuple[int, int]], count: int, percent: int) -> int:
    """Find the length that this many percent of the texts do not exceed (the nearest rank)."""
    rank, seen = -(-count * percent // 100), 0
    for length, times in lengths:
        seen += times
        if seen >= rank:
            return length
    raise AssertionError("unreachable")


class _Pairs:
    """Counts pairs of examples, and keeps the first of them."""

    def __init__(self) -> None:
        self._count = 0
        self._pairs: list[tuple[int, int]] = []

    def add(self, first: int, second: int) -> None:
        self._count += 1
        self._pairs.append((second, first))
        if len(self._pairs) > 10 * MOST_SHOWN:
            self._cut()

    def _cut(self) -> None:
        self._pairs = sorted(self._pairs)[:MOST_SHOWN]

    def close(self, firsts: Lines, seconds: Lines) -> Found:
        """Return the count, and the numbers of those that are kept, in the order of the later ones."""
        self._cut()
        pairs = (Pair(firsts.numbers[first], seconds.numbers[second]) for second, first in self._pairs)
        return Found(self._count, tuple(pairs))


def _compare(lines: Lines) -> tuple[Found, Found]:
    """Find examples that repeat an earlier one, and inputs with several outputs."""
    duplicates, contradictions = _Pairs(), _Pairs()
    parts = 1 + len(lines) // _AT_ONCE
    for part in range(parts):
        inputs = [one for one in lines.inputs if one % parts == part] if parts > 1 else []
        if inputs and len(set(inputs)) == len(inputs):
            continue
        known: dict[int, int] = {}
        others: dict[int, dict[int, int]] = {}
        for asked, output, position in lines.read(part, parts):
            first = known.setdefault(asked, position)
            if first == position:
                continue
            if lines.outputs[first] == output:
                duplicates.add(first, position)
                continue
            if asked not in others:
                others[asked] = {}
                contradictions.add(first, position)
            same = others[asked].setdefault(output, position)
            if same != position:
                duplicates.add(same, position)
    return duplicates.close(lines, lines), contradictions.close(lines, lines)


def find_shared(training: Lines, held: Lines) -> Found:
    """Find the examples that were held back from the training, and are in the training data too.

    Each of `held` counts once. A pair is the line in the training data, and the line in the other data.
    """
    shared = _Pairs()
    known: dict[tuple[int, int], int | None] = {(asked, output): None for asked, output, _ in held.read()}
    for asked, output, position in training.read():
        if (asked, output) in known and known[asked, output] is None:
            known[asked, output] = position
    for asked, output, position in held.read():
        first = known[asked, output]
        if first is not None:
            shared.add(first, position)
    return shared.close(training, held)


def warn_of(survey: Survey) -> Iterator[tuple[int, Refusal]]:
    """List the serious findings, each with its line: contradictions, and more than a few repetitions."""
    found, unit = survey.contradictions, survey.unit
    if found.count:
        where = "; ".join(f"{unit}s {pair.first:,} and {pair.second:,}" for pair in found.pairs[:3])
        many = "an input has" if found.count == 1 else f"{found.count:,} inputs have"
        yield (
            found.pairs[0].second,
            Refusal(
                f"{many} more than one output: {where}{'; …' if found.count > 3 else ''}",
                "No model can learn both. Keep one output, or tell the inputs apart.",
            ),
        )
    found = survey.duplicates
    if found.count * 100 > DUPLICATE_PERCENT * survey.examples:
        first = found.pairs[0]
        repeat = "repeats" if found.count == 1 else "repeat"
        yield (
            first.second,
            Refusal(
                f"{found.count:,} of {survey.examples:,} examples {repeat} an earlier one: "
                f"{unit} {first.second:,} is the same as {unit} {first.first:,}",
                "Each repetition is trained on and billed again. Remove it.",
            ),
        )


def warn_of_shared(found: Found, held: Survey, training: Survey, path: str) -> Refusal | None:
    """Say that data held back is in the training data too; None if it is not. `path`: the training data."""
    if not found.count:
        return None
    first = found.pairs[0]
    is_one = found.count == 1
    return Refusal(
        f"{found.count:,} of {held.examples:,} examples {'is' if is_one else 'are'} also in the training "
        f"data: {held.unit} {first.second:,} is the same as {training.unit} {first.first:,} of {path}",
        "A model that repeats what it was trained on proves nothing. Remove them from one of the two.",
    )
